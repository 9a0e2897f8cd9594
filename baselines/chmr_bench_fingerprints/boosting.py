"""Gradient boosting on bits (LightGBM)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field
from scipy import sparse

from chmr_bench import Inputs
from chmr_bench.features.bits import FingerprintConfig
from chmr_bench.tasks import TaskRows
from chmr_bench.types import FloatArray, IntArray
from chmr_bench_fingerprints.model import TaskwiseModel


class BoostingConfig(FingerprintConfig):
    """Settings of `fingerprint.boosting`."""

    rounds: int = Field(300, ge=1, le=10_000, description="trees a task at most")
    patience: int = Field(
        30, ge=1, description="rounds without a better validation loss before it stops"
    )
    learning_rate: float = Field(0.05, gt=0, le=1, description="step of each tree")
    leaves: int = Field(16, ge=2, le=1024, description="leaves a tree")
    min_leaf: int = Field(10, ge=1, le=1000, description="smallest number of molecules in a leaf")
    penalty: float = Field(1.0, ge=0, le=1000, description="L2 penalty on leaf values")
    min_bit: int = Field(
        5, ge=1, le=1000, description="bits set in fewer labelled molecules are left out"
    )


class Boosting(TaskwiseModel):
    """One boosted ensemble a task; no sampling anywhere, so the seed changes nothing."""

    config: BoostingConfig

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        self._valid = self._bits(valid), y_valid
        super()._fit(bits, y, valid, y_valid)
        del self._valid

    def _fit_task(self, bits: sparse.csr_array, task: TaskRows) -> tuple[Any, IntArray]:
        """Return the booster and the columns it reads; validation rows say when to stop."""
        import lightgbm

        valid_bits, y_valid = self._valid[0], self._valid[1][:, task.task]
        own, rows = bits[task.rows], np.flatnonzero(np.isfinite(y_valid))
        counts = np.asarray(own.sum(axis=0)).ravel()
        columns = np.flatnonzero((counts >= self.config.min_bit) & (counts < len(task.y)))
        if not len(columns):
            columns = np.arange(own.shape[1])
        data = lightgbm.Dataset(
            _lightgbm_matrix(own[:, columns]),
            task.y,
            params={"verbose": -1},
            free_raw_data=True,
        )
        sets: list[Any] = []
        callbacks: list[Any] = []
        if len(rows):
            held_out = _lightgbm_matrix(valid_bits[rows][:, columns])
            sets = [lightgbm.Dataset(held_out, y_valid[rows], reference=data)]
            callbacks = [lightgbm.early_stopping(self.config.patience, verbose=False)]
        booster = lightgbm.train(
            self._params(), data, self.config.rounds, valid_sets=sets, callbacks=callbacks
        )
        return booster, columns

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        return super()._predict(bits.tocsc())  # columns are chosen of it, task by task

    def _predict_task(self, fitted: tuple[Any, IntArray], bits: sparse.csc_array) -> FloatArray:
        booster, columns = fitted
        return np.asarray(booster.predict(_lightgbm_matrix(bits[:, columns]), num_threads=1))

    def _params(self) -> dict[str, Any]:
        return {
            "objective": "binary" if self._is_classifier else "regression",
            "learning_rate": self.config.learning_rate,
            "num_leaves": self.config.leaves,
            "min_data_in_leaf": self.config.min_leaf,
            "lambda_l2": self.config.penalty,
            "max_bin": 2,
            "min_data_in_bin": 1,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": self._threads,
            "verbose": -1,
        }


def _lightgbm_matrix(bits: sparse.csr_array | sparse.csc_array) -> sparse.csr_matrix:
    """Return the older of scipy's two sparse classes, the one LightGBM knows."""
    return sparse.csr_matrix(bits)

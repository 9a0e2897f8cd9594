"""Gradient boosting on bits (LightGBM)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, bits_of, requests
from chmr_bench.tasks import (
    TaskRows,
    constants,
    fill_constants,
    learnable,
    over_threads,
)
from chmr_bench.types import FloatArray, TaskType


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


class Boosting:
    """One boosted ensemble a task; no sampling anywhere, so the seed changes nothing."""

    def __init__(self, config: BoostingConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: BoostingConfig) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads."""
        return requests(config)

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Boost each task; its labelled validation rows say when to stop."""
        bits, valid_bits = bits_of(train, self.config), bits_of(valid, self.config)
        self._task_type: TaskType = context.tasks.task_type
        tasks = learnable(y_train)
        # one task: its trees share the cores; many tasks: one core each
        threads = context.n_jobs if len(tasks) == 1 else 1

        def boost(task: TaskRows) -> tuple[Any, Any]:
            rows = np.flatnonzero(np.isfinite(y_valid[:, task.task]))
            held_out = (valid_bits[rows], y_valid[rows, task.task])
            return self._boost((bits[task.rows], task.y), held_out, threads)

        self._boosters = dict(
            zip((t.task for t in tasks), over_threads(boost, tasks, context), strict=True)
        )
        self._constants = constants(y_train, self._task_type)
        self._context = context

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        bits = bits_of(inputs, self.config).tocsc()
        y_pred = fill_constants(self._constants, len(inputs))

        def predict_task(task: int) -> FloatArray:
            booster, columns = self._boosters[task]
            found = booster.predict(_lightgbm_matrix(bits[:, columns]), num_threads=1)
            return np.asarray(found, dtype=np.float64)

        tasks = list(self._boosters)
        for task, found in zip(
            tasks, over_threads(predict_task, tasks, self._context), strict=True
        ):
            y_pred[:, task] = found
        return y_pred

    def _boost(
        self,
        train: tuple[sparse.csr_array, FloatArray],
        valid: tuple[sparse.csr_array, FloatArray],
        threads: int,
    ) -> tuple[Any, Any]:
        """Return (booster, columns it reads) of one task."""
        import lightgbm

        counts = np.asarray(train[0].sum(axis=0)).ravel()
        columns = np.flatnonzero((counts >= self.config.min_bit) & (counts < len(train[1])))
        if not len(columns):
            columns = np.arange(train[0].shape[1])
        data = lightgbm.Dataset(
            _lightgbm_matrix(train[0][:, columns]),
            train[1],
            params={"verbose": -1},
            free_raw_data=True,
        )
        sets: list[Any] = []
        callbacks: list[Any] = []
        if len(valid[1]):
            sets = [
                lightgbm.Dataset(_lightgbm_matrix(valid[0][:, columns]), valid[1], reference=data)
            ]
            callbacks = [lightgbm.early_stopping(self.config.patience, verbose=False)]
        booster = lightgbm.train(
            self._params(threads), data, self.config.rounds, valid_sets=sets, callbacks=callbacks
        )
        return booster, columns

    def _params(self, threads: int) -> dict[str, Any]:
        return {
            "objective": "binary" if self._task_type == "classification" else "regression",
            "learning_rate": self.config.learning_rate,
            "num_leaves": self.config.leaves,
            "min_data_in_leaf": self.config.min_leaf,
            "lambda_l2": self.config.penalty,
            "max_bin": 2,
            "min_data_in_bin": 1,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": threads,
            "verbose": -1,
        }


def _lightgbm_matrix(bits: sparse.csr_array | sparse.csc_array) -> sparse.csr_matrix:
    """Return the older of scipy's two sparse classes, the one LightGBM knows."""
    return sparse.csr_matrix(bits)

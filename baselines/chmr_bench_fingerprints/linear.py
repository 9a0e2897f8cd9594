"""Logistic and ridge regression on bits."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from chmr_bench import Inputs
from chmr_bench.features.bits import FingerprintConfig
from chmr_bench.tasks import TaskRows
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.model import TaskwiseModel


class LinearConfig(FingerprintConfig):
    """Settings of `fingerprint.linear`."""

    strength: float = Field(
        10.0,
        gt=0,
        le=1e6,
        description="L2 penalty on the weights: 1/C of the logistic, alpha of the ridge",
    )
    class_weight: Literal["none", "balanced"] = Field(
        "none", description="balanced: both classes of a task weigh the same"
    )


class Linear(TaskwiseModel):
    """One penalised linear model a task: logistic for classes, ridge for values."""

    config: LinearConfig

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        super()._fit(bits.astype(np.float64), y, valid, y_valid)

    def _fit_task(self, bits: sparse.csr_array, task: TaskRows) -> tuple[FloatArray, float]:
        fitted = self._estimator().fit(bits[task.rows], task.y)
        return np.ravel(fitted.coef_), float(np.ravel(fitted.intercept_)[0])

    def _predict_task(self, fitted: tuple[FloatArray, float], bits: Any) -> FloatArray:
        from scipy.special import expit

        scores = bits @ fitted[0] + fitted[1]  # (n,)
        return np.asarray(expit(scores) if self._is_classifier else scores)

    def _estimator(self) -> Any:
        """Return an unfitted estimator; both solvers are deterministic.

        liblinear also penalises the intercept; scaling it up makes that penalty negligible.
        """
        from sklearn.linear_model import LogisticRegression, Ridge

        if not self._is_classifier:
            return Ridge(alpha=self.config.strength, solver="sparse_cg", tol=1e-6)
        balanced = self.config.class_weight == "balanced"
        return LogisticRegression(
            C=1.0 / self.config.strength,
            solver="liblinear",
            intercept_scaling=10.0,
            max_iter=300,
            class_weight="balanced" if balanced else None,
        )

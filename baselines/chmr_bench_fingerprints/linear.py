"""Logistic and ridge regression on bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

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


class Linear:
    """One penalised linear model a task: logistic for classes, ridge for values."""

    def __init__(self, config: LinearConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: LinearConfig) -> Mapping[str, FeatureRequest]:
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
        """Fit each task on its labelled training rows."""
        bits = bits_of(train, self.config)
        bits.data = bits.data.astype(np.float64)
        self._task_type: TaskType = context.tasks.task_type
        tasks = learnable(y_train)

        def fit_task(task: TaskRows) -> tuple[FloatArray, float]:
            found = self._estimator().fit(bits[task.rows], task.y)
            return np.ravel(found.coef_), float(np.ravel(found.intercept_)[0])

        fitted = over_threads(fit_task, tasks, context)
        self._columns = [task.task for task in tasks]
        self._weights = np.array([w for w, _ in fitted]).reshape(len(tasks), bits.shape[1])  # (k,d)
        self._intercepts = np.array([b for _, b in fitted])
        self._constants = constants(y_train, self._task_type)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        from scipy.special import expit

        y_pred = fill_constants(self._constants, len(inputs))
        scores = bits_of(inputs, self.config) @ self._weights.T + self._intercepts  # (n, k)
        y_pred[:, self._columns] = expit(scores) if self._is_classifier else scores
        return y_pred

    @property
    def _is_classifier(self) -> bool:
        return self._task_type == "classification"

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

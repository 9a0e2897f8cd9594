"""Ridge regression on Morgan fingerprints, one fit a task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.types import FloatArray

_BITS = "bits"


class RidgeConfig(BaseModel):
    """The settings; ``--set alpha=3`` changes one, an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = Field(default=30.0, gt=0.0, description="weight of the penalty")
    n_bits: int = Field(default=1024, gt=0, description="length of the fingerprint")


class Ridge:
    """Least squares with an L2 penalty; classes are fitted as numbers, clipped to [0, 1]."""

    def __init__(self, config: RidgeConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: RidgeConfig) -> Mapping[str, FeatureRequest]:
        """Return the features to be computed, by the names that `fit` and `predict` use."""
        return {_BITS: FeatureRequest("morgan", {"n_bits": config.n_bits})}

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit every task on the molecules that have a label for it."""
        x = _dense(train)  # (n, d)
        self.weights = np.zeros((x.shape[1], y_train.shape[1]))  # (d, t)
        self.offsets = np.zeros(y_train.shape[1])  # (t,)
        self.is_class = context.tasks.task_type == "classification"
        for task, y in enumerate(y_train.T):
            labelled = ~np.isnan(y)
            if labelled.any():
                self.offsets[task] = y[labelled].mean()
                residual = y[labelled] - self.offsets[task]
                self.weights[:, task] = _solve(x[labelled], residual, self.config.alpha)
            context.progress(task + 1, y_train.shape[1], "tasks")

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return (n, t) values, for classification within [0, 1]."""
        y_pred = _dense(inputs) @ self.weights + self.offsets
        return np.clip(y_pred, 0.0, 1.0) if self.is_class else y_pred


def _dense(inputs: Inputs) -> FloatArray:
    """Return the fingerprints as a (n, d) float array; they come as a sparse matrix."""
    values = inputs.matrix(_BITS).values
    return np.asarray(values if isinstance(values, np.ndarray) else values.toarray(), dtype=float)


def _solve(x: FloatArray, y: FloatArray, alpha: float) -> FloatArray:
    """Return the (d,) weights that minimise |x w - y|^2 + alpha |w|^2."""
    return np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ y)

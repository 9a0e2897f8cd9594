"""A linear or a Gaussian-process head on frozen embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.nn.linear import LinearHead
from chmr_bench.types import FloatArray

BLOCK = "minimol"
INDUCING_SEED = 0
"""Inducing molecules are drawn with one fixed seed: the run's changes nothing."""


class EmbeddingConfig(BaseModel):
    """Settings of `embedding.minimol`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    head: Literal["linear", "gp"] = Field(
        "linear", description="linear, or a Gaussian process (Gaussian kernel) on the embeddings"
    )
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0),
        min_length=1,
        description="penalties tried; the one with the best validation score is kept",
    )
    n_inducing: int = Field(1000, ge=2, le=10_000, description="inducing molecules of the process")


class EmbeddingModel:
    """Standardised embeddings to every task; a molecule without one is taken for the mean.

    The Gaussian process is the one of inducing molecules (Quinonero-Candela and Rasmussen, JMLR
    2005, subset of regressors): a linear model on their kernel features, whose penalty is noise
    over kernel variance. For classes, what is found is the mode of the posterior, and the link is
    logistic.
    """

    def __init__(self, config: EmbeddingConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: EmbeddingConfig) -> Mapping[str, FeatureRequest]:
        """Return the embedding."""
        return {BLOCK: FeatureRequest(BLOCK)}

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit the head on the training rows that have a label."""
        from sklearn.preprocessing import StandardScaler

        block = train.matrix(BLOCK)
        rows = np.flatnonzero(block.observed & np.isfinite(y_train).any(axis=1))
        x = np.asarray(block.values[rows], dtype=np.float64)
        self._scaler, self._kernel = StandardScaler().fit(x), None
        if self.config.head == "gp":
            self._kernel = self._kernel_features(*x.shape).fit(self._scaler.transform(x))
        self._head = LinearHead(self.config.strengths)
        data = self._features(train)[rows], y_train[rows]
        self._head.fit(*data, self._features(valid), y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._head.predict(self._features(inputs))

    def _kernel_features(self, n: int, d: int) -> Any:
        from sklearn.kernel_approximation import Nystroem

        # Two standardised vectors of d numbers lie a squared distance of 2 d apart on average.
        m = min(self.config.n_inducing, n)
        return Nystroem(gamma=0.5 / d, n_components=m, random_state=INDUCING_SEED)

    def _features(self, inputs: Inputs) -> FloatArray:
        """Return what the head reads, (n, d) float64."""
        block, n = inputs.matrix(BLOCK), len(inputs)
        seen = np.flatnonzero(block.observed)
        x = np.zeros((max(n, 1), block.values.shape[1]))  # scikit-learn refuses what has no row
        if len(seen):
            x[seen] = self._scaler.transform(np.asarray(block.values[seen], dtype=np.float64))
        if self._kernel is not None:
            x = self._kernel.transform(x)
        return np.asarray(x[:n])

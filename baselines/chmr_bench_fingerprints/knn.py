"""Nearest neighbours by Tanimoto similarity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, bits_of, requests
from chmr_bench.features.tanimoto import similarity_matrix
from chmr_bench.tasks import constants, fill_constants, over_threads
from chmr_bench.types import FloatArray, IntArray

CHUNK = 128
"""Molecules compared with all training rows at a time: 17 MB for HIV."""


class KnnConfig(FingerprintConfig):
    """Settings of `fingerprint.knn`."""

    k: int = Field(10, ge=1, le=1000, description="labelled neighbours a task")
    power: float = Field(
        3.0, ge=0, le=20, description="a neighbour weighs similarity to this power"
    )
    prior: float = Field(
        0.01,
        gt=0,
        le=100,
        description="weight of the task's mean label, which also decides where nobody is near",
    )


class Knn:
    """Mean label of the k most similar labelled training molecules, weighted by similarity."""

    def __init__(self, config: KnnConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: KnnConfig) -> Mapping[str, FeatureRequest]:
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
        """Remember the training rows."""
        self._bits = bits_of(train, self.config)
        self._y = np.ascontiguousarray(y_train, dtype=np.float64)
        self._constants = constants(y_train, context.tasks.task_type)
        self._context = context

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return the weighted mean labels, (n, t)."""
        bits = bits_of(inputs, self.config)
        starts = list(range(0, len(inputs), CHUNK))

        def predict_chunk(start: int) -> FloatArray:
            return self._predict(similarity_matrix(bits[start : start + CHUNK], self._bits))

        parts = over_threads(predict_chunk, starts, self._context, unit=f"x {CHUNK} molecules")
        return np.concatenate(parts) if parts else fill_constants(self._constants, 0)

    def _predict(self, likeness: FloatArray) -> FloatArray:
        from chmr_bench_fingerprints.knn_kernel import weighted_labels

        n, t = likeness.shape[0], self._y.shape[1]
        sums, totals = np.zeros((n, t)), np.zeros((n, t))
        weights = np.power(likeness, self.config.power)
        weighted_labels(self._nearest(likeness), weights, self._y, self.config.k, sums, totals)
        prior = self.config.prior
        y_pred: FloatArray = (sums + prior * self._constants) / (totals + prior)
        return y_pred

    def _nearest(self, likeness: FloatArray) -> IntArray:
        """Return training rows by falling similarity; ties in the order of the rows."""
        return np.argsort(-likeness, axis=1, kind="stable")

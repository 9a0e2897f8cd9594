"""Nearest neighbours by Tanimoto similarity."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy import sparse

from chmr_bench import Inputs
from chmr_bench.features.bits import FingerprintConfig
from chmr_bench.features.tanimoto import similarity_matrix
from chmr_bench.tasks import fill_constants, over_threads
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.model import FingerprintModel

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


class Knn(FingerprintModel):
    """Mean label of the k most similar labelled training molecules, weighted by similarity."""

    config: KnnConfig

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        self._train_bits, self._y = bits, np.ascontiguousarray(y, dtype=np.float64)

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        starts = list(range(0, bits.shape[0], CHUNK))

        def predict_chunk(start: int) -> FloatArray:
            return self._weighted(similarity_matrix(bits[start : start + CHUNK], self._train_bits))

        parts = over_threads(predict_chunk, starts, self._context, unit=f"x {CHUNK} molecules")
        return np.concatenate(parts) if parts else fill_constants(self._constants, 0)

    def _weighted(self, likeness: FloatArray) -> FloatArray:
        from chmr_bench_fingerprints.knn_kernel import weighted_labels

        n, t = likeness.shape[0], self._y.shape[1]
        sums, totals = np.zeros((n, t)), np.zeros((n, t))
        weights = np.power(likeness, self.config.power)
        nearest = np.argsort(-likeness, axis=1, kind="stable")  # ties in the order of the rows
        weighted_labels(nearest, weights, self._y, self.config.k, sums, totals)
        prior = self.config.prior
        y_pred: FloatArray = (sums + prior * self._constants) / (totals + prior)
        return y_pred

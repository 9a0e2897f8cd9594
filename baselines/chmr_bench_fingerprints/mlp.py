"""Multi-task networks on fingerprint counts and descriptors; what has no label enters no loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.nn.sparse_heads import CountsConfig, SparseHeads, SparseHeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.model import FingerprintModel


class MlpConfig(CountsConfig):
    """Settings of `fingerprint.mlp`."""


class Mlp(FingerprintModel):
    """Counts and descriptors to all tasks at once, the mean of networks of several shapes."""

    config: MlpConfig

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads, and the descriptors."""
        requested: Mapping[str, FeatureRequest] = config.needs()
        return requested

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit on the training rows; of each network the best epoch on the validation rows stays."""
        self._columns = self.config.columns(train)
        super().fit(train, y_train, valid, y_valid, context)

    def _bits(self, inputs: Inputs) -> sparse.csr_array:
        """Return log counts and standardised descriptors side by side, (n, d) float32."""
        return self._columns.read(inputs)

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        self._heads = SparseHeads(SparseHeadSettings.of(self.config))
        self._heads.fit(bits, y, self._bits(valid), y_valid, self._context)

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        return self._heads.predict(bits)

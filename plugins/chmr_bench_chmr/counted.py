"""A candidate without an encoder: the networks of `fingerprint.mlp` on counts and descriptors."""

from __future__ import annotations

from scipy import sparse

from chmr_bench import FitContext, Inputs
from chmr_bench.features.bits import log_counts_of
from chmr_bench.features.properties import ClippedScale
from chmr_bench.nn.sparse_heads import SparseHeads, SparseHeadSettings
from chmr_bench.types import FloatArray


class CountsNetworks:
    """Log counts of the Morgan bits and descriptors -> the mean of two networks -> every task."""

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit on the training rows; of each network the best epoch on the validation rows stays."""
        self._properties = ClippedScale.of(train.matrix("descriptors"))
        self._heads = SparseHeads(SparseHeadSettings())
        self._heads.fit(self._read(train), y_train, self._read(valid), y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._heads.predict(self._read(inputs))

    def _read(self, inputs: Inputs) -> sparse.csr_array:
        counts = log_counts_of(inputs, ["counts"])
        scaled = sparse.csr_array(self._properties.apply(inputs.matrix("descriptors")))
        return sparse.csr_array(sparse.hstack([counts, scaled], format="csr"))

"""A candidate without an encoder: the networks of `fingerprint.mlp` on counts and descriptors."""

from __future__ import annotations

from chmr_bench import FitContext, Inputs
from chmr_bench.features.properties import CountedColumns
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
        self._columns = CountedColumns.of(train, ["counts"])
        self._heads = SparseHeads(SparseHeadSettings())
        read = self._columns.read
        self._heads.fit(read(train), y_train, read(valid), y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._heads.predict(self._columns.read(inputs))

"""A candidate without an encoder: the networks of `fingerprint.mlp` on counts and descriptors.

They read the molecule's own profiles beside these, where the model does.
"""

from __future__ import annotations

from scipy import sparse

from chmr_bench import FitContext, Inputs
from chmr_bench.features.properties import CountedColumns
from chmr_bench.nn.sparse_heads import SparseHeads, SparseHeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_chmr.profile_inputs import ProfileInputs


class CountsNetworks:
    """Log counts of the Morgan bits and descriptors -> the mean of two networks -> every task."""

    def __init__(self, profiles: ProfileInputs) -> None:
        self._profiles = profiles

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
        self._heads = SparseHeads(SparseHeadSettings(), self._profiles.masked_sparse)
        self._heads.fit(self._read(train), y_train, self._read(valid), y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._heads.predict(self._read(inputs))

    def _read(self, inputs: Inputs) -> sparse.csr_array:
        parts = self._columns.read(inputs), sparse.csr_array(self._profiles.read(inputs))
        return sparse.csr_array(sparse.hstack(parts, format="csr"))

"""The networks of `fingerprint.mlp`, which read a molecule's own profiles beside its structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.profiles import ProfileView
from chmr_bench.nn.modality_dropout import masked_sparse
from chmr_bench.nn.sparse_heads import CountsConfig, SparseHeads, SparseHeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_profiles.model import CellModel, CellsConfig, LabelledTable, Member


class CellsCountsConfig(CountsConfig, CellsConfig):
    """Settings of `cells.counts`."""


class CellsCounts(CellModel):
    """Counts, descriptors and profiles to every task.

    Without profiles these are the networks of `fingerprint.mlp`, drawn from another seed.
    """

    config: CellsCountsConfig
    on_logits = True

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads, and the descriptors; profiles come with the data."""
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
        self._counted = self.config.columns(train)
        super().fit(train, y_train, valid, y_valid, context)

    def _structure(self, inputs: Inputs) -> FloatArray:
        columns: FloatArray = self._counted.read(inputs).toarray()
        return columns

    def _columns(self, view: ProfileView) -> FloatArray:
        return view.filled()

    def _fit_member(self, table: LabelledTable, context: FitContext) -> Member:
        augment = self._masking(table, masked_sparse)
        heads = SparseHeads(SparseHeadSettings.of(self.config), augment)
        heads.fit(table.x, table.y, table.x_valid, table.y_valid, context)
        return heads

"""Matching by InfoAlign: the profile that is decoded from a molecule, and the measured one."""

from __future__ import annotations

from collections.abc import Mapping

from chmr_bench import FeatureRequest, FitContext, Inputs, MatrixBlock
from chmr_bench.cells import Atlas
from chmr_bench.cells.matching import ColumnScale, profile_similarity
from chmr_bench.types import FloatArray
from chmr_bench_infoalign.config import InfoAlignConfig
from chmr_bench_infoalign.weights import INPUTS


class InfoAlignMatcher:
    """Pretrained on the training pairs; a molecule's decoded profile against the measured ones."""

    def __init__(self, config: InfoAlignConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: InfoAlignConfig) -> Mapping[str, FeatureRequest]:
        """Return the graphs."""
        return INPUTS

    def fit_pairs(self, molecules: Inputs, pairs: Atlas, context: FitContext) -> None:
        """Pretrain on the pairs, as on any atlas."""
        from chmr_bench.nn.pretraining.pairs import learnt_on_pairs
        from chmr_bench_infoalign.pretraining.making import InfoAlignPretraining

        self._device = context.device
        self._scales = {name: ColumnScale.of(block) for name, block in pairs.blocks.items()}
        learner = learnt_on_pairs(InfoAlignPretraining, self.config, pairs, context)
        self._network = learner.network
        self._cells = learner.material.cells

    def score(self, molecules: Inputs, block: str, profiles: MatrixBlock) -> FloatArray:
        """Return the cosine of every decoded profile with every measured one, (n, m)."""
        import torch

        from chmr_bench.nn.batch import graph_batch

        with torch.inference_mode():
            mu = self._network.encode(graph_batch(molecules.graph(), device=self._device)).mu
            shares = self._network.decode(block, mu).sigmoid().double().cpu().numpy()  # 0 to 1
        scale = self._cells[block]
        return profile_similarity(shares * scale.sd + scale.mean, profiles, self._scales[block])

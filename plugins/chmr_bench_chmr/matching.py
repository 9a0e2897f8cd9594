"""Matching by CHMR: a molecule's anchor and a profile's projection lie in one space (eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench import FeatureRequest, FitContext, Inputs, MatrixBlock
from chmr_bench.cells import Atlas
from chmr_bench.cells.matching import measured_values
from chmr_bench.types import FloatArray
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.weights import feature_requests


class ChmrMatcher:
    """Pretrained on the training pairs; the cosine that InfoNCE aligned."""

    def __init__(self, config: ChmrConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: ChmrConfig) -> Mapping[str, FeatureRequest]:
        """Return the features of the encoder."""
        return feature_requests(config)

    def fit_pairs(self, molecules: Inputs, pairs: Atlas, context: FitContext) -> None:
        """Pretrain on the pairs, as on any atlas."""
        from chmr_bench.nn.pretraining.pairs import learnt_on_pairs
        from chmr_bench_chmr.pretraining.making import ChmrPretraining

        learner = learnt_on_pairs(ChmrPretraining, self.config, pairs, context)
        self._network, self._device = learner.network, context.device

    def score(self, molecules: Inputs, block: str, profiles: MatrixBlock) -> FloatArray:
        """Return the cosine of every anchor with every projected profile, (n, m)."""
        import torch
        from torch.nn import functional

        from chmr_bench.features.profiles import CLIP
        from chmr_bench_chmr.embedding import latents_of

        network, device = self._network, self._device
        entries = torch.from_numpy(profiles.entries.copy()).to(device)
        raw = torch.from_numpy(measured_values(profiles))
        with torch.inference_mode():
            anchors = torch.stack(list(latents_of(molecules, network, device).values())).sum(0)
            scaled = network.standardise(block, raw.float().to(device)).clamp(-CLIP, CLIP)
            codes = network.project(block, torch.where(entries, scaled, 0.0), entries)
            cosine = functional.normalize(anchors, dim=1) @ functional.normalize(codes, dim=1).T
        return np.asarray(cosine.double().cpu().numpy())

"""Matching by the plain control: the profile regressed on a molecule's bits, and the measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench import FeatureRequest, FitContext, Inputs, MatrixBlock
from chmr_bench.cells import Atlas
from chmr_bench.cells.matching import ColumnScale, measured_values, profile_similarity
from chmr_bench.types import FloatArray
from chmr_bench_chmr.reading import bits_of
from chmr_bench_chmr.regressor_config import RegressorConfig, requests


class RegressorMatcher:
    """The network from bits to read-outs, fitted on the training pairs."""

    def __init__(self, config: RegressorConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: RegressorConfig) -> Mapping[str, FeatureRequest]:
        """Return the bits it reads."""
        return requests(config)

    def fit_pairs(self, molecules: Inputs, pairs: Atlas, context: FitContext) -> None:
        """Regress the standardised read-outs of all blocks on the bits."""
        from chmr_bench_chmr.regressor_training import Regression, trained

        self._scales = {name: ColumnScale.of(block) for name, block in pairs.blocks.items()}
        entries = np.concatenate([block.entries for block in pairs.blocks.values()], axis=1)
        scaled = [
            self._scales[name](measured_values(block)) for name, block in pairs.blocks.items()
        ]
        target = np.where(entries, np.concatenate(scaled, axis=1), 0.0).astype(np.float32)
        data = Regression.of_arrays(bits_of(molecules), target, entries.astype(np.float32))
        self._network, _ = trained(data, self.config, context.progress, context.seed)

    def score(self, molecules: Inputs, block: str, profiles: MatrixBlock) -> FloatArray:
        """Return the cosine of every predicted profile with every measured one, (n, m)."""
        import torch

        with torch.inference_mode():
            joined = self._network(torch.from_numpy(bits_of(molecules))).double().numpy()
        ends = np.cumsum([len(scale.mean) for scale in self._scales.values()])
        parts = dict(zip(self._scales, np.split(joined, ends[:-1], axis=1), strict=True))
        scale = self._scales[block]
        return profile_similarity(parts[block] * scale.sd + scale.mean, profiles, scale)

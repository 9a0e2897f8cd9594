"""MMSA downstream: embeddings of the frozen network, and a head on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.nn.heads import Head, HeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_mmsa.config import MmsaConfig
from chmr_bench_mmsa.embedding import checked_network, unified_codes
from chmr_bench_mmsa.weights import feature_requests


class Mmsa:
    """Graph, drawing and conformer -> unified code, and the nearest training molecules -> head.

    A prediction depends on the molecule and on the training molecules alone, never on which others
    are predicted with it.
    """

    def __init__(self, config: MmsaConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: MmsaConfig) -> Mapping[str, FeatureRequest]:
        """Return the modalities that the settings name."""
        return feature_requests(config)

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Embed the molecules and train the head; the encoders stay as they are.

        Raises
        ------
        DataError
            No weights were given.
        """
        self._context = context
        self._pool = unified_codes(train, context)
        del train  # drawings and conformers take hundreds of megabytes
        x_train = self._with_neighbours(self._pool)
        self._centre = x_train.mean(axis=0)
        spread = x_train.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0).astype(np.float32)
        self._head = Head(HeadSettings.of(self.config, "head_"))
        self._head.fit(self._scaled(x_train), y_train, self._embedded(valid), y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._head.predict(self._embedded(inputs))

    def _embedded(self, inputs: Inputs) -> FloatArray:
        codes = unified_codes(inputs, self._context)
        return self._scaled(self._with_neighbours(codes))

    def _scaled(self, x: FloatArray) -> FloatArray:
        """Return columns in the spread that they have over the training molecules."""
        return np.asarray((x - self._centre) / self._spread)

    def _with_neighbours(self, codes: FloatArray) -> FloatArray:
        """Return (n, d): unified codes, and beside them what the nearest training molecules say."""
        import torch

        from chmr_bench.nn.trainer import one_thread

        network = checked_network(self._context)[0]
        device = self._context.device
        with one_thread(), torch.inference_mode():
            u, pool = (torch.from_numpy(part).to(device) for part in (codes, self._pool))
            embedded = network.to(device).embed(u, pool)
        return np.asarray(embedded.float().cpu().numpy())

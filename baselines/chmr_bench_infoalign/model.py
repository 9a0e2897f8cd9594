"""InfoAlign downstream: the latent of the frozen encoder, and a head on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.nn.heads import Head, HeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_infoalign.config import InfoAlignFrozenConfig
from chmr_bench_infoalign.embedding import embed
from chmr_bench_infoalign.weights import INPUTS


class InfoAlign:
    """Graph -> mu of the frozen encoder -> one hidden layer -> every task.

    Nothing in pretraining holds mu near one, and the head learns badly from numbers of a hundred.
    """

    def __init__(self, config: InfoAlignFrozenConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: InfoAlignFrozenConfig) -> Mapping[str, FeatureRequest]:
        """Return the graphs."""
        return INPUTS

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Embed the molecules and train the head; the encoder stays as it is.

        Raises
        ------
        DataError
            No weights were given.
        """
        self._context = context
        self._head = Head(HeadSettings.of(self.config, "head_"))
        x_train = embed(train, context)
        self._centre, self._spread = np.zeros(1), np.ones(1)
        if self.config.head_scaling:
            spread = x_train.std(axis=0)
            self._centre, self._spread = x_train.mean(axis=0), np.where(spread > 0, spread, 1.0)
        x_valid = self._scaled(embed(valid, context))
        self._head.fit(self._scaled(x_train), y_train, x_valid, y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._head.predict(self._scaled(embed(inputs, self._context)))

    def _scaled(self, mu: FloatArray) -> FloatArray:
        return ((mu - self._centre) / self._spread).astype(np.float32)

"""InfoAlign downstream: the latent of the frozen encoder, and a head on it."""

from __future__ import annotations

from collections.abc import Mapping

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.nn.heads import Head, HeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_infoalign.config import InfoAlignConfig
from chmr_bench_infoalign.embedding import embed
from chmr_bench_infoalign.weights import INPUTS


class InfoAlign:
    """Graph -> mu of the frozen encoder -> one hidden layer -> every task."""

    def __init__(self, config: InfoAlignConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: InfoAlignConfig) -> Mapping[str, FeatureRequest]:
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
        del train  # graphs of a large dataset take hundreds of megabytes
        self._head.fit(x_train, y_train, embed(valid, context), y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._head.predict(embed(inputs, self._context))

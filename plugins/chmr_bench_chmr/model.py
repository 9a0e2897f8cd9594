"""CHMR downstream: embeddings of the frozen encoder, computed once, and a head on top of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench import DataError, FeatureRequest, FitContext, Inputs
from chmr_bench.nn.heads import Head, HeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.config import ChmrConfig


class Chmr:
    """Raw bits and projected modalities of the frozen encoder -> head -> every task."""

    def __init__(self, config: ChmrConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: ChmrConfig) -> Mapping[str, FeatureRequest]:
        """Return the features of the encoder; the bits alone where nothing else is read."""
        return reading.requests(config)

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
        DataError : the head reads the encoder and no weights were given.
        """
        if reading.uses_encoder(self.config) and context.weights is None:
            raise DataError("the head reads the encoder, but there are no pretrained weights")
        self._context = context
        groups = self._groups(train)
        self._scales = {name: _scale(values) for name, values in groups.items() if name != "bits"}
        self._head = Head(head_settings(self.config))
        x_train, x_valid = self._join(groups), self._join(self._groups(valid))
        self._head.fit(x_train, y_train, x_valid, y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._head.predict(self._join(self._groups(inputs)))

    def _groups(self, inputs: Inputs) -> dict[str, FloatArray]:
        """Return what the head reads, a matrix (n, d) float32 an input."""
        found: dict[str, FloatArray] = {}
        if reading.uses_encoder(self.config):
            from chmr_bench_chmr.embedding import embed

            found = embed(inputs, self.config, self._context)
        if "bits" in self.config.head_inputs:
            found["bits"] = reading.bits_of(inputs)
        return {name: found[name] for name in self.config.head_inputs}

    def _join(self, groups: Mapping[str, FloatArray]) -> FloatArray:
        """Return the groups side by side; all but the bits standardised on the training rows."""
        parts = []
        for name, values in groups.items():
            if name in self._scales:
                centre, spread = self._scales[name]
                values = (values - centre) / spread * self.config.head_embedding_scale
            parts.append(values.astype(np.float32, copy=False))
        return np.concatenate(parts, axis=1)


def head_settings(config: ChmrConfig) -> HeadSettings:
    """Return the head's part of the settings."""
    return HeadSettings(
        layers=config.head_layers,
        hidden=config.head_hidden,
        dropout=config.head_dropout,
        input_dropout=config.head_input_dropout,
        norm=config.head_norm,
        learning_rate=config.head_learning_rate,
        weight_decay=config.head_weight_decay,
        epochs=config.head_epochs,
        patience=config.head_patience,
        batch_size=config.head_batch_size,
    )


def _scale(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread (d,) of the columns; a constant column has spread 1."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 1e-6, spread, 1.0)

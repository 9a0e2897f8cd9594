"""CHMR downstream: embeddings of the frozen encoder, computed once, and a head on top of them.

The paper's head is a network on the raw bits and the projected modalities. With a few hundred
labels a linear head on what pretraining predicts is better; with thousands it is not. So the heads
named in the settings are all fitted on the training rows, and the one with the best validation
score is kept, or the mean of the best few, for every dataset by the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench import DataError, FeatureRequest, FitContext, Inputs
from chmr_bench.errors import SettingError
from chmr_bench.features.bits import log_counts_of
from chmr_bench.features.properties import ClippedScale
from chmr_bench.nn.heads import Head, HeadSettings, SideBySide
from chmr_bench.nn.linear import LinearHead
from chmr_bench.types import FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.blending import Blend
from chmr_bench_chmr.config import ChmrConfig, HeadKind

if TYPE_CHECKING:
    from chmr_bench_chmr.cell_input import CellReader

Groups = Mapping[str, FloatArray]
"""Name of an input of the head -> (n, d) float32."""
LINEAR: Mapping[HeadKind, tuple[str, ...]] = {
    "bits": ("bits",),
    "counts": ("counts", "descriptors"),
    "anchor": ("anchor",),
    "readouts": ("readouts",),
    "cells": ("state",),
}
"""What each linear head reads."""
NO_CELLS = (
    "no head reads the molecule's own cells: these weights hold no cell state (see the setting "
    "state_factors); add 'network' to heads and 'cells' to head_inputs"
)
SHARED_ROUNDS = 8
"""Of the head on the cell state: tasks look at one and the same cell."""


@dataclass(frozen=True)
class _Fitted:
    """A head, what it reads, and its predictions of the validation rows (n, t)."""

    kind: HeadKind
    head: Head | LinearHead
    reads: tuple[str, ...]
    y_valid: FloatArray


class Chmr:
    """Raw bits and projected modalities of the frozen encoder -> head -> every task."""

    def __init__(self, config: ChmrConfig) -> None:
        if config.forest_weight is not None:
            raise SettingError("forest_weight is a setting of chmr.forest-ensemble alone")
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
        """Embed the molecules and train the heads; the encoder stays as it is.

        Raises
        ------
        DataError
            The head reads the encoder and no weights were given; or no head named in the
            settings has anything to read.
        """
        if reading.uses_encoder(self.config) and context.weights is None:
            raise DataError("the head reads the encoder, but there are no pretrained weights")
        self._context = context
        self._cells: CellReader | None = None
        if reading.uses_cells(self.config):
            from chmr_bench_chmr.cell_input import CellReader

            self._cells = CellReader(train, self.config, context)
        if reading.uses_counts(self.config):
            self._properties = ClippedScale.of(train.matrix("descriptors"))
        groups = self._groups(train)
        self._scales = {n: _scale(values) for n, values in groups.items() if n not in reading.RAW}
        del train  # of a large dataset 300 MB, and no head reads it
        parts = (groups, y_train, self._groups(valid), y_valid)
        readable = {kind: self._reads(kind, groups) for kind in self.config.heads}
        for kind in (kind for kind, reads in readable.items() if not reads):
            context.log.warning("head %s: nothing to read with these weights, left out", kind)
        fitted = [self._fit_one(kind, reads, *parts) for kind, reads in readable.items() if reads]
        if not fitted:
            raise DataError(
                f"the heads {list(self.config.heads)} find nothing to read among {sorted(groups)}: "
                "add 'network' or 'bits' to heads"
            )
        reads_them = any({"cells", "state"} & set(one.reads) for one in fitted)
        if self._cells is not None and self._cells.names and not reads_them:
            raise DataError(NO_CELLS)
        blend = Blend(context.tasks, y_valid)
        most = len(fitted) if self.config.head_blend else 1
        chosen, scores = blend.choose({one.kind: one.y_valid for one in fitted}, most)
        self._blend = blend
        self._kept = [one for kind in chosen for one in fitted if one.kind == kind]
        context.log.info("heads by validation score: %s; kept: %s", scores, " and ".join(chosen))

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        groups = self._groups(inputs)
        return self._blend.mean(
            [one.head.predict(self._join(groups, one.kind, one.reads)) for one in self._kept]
        )

    def _reads(self, kind: HeadKind, groups: Groups) -> tuple[str, ...]:
        """Return what a head reads; nothing where it cannot be: bits alone are for the network."""
        if kind == "network":
            return tuple(name for name in self.config.head_inputs if name in groups)
        return LINEAR[kind] if all(name in groups for name in LINEAR[kind]) else ()

    def _fit_one(
        self,
        kind: HeadKind,
        reads: tuple[str, ...],
        train: Groups,
        y_train: FloatArray,
        valid: Groups,
        y_valid: FloatArray,
    ) -> _Fitted:
        head: Head | LinearHead
        if kind == "network":
            head = Head(HeadSettings.of(self.config, "head_"))
        else:
            rounds = SHARED_ROUNDS if kind == "cells" else 0
            head = LinearHead(self.config.head_strengths, rounds)
        x_valid = self._join(valid, kind, reads)
        head.fit(self._join(train, kind, reads), y_train, x_valid, y_valid, self._context)
        return _Fitted(kind, head, reads, head.predict(x_valid))

    def _groups(self, inputs: Inputs) -> dict[str, FloatArray]:
        """Return all that a head may read, a matrix (n, d) an input; bits in one byte each."""
        parts: dict[str, FloatArray] = {}
        if reading.uses_encoder(self.config):
            from chmr_bench_chmr.embedding import embed

            parts = embed(inputs, self.config, self._context)
        if self._cells is not None:
            parts |= self._cells.read(inputs, parts.get("readouts"))
        if reading.uses_counts(self.config):
            parts["counts"] = log_counts_of(inputs, ["counts"]).toarray()
            parts["descriptors"] = self._properties.apply(inputs.matrix("descriptors"))
        parts = {**parts, "bits": reading.bits_of(inputs, np.uint8)}
        # Copies of columns, so that those that no head reads are let go of.
        return {
            name: values if values.base is None else values.copy()
            for name, values in parts.items()
            if name in self._wanted
        }

    @property
    def _wanted(self) -> set[str]:
        """Return all that the heads may read."""
        kinds = self.config.heads
        return {name for kind in kinds for name in LINEAR.get(kind, self.config.head_inputs)}

    def _join(self, groups: Groups, kind: HeadKind, reads: Sequence[str]) -> Any:
        """Return the groups side by side; those of the encoder standardised on training rows."""
        if kind == "network":
            scale = self.config.head_embedding_scale
            return SideBySide(tuple(self._scaled(name, groups[name], scale) for name in reads))
        ends = np.cumsum([groups[name].shape[1] for name in reads])
        joined = np.empty((len(groups[reads[0]]), ends[-1]), dtype=np.float32)
        for name, place in zip(reads, np.split(joined, ends[:-1], axis=1), strict=True):
            place[:] = self._scaled(name, groups[name])
        return joined

    def _scaled(self, name: str, values: FloatArray, scale: float = 1.0) -> FloatArray:
        if name not in self._scales:
            return values
        centre, spread = self._scales[name]
        return (values - centre) / spread * scale


def _scale(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread (d,) of the columns; a constant column has spread 1."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 1e-6, spread, 1.0)

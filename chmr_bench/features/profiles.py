"""A molecule's own profiles as numbers of one scale; what is not observed is NaN, and never read.

A modality may come in several blocks (``morphology.bray``, ``morphology.jump``). They lie side by
side, and a molecule has the modality where it has any of them. A block may be measured in part:
then every entry stands for itself, and the models get which were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np

from chmr_bench.contracts import CELL_MODALITIES, Inputs, MatrixBlock, modality_of
from chmr_bench.errors import DataError
from chmr_bench.types import BoolArray, FloatArray

CLIP = 10.0
"""A standardised value further out than this counts as this far: one spoilt well moves nothing."""


def column_moments(x: FloatArray, known: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation, (d,) each, of the known entries of every column.

    Parameters
    ----------
    x : FloatArray
        (n, d).
    known : BoolArray
        (n, d). Where a column has no entry, both are 0.

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [3.0, np.nan]])
    >>> [moment.tolist() for moment in column_moments(x, np.isfinite(x))]
    [[2.0, 5.0], [1.0, 0.0]]
    """
    n_known = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / n_known
    return mean, np.sqrt(np.square(np.where(known, x - mean, 0.0)).sum(axis=0) / n_known)


@dataclass(frozen=True)
class ProfileScale:
    """What the training rows say of one block.

    Attributes
    ----------
    block : str
        Its name.
    centre, spread : FloatArray
        (d,) mean and s.d. of what was observed in the training rows; 0 and 1 where that says none.
    axes : FloatArray | None
        (d, k) principal axes, scaled so that the components have s.d. 1; None = no reduction.
    in_part : bool
        The training rows were measured in part.
    """

    block: str
    centre: FloatArray
    spread: FloatArray
    axes: FloatArray | None = None
    in_part: bool = False

    @property
    def width(self) -> int:
        """Columns after the reduction."""
        return len(self.centre) if self.axes is None else int(self.axes.shape[1])


Scales = Mapping[str, tuple[ProfileScale, ...]]
"""Modality -> the scales of its blocks."""


@dataclass(frozen=True)
class ProfileView:
    """One modality of n molecules.

    Attributes
    ----------
    values : FloatArray
        (n, d) float32, standardised, NaN where there is no number.
    blocks : BoolArray
        (n, k) bool, True where the molecule has the k-th block of the modality.
    entries : BoolArray
        (n, e) bool, which entries it has, of those blocks that are measured in part.
    """

    values: FloatArray
    blocks: BoolArray
    entries: BoolArray

    @property
    def observed(self) -> BoolArray:
        """(n,) True where the molecule has anything of the modality."""
        return np.asarray(self.blocks.any(axis=1))

    def filled(self) -> FloatArray:
        """Return the profile, 0 where there is no number, and what there is: (n, d + k + e).

        That is a flag a block, and one an entry of those measured in part.
        """
        flags = np.concatenate([self.blocks, self.entries], axis=1).astype(np.float32)
        return np.concatenate([np.nan_to_num(self.values), flags], axis=1)


@dataclass(frozen=True)
class ProfileColumns:
    """The profiles as a network reads them, side by side: numbers, zeros and flags.

    Attributes
    ----------
    scales : Scales
        Of the training rows.
    modalities : tuple[slice, ...]
        The columns of each modality, its flags too, of the `width` there are.
    """

    scales: Scales
    modalities: tuple[slice, ...]

    @classmethod
    def of(cls, train: Inputs) -> Self:
        """Return the columns as the training rows scale them; none where no row has a profile."""
        scales = learn(train, 0)
        widths = [view.filled().shape[1] for view in read(train, scales).values()]
        ends = np.cumsum([0, *widths]).tolist()
        return cls(scales, tuple(slice(a, b) for a, b in pairwise(ends)))

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.modalities[-1].stop if self.modalities else 0

    def read(self, inputs: Inputs) -> FloatArray:
        """Return the profiles of n molecules, (n, width) float32."""
        views = read(inputs, self.scales).values()
        nothing = np.zeros((len(inputs), 0), dtype=np.float32)
        return np.concatenate([nothing, *(view.filled() for view in views)], axis=1)


def learn(train: Inputs, components: int) -> dict[str, tuple[ProfileScale, ...]]:
    """Return the scale of every block that some training molecule has, by modality.

    Parameters
    ----------
    components : int
        Principal components a block is reduced to; 0 = none, its columns as they are.
    """
    by_modality: dict[str, tuple[ProfileScale, ...]] = {}
    for modality in CELL_MODALITIES:
        names = sorted(n for n in train.blocks if modality_of(n) == modality)
        blocks = {name: _block(train, name) for name in names}
        scales = tuple(_scale(n, b, components) for n, b in blocks.items() if b.observed.any())
        if scales:
            by_modality[modality] = scales
    return by_modality


def read(inputs: Inputs, scales: Scales) -> dict[str, ProfileView]:
    """Return the modalities of n molecules in the scale of the training rows.

    A block that the inputs lack is observed in no molecule; one that was not learnt is left alone.

    Raises
    ------
    DataError
        A block has not one row a molecule, or not the columns it had in training.
    """
    return {name: _view(inputs, blocks) for name, blocks in scales.items()}


def _view(inputs: Inputs, scales: Sequence[ProfileScale]) -> ProfileView:
    parts, marks, known = [], [], [np.zeros((len(inputs), 0), dtype=np.bool_)]
    for scale in scales:
        values = np.full((len(inputs), scale.width), np.nan, dtype=np.float32)
        observed = np.zeros(len(inputs), dtype=np.bool_)
        entries = np.zeros((len(inputs), len(scale.centre)), dtype=np.bool_)
        if scale.block in inputs.blocks:
            block = _readable(scale, _block(inputs, scale.block))
            observed = block.observed_rows
            values[observed] = _apply(scale, _observed_rows(block))
            entries = block.entries
        parts.append(values)
        marks.append(observed)
        known += [entries] if scale.in_part else []
    return ProfileView(
        np.concatenate(parts, axis=1), np.stack(marks, axis=1), np.concatenate(known, axis=1)
    )


def _readable(scale: ProfileScale, block: MatrixBlock) -> MatrixBlock:
    """Return the block as a model of that scale reads it.

    Where all training rows were measured in full, no model gets which entries were: a row
    measured in part would look like one of means, and counts as not observed.
    """
    if scale.in_part or not block.in_part:
        return block
    return replace(block, observed=np.asarray(block.observed.all(axis=1)))


def _block(inputs: Inputs, name: str) -> MatrixBlock:
    block = inputs.matrix(name)
    if len(block) != len(inputs):
        raise DataError(f"block {name!r} has {len(block)} rows, expected {len(inputs)}")
    return block.settled()


def _observed_rows(block: MatrixBlock) -> FloatArray:
    """Return the rows that are observed, float64; what is no finite number is NaN."""
    seen = np.flatnonzero(block.observed_rows)
    rows = block.values[seen]
    dense = np.asarray(rows if isinstance(rows, np.ndarray) else rows.toarray(), dtype=np.float64)
    known = np.isfinite(dense)
    if block.in_part:
        known &= block.observed[seen]
    return np.asarray(np.where(known, dense, np.nan))


def _scale(name: str, block: MatrixBlock, components: int) -> ProfileScale:
    x = _observed_rows(block)  # (n observed, d)
    centre, spread = column_moments(x, np.isfinite(x))
    spread[spread <= 1e-9 * np.maximum(np.abs(centre), 1e-300)] = 1.0  # one value: rounding only
    plain = ProfileScale(name, centre, spread, in_part=block.in_part)
    if not components:
        return plain
    z = np.nan_to_num(_apply(plain, x)).astype(np.float64)
    return replace(plain, axes=_axes(z, components))


def _axes(z: FloatArray, components: int) -> FloatArray:
    """Return (d, k) axes whose components have s.d. 1 on z (n, d); the sign is a fixed one."""
    _, singular, axes = np.linalg.svd(z, full_matrices=False)
    k = max(1, min(components, int((singular > 1e-6 * max(singular[0], 1e-300)).sum())))
    top = axes[:k]
    top = top * np.sign(top[np.arange(k), np.abs(top).argmax(axis=1)])[:, None]
    lengths = np.maximum(singular[:k], 1e-300) / np.sqrt(len(z))
    lengths[singular[:k] == 0.0] = 1.0  # nothing varies
    return np.asarray((top / lengths[:, None]).T)


def _apply(scale: ProfileScale, x: FloatArray) -> FloatArray:
    """Return observed rows (n, d) in the block's scale, (n, k) float32, within `CLIP`."""
    if x.shape[1] != len(scale.centre):
        raise DataError(
            f"block {scale.block!r} has {x.shape[1]} columns, expected {len(scale.centre)} as in "
            "training"
        )
    z = np.clip((x - scale.centre) / scale.spread, -CLIP, CLIP)
    if scale.axes is not None:
        z = np.clip(np.nan_to_num(z) @ scale.axes, -CLIP, CLIP)
    return np.asarray(z, dtype=np.float32)

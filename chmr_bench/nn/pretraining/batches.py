"""What walks on the context graph meet, cut from the material without a loop over molecules."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from chmr_bench.cells import walks
from chmr_bench.cells.graph import GENE, MOLECULE, ContextGraph
from chmr_bench.nn.losses import Bounds
from chmr_bench.nn.pretraining.material import AtlasMaterial
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench.types import BoolArray, IntArray


class Batches(Protocol):
    """Cuts batches from the material."""

    def batch(self, rows: IntArray, rng: np.random.Generator) -> Sized:
        """Return the batch of these molecules; `rng` draws all that is drawn for it."""
        ...


class MeasuredValues(Protocol):
    """Read-outs or assays of n molecules."""

    @property
    def observed(self) -> BoolArray:
        """(n,) who has any."""
        ...

    def targets(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """Return (k, d) of these rows, NaN where nothing was measured."""
        ...


class TargetSampler:
    """Draws walks, and says what they met.

    Parameters
    ----------
    material : AtlasMaterial
        Without a context graph the molecules' own bits and read-outs are all that is met.
    walk_length : int
        Steps of a walk.
    held_out : BoolArray | None
        (n,) bool, molecules whose read-outs no walk may reach: those held out.

    Attributes
    ----------
    bounds : dict[str, Bounds]
        Cell block -> where its numbers are censored; blocks that are not are left out.
    """

    def __init__(
        self,
        material: AtlasMaterial,
        walk_length: int,
        device: torch.device,
        held_out: BoolArray | None = None,
    ) -> None:
        self.material, self.walk_length = material, walk_length
        self.device, self.held_out = device, held_out
        self.bounds = {
            name: Bounds(*(torch.as_tensor(part, device=device) for part in values.bounds))
            for name, values in material.cells.items()
            if values.bounds is not None
        }

    def targets(self, rows: IntArray, rng: np.random.Generator) -> dict[str, WalkTargets]:
        """Return ``molecule``, cell block or ``gene.BLOCK`` -> what is to be reconstructed."""
        links = self.material.links
        if links is None:
            targets = self._own(rows)
        else:
            targets = self._met(links, walks.walk(links, rows, self.walk_length, rng), rows)
        return {n: replace(one, bounds=self.bounds.get(n)) for n, one in targets.items()}

    def measured(self, values: MeasuredValues, rows: IntArray) -> WalkTargets:
        """Return what was measured of the molecules themselves, without a walk."""
        those = np.flatnonzero(values.observed[rows])
        ones = np.ones(len(those), dtype=np.float32)
        return self._walk_targets(those, values.targets(rows[those]), ones)

    def _own(self, rows: IntArray) -> dict[str, WalkTargets]:
        """Return the molecules' own bits and read-outs, without a walk."""
        everyone = np.arange(len(rows))
        targets = {MOLECULE: self._bits(everyone, rows, np.ones(len(rows), np.float32), len(rows))}
        for name, values in self.material.cells.items():
            targets[name] = self.measured(values, rows)
        return targets

    def _met(self, links: ContextGraph, met: walks.Walks, rows: IntArray) -> dict[str, WalkTargets]:
        """Return what walks met, kind by kind; molecule i of the material is node i.

        A walk begins at its molecule, so the molecule's own read-outs are met first: with weight 1,
        whichever way it then goes.
        """
        kind, row = links.kind[met.nodes], links.row[met.nodes]  # (b, length + 1)
        targets = {}
        for at, name in enumerate(links.kinds):
            there = (kind == at) & (met.weight > 0)
            if name == MOLECULE:
                walker, step = np.nonzero(there)
                bits = row[walker, step], met.weight[walker, step]
                targets[name] = self._bits(walker, *bits, len(met.nodes))
            elif name == GENE:
                targets |= self._genes(met, there, row)
            elif name in self.material.cells:
                walker, step = np.nonzero(there)
                if self.held_out is not None:
                    seen = ~self.held_out[row[walker, step]]
                    walker, step = walker[seen], step[seen]
                values = self.material.cells[name]
                own = np.flatnonzero(values.observed[rows])
                targets[name] = self._walk_targets(
                    np.concatenate([own, walker]),
                    values.targets(np.concatenate([rows[own], row[walker, step]])),
                    np.concatenate([np.ones(len(own), np.float32), met.weight[walker, step]]),
                )
        return targets

    def _genes(self, met: walks.Walks, there: BoolArray, row: Any) -> dict[str, WalkTargets]:
        """Return what is known of the genes met, block by block."""
        targets = {}
        for name, values in self.material.genes.items():
            walker, step = np.nonzero(there)
            known = values.observed[row[walker, step]]
            walker, step = walker[known], step[known]
            x, weight = values.targets(row[walker, step]), met.weight[walker, step]
            targets[name] = self._walk_targets(walker, x, weight)
        return targets

    def _bits(
        self, walker: IntArray, rows: Any, weight: npt.NDArray[np.float32], n: int
    ) -> WalkTargets:
        """Return one target a walker: the weighted mean of the bits it met.

        Cross-entropy is linear in its target, so this is the loss over all that was met.
        """
        # Of the molecules met alone: scipy converts all of a matrix that it multiplies.
        met, column = np.unique(rows, return_inverse=True)
        meetings = sparse.csr_array((weight, (walker, column)), shape=(n, len(met)))
        total = np.asarray(meetings.sum(axis=1), dtype=np.float32)  # (n,)
        bits = meetings @ self.material.bits[met]
        mean = bits.toarray() / np.maximum(total, 1e-12)[:, None]
        return self._walk_targets(np.arange(n), mean, total)

    def _walk_targets(
        self, walker: IntArray, x: npt.NDArray[Any], weight: npt.NDArray[np.float32]
    ) -> WalkTargets:
        return WalkTargets(
            molecule=self.tensor(walker.astype(np.int64)),
            target=self.tensor(x.astype(np.float32, copy=False)),
            weight=self.tensor(weight),
        )

    def tensor(self, array: npt.NDArray[Any]) -> Tensor:
        """Return an array on the device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

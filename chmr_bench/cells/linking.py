"""A dataset's molecules and their own profiles: rows of an atlas that are the same molecule.

Two rows are one molecule where their connectivity or that of their neutral parent agrees
(`chmr_bench.features.groups`), so a salt has the profile of its free base.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from chmr_bench.cells.atlas import Atlas, add_blocks
from chmr_bench.cells.merging import join_rows, merge_blocks
from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.types import BoolArray, IntArray

LINK_VERSION = "1"
"""Changes whenever the same atlas and molecules give other profiles; part of their digest."""


@dataclass(frozen=True)
class OwnProfiles:
    """What one atlas measured of n molecules.

    Attributes
    ----------
    atlas : str
        Its name.
    blocks : Mapping[str, MatrixBlock]
        Block name -> profiles of some of the molecules: the blocks that anyone has.
    rows : Mapping[str, IntArray]
        Block name -> the molecule of each of these profiles, ascending.
    n : int
        Molecules, with a profile or not.
    conflicts : int
        Molecules with measurements that differ (of a block measured in part: entries).
    """

    atlas: str
    blocks: Mapping[str, MatrixBlock]
    rows: Mapping[str, IntArray]
    n: int
    conflicts: int = 0

    @property
    def observed(self) -> BoolArray:
        """Return (n,) which molecules have anything of the atlas."""
        observed = np.zeros(self.n, dtype=np.bool_)
        for rows in self.rows.values():
            observed[rows] = True
        return observed

    @cached_property
    def digest(self) -> str:
        """Return the sha256 of all that a model may see of it, and of how it was linked."""
        h = hashlib.sha256(f"chmr-bench own profiles {LINK_VERSION}\n{self.n}\n".encode())
        add_blocks(h, self.blocks)
        for name in sorted(self.rows):
            h.update(np.ascontiguousarray(self.rows[name], dtype="<i8").tobytes())
        return h.hexdigest()

    def full(self) -> dict[str, MatrixBlock]:
        """Return the blocks with a row a molecule; nothing is observed of those without."""
        return {
            name: _spread(block, self.rows[name], self.n) for name, block in self.blocks.items()
        }


def link(atlas: Atlas, molecules: MoleculeKeys) -> OwnProfiles:
    """Return the profiles that an atlas has of molecules.

    Where molecules of the atlas are one through a form that is not in it, rows are joined as in
    `cells.merging`: the first that was observed, or, measured in part, the mean of each entry.

    Parameters
    ----------
    molecules : MoleculeKeys
        Whose profiles are wanted.

    Returns
    -------
    OwnProfiles
        No block where nobody has one.

    Examples
    --------
    >>> from chmr_bench.cells.atlas import Forms
    >>> block = MatrixBlock(np.array([[0.5]]), np.array([True]))
    >>> forms = Forms(MoleculeKeys(("SALT",), ("ACID",)), np.array([0]))
    >>> atlas = Atlas("mine", ("CC(=O)[O-].[K+]",), ("SALT",), {"growth": block}, forms=forms)
    >>> own = link(atlas, MoleculeKeys(("ACID", "OTHER"), ("ACID", "OTHER")))
    >>> own.full()["growth"].values.tolist()
    [[0.5], [nan]]
    """
    n, forms = len(molecules), atlas.known_forms
    groups = (molecules + forms.names).groups()
    own = groups[:n]
    theirs = np.zeros(len(atlas), dtype=np.int64)
    theirs[forms.rows] = groups[n:]
    shared = np.intersect1d(own, theirs)
    targets, places = _places(theirs, shared), _places(own, shared)
    blocks, rows, conflicts = {}, {}, 0
    for name, block in atlas.blocks.items() if len(shared) else ():
        joined, n_conflicts = join_rows([(block, targets)], len(shared))
        have = np.flatnonzero((places >= 0) & joined.observed_rows[places])
        if len(have):
            blocks[name], rows[name] = joined.take(places[have]), have
            conflicts += n_conflicts
    return OwnProfiles(atlas.name, blocks, rows, n, conflicts)


def together(parts: Sequence[OwnProfiles]) -> tuple[dict[str, MatrixBlock], int]:
    """Return the profiles of several atlases of the same molecules, and the conflicts between them.

    A block of the same name and columns in two atlases is one, as `cells.merge` makes it; blocks of
    one name and other columns become ``name.atlas``.
    """
    blocks = [part.full() for part in parts]
    names = [name for part in blocks for name in part]
    if len(set(names)) == len(names):
        return {name: block for part in blocks for name, block in part.items()}, 0
    n = parts[0].n
    named = [(part.atlas, own_blocks) for part, own_blocks in zip(parts, blocks, strict=True)]
    merged, conflicts = merge_blocks(named, [np.arange(n)] * len(parts), n, join_rows)
    return {name: replace(block, values=block.dense()) for name, block in merged.items()}, conflicts


def _places(groups: IntArray, shared: IntArray) -> IntArray:
    """Return where each group stands among the ascending `shared` ones, -1 where it does not."""
    places = np.searchsorted(shared, groups)
    is_shared = np.isin(groups, shared)
    return np.where(is_shared, places, -1)


def _spread(block: MatrixBlock, rows: IntArray, n: int) -> MatrixBlock:
    """Return the block of n molecules of which `rows` have these profiles."""
    source = np.asarray(block.values)
    values = np.full((n, source.shape[1]), np.nan, dtype=np.result_type(source, np.float32))
    observed = np.zeros((n, *block.observed.shape[1:]), dtype=np.bool_)
    values[rows], observed[rows] = source, block.observed
    return MatrixBlock(values, observed, block.names)

"""An atlas: molecules in all their forms, each with those cell read-outs that were measured.

Dimension letters: `n` molecules, `d` features of a block, `g` genes, `e` directed edges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from chmr_bench.cells.assays import AssayBlock, add_assays
from chmr_bench.contracts import HeldRows, MatrixBlock, modality_of
from chmr_bench.errors import DataError
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Genes:
    """What an atlas knows of genes, for the context graph.

    Attributes
    ----------
    names : tuple[str, ...]
        g different gene names; Entrez identifiers as text where the source has them.
    blocks : Mapping[str, MatrixBlock]
        Read-outs of perturbed genes (``crispr``, ``orf``), g rows each.
    edges : ndarray
        (2, e) int64, indices of genes; each pair stands once.
    weights : ndarray
        (e,) float32, 1 where the source gives none.
    columns : Mapping[str, int]
        Column name of an expression block -> index of its gene.
    """

    names: tuple[str, ...]
    blocks: Mapping[str, MatrixBlock] = field(default_factory=dict)
    edges: IntArray = field(default_factory=lambda: np.zeros((2, 0), dtype=np.int64))
    weights: FloatArray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    columns: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.names)
        if len(set(self.names)) != n:
            raise DataError("genes: names are repeated; expected each gene once")
        _check_blocks("genes", self.blocks, n)
        n_edges = len(self.weights)
        if self.edges.shape != (2, n_edges):
            raise DataError(f"genes: edges {self.edges.shape} for {n_edges} weights; (2, e)")
        indices = np.concatenate([self.edges.ravel(), [*self.columns.values()]]).astype(np.int64)
        if len(indices) and not 0 <= indices.min() <= indices.max() < n:
            raise DataError(f"genes: an edge or a column names gene {indices.max()} of {n}")

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class ProfileTable:
    """Rows as a source has them: molecules may repeat, and need not be readable.

    A loader that returns this leaves it to `chmr_bench.cells.sources` to compute connectivity keys
    and to make one row a molecule; nothing is lost without being counted.

    Attributes
    ----------
    smiles : tuple[str, ...]
        n SMILES; "" where the source has none.
    blocks : Mapping[str, MatrixBlock]
        Block name -> n rows.
    keys : tuple[str, ...]
        n connectivity keys if they come from RDKit's InChI; else empty, and they are computed.
    counts : Mapping[str, int]
        What the loader left out before, reason -> rows.
    assays : Mapping[str, AssayBlock]
        Block name -> n rows of labelled assays, which are no cells.
    strict : bool
        SMILES that RDKit reads and does not sanitise are left out as unreadable: a public table's
        slip would get another molecule's key.
    """

    smiles: tuple[str, ...]
    blocks: Mapping[str, MatrixBlock]
    keys: tuple[str, ...] = ()
    genes: Genes | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    strict: bool = False
    assays: Mapping[str, AssayBlock] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.smiles)


@dataclass(frozen=True)
class Forms:
    """Salts, charges and tautomers that the molecules of an atlas were measured as.

    Attributes
    ----------
    names : MoleculeKeys
        Of f forms, at least one a molecule.
    rows : ndarray
        (f,) the molecule of each.
    """

    names: MoleculeKeys
    rows: IntArray

    def of_rows(self, rows: IntArray) -> Forms:
        """Return the forms of these molecules, which are then counted in that order."""
        place = np.full(int(max(self.rows.max(initial=-1), rows.max(initial=-1))) + 1, -1)
        place[rows] = np.arange(len(rows))
        kept = np.flatnonzero(place[self.rows] >= 0)
        return Forms(self.names.take(kept), place[self.rows[kept]])


class Bound(NamedTuple):
    """Numbers that stand at `at` are censored: the true one lies below or above, as said."""

    at: float
    below: bool


@dataclass(frozen=True)
class Atlas:
    """Unlabelled molecules with cell read-outs, one row a molecule.

    Attributes
    ----------
    name : str
        Of the source, or of the merged sources joined by ``+``.
    smiles : tuple[str, ...]
        n SMILES.
    keys : tuple[str, ...]
        n different connectivity keys (first 14 characters of the InChIKey), none empty.
    forms : Forms | None
        What else the molecules are known by (`features.groups`); None where a loader gave rows by
        connectivity alone, until `cells.sources` opens them.
    blocks : Mapping[str, MatrixBlock]
        Block name -> n rows, dense. The part of a name before the first dot is the modality; what
        follows is the source, where sources have other columns (``morphology.bray``). A block
        whose `observed` is (n, d) is measured in part, and NaN where it is not.
    synthetic : bool
        The read-outs are simulated.
    counts : Mapping[str, int]
        What became of the rows of the sources, for the record: ``rows`` there were, and where there
        are any, those ``without_key`` (``no_smiles``, ``unreadable_smiles``) and those ``repeated``
        are left out; ``conflicts`` are read-outs that differ from the one kept, or entries of
        profiles measured in part whose measurements differ and were averaged.
    assays : Mapping[str, AssayBlock]
        Block name -> n rows of labelled assays: no cells, and read by models that say so alone.
    censored : Mapping[str, Bound]
        Block name -> where its numbers stand if the true one lies beyond.
    hidden : Mapping[str, BoolArray]
        Modality that is computed from structure (``image``) -> (n,) True where it is masked on
        purpose: who computes it there does as if there were none.
    """

    name: str
    smiles: tuple[str, ...]
    keys: tuple[str, ...]
    blocks: Mapping[str, MatrixBlock]
    synthetic: bool = False
    genes: Genes | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    hidden: Mapping[str, BoolArray] = field(default_factory=dict)
    forms: Forms | None = None
    assays: Mapping[str, AssayBlock] = field(default_factory=dict)
    censored: Mapping[str, Bound] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"atlas {self.name!r}"
        if len(self.keys) != len(self.smiles):
            raise DataError(f"{where}: {len(self.keys)} keys for {len(self.smiles)} molecules")
        if len(set(self.keys)) != len(self.keys):
            raise DataError(f"{where}: connectivity keys are repeated; expected one row a molecule")
        if "" in self.keys:
            raise DataError(f"{where}: row {self.keys.index('')} (from 0) has no connectivity key")
        _check_blocks(where, self.blocks, len(self.keys))
        for name, block in self.assays.items():
            if len(block) != len(self.keys):
                raise DataError(f"{where}, {name!r}: {len(block)} rows, expected {len(self.keys)}")

    def __len__(self) -> int:
        return len(self.smiles)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the modalities of the blocks, each once, in the order of the blocks."""
        return tuple(dict.fromkeys(modality_of(name) for name in self.blocks))

    @property
    def known_forms(self) -> Forms:
        """Return the forms, of a row its connectivity alone where there are none."""
        n = len(self)
        return self.forms or Forms(MoleculeKeys(self.keys, ("",) * n), np.arange(n))

    @property
    def every_key(self) -> tuple[str, ...]:
        """Return each key that a form or its neutral parent has, once: what weights have seen."""
        names = self.known_forms.names
        return tuple(sorted({*names.keys, *names.parents} - {""}))

    def take(self, rows: IntArray) -> Atlas:
        """Return the molecules of these rows, in that order; genes and counts stay."""
        return replace(
            self,
            smiles=tuple(self.smiles[i] for i in rows),
            keys=tuple(self.keys[i] for i in rows),
            blocks={name: block.take(rows) for name, block in self.blocks.items()},
            assays={name: block.take(rows) for name, block in self.assays.items()},
            hidden={name: masked[rows] for name, masked in self.hidden.items()},
            forms=self.forms and self.forms.of_rows(rows),
        )

    def without(self, molecules: MoleculeKeys) -> Atlas:
        """Return the atlas without these molecules, in whatever form it has them."""
        kept = self.rows_without(molecules)
        return self if len(kept) == len(self) else self.take(kept)

    def rows_without(self, molecules: MoleculeKeys) -> IntArray:
        """Return the rows of the other molecules, ascending."""
        forms = self.known_forms
        gone = np.unique(forms.rows[forms.names.among(molecules)])
        return np.setdiff1d(np.arange(len(self)), gone)

    def digest(self) -> str:
        """Return the sha256 of molecules, blocks, assays, genes; not of name, counts, forms."""
        h = hashlib.sha256(b"chmr-bench atlas 1\n")
        _add_text(h, self.smiles)
        _add_text(h, self.keys)
        add_blocks(h, self.blocks)
        add_assays(h, self.assays)
        for name in sorted(self.censored):
            _add_text(h, (name, repr(tuple(self.censored[name]))))
        if self.genes is not None:
            genes = self.genes
            _add_text(h, genes.names)
            add_blocks(h, genes.blocks)
            h.update(np.ascontiguousarray(genes.edges, dtype="<i8").tobytes())
            h.update(np.ascontiguousarray(genes.weights, dtype="<f4").tobytes())
            _add_text(h, tuple(f"{name}={genes.columns[name]}" for name in sorted(genes.columns)))
        return h.hexdigest()


def _check_blocks(where: str, blocks: Mapping[str, MatrixBlock], n: int) -> None:
    for name, block in blocks.items():
        if not isinstance(block.values, np.ndarray | HeldRows) or block.values.ndim != 2:
            raise DataError(f"{where}, block {name!r}: expected a dense matrix (n, d)")
        if block.observed.dtype != np.bool_:
            raise DataError(
                f"{where}, block {name!r}: observed is {block.observed.dtype}, not bool"
            )
        if block.values.shape[0] != n or block.observed.shape not in ((n,), block.values.shape):
            raise DataError(f"{where}, block {name!r}: {len(block)} rows, expected {n}")
        if block.names and len(block.names) != block.values.shape[1]:
            raise DataError(
                f"{where}, block {name!r}: {len(block.names)} column names for "
                f"{block.values.shape[1]} columns"
            )


def _add_text(h: hashlib._Hash, texts: tuple[str, ...]) -> None:
    h.update(f"{len(texts)}\n".encode() + "\n".join(texts).encode() + b"\0")


def add_blocks(h: hashlib._Hash, blocks: Mapping[str, MatrixBlock]) -> None:
    """Add the blocks in the order of their names; what is not observed holds nothing."""
    for name in sorted(blocks):
        block = blocks[name]
        values = block.values
        in_part = " in part" if block.in_part else ""
        h.update(f"{name} {values.dtype.str} {values.shape}{in_part}\0".encode())
        _add_text(h, block.names)
        h.update(np.ascontiguousarray(block.observed).tobytes())
        h.update(np.ascontiguousarray(values[block.observed]).tobytes())

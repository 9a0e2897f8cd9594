"""What crosses a stage border: taking rows, digests, shapes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from chmr_bench.contracts import (
    Dataset,
    GraphBlock,
    HeldRows,
    Inputs,
    MatrixBlock,
    Split,
    no_progress,
    part_digest,
)
from chmr_bench.errors import DataError

N = 5


def matrix_block() -> MatrixBlock:
    values = np.arange(N * 3, dtype=np.float64).reshape(N, 3)
    return MatrixBlock(values, np.array([True, True, False, True, True]), ("a", "b", "c"))


def sparse_block() -> MatrixBlock:
    values = np.arange(N * 4, dtype=np.uint16).reshape(N, 4) % 3
    return MatrixBlock(sparse.csr_array(values), np.ones(N, dtype=bool))


def graph_block() -> GraphBlock:
    """Molecules of 1, 2, 0, 3 and 1 atoms, chains of single bonds."""
    sizes = np.array([1, 2, 0, 3, 1])
    atom_offsets = np.concatenate([[0], np.cumsum(sizes)])
    edges = [(i, i + 1) for size in sizes for i in range(size - 1)]
    both = [pair for edge in edges for pair in (edge, edge[::-1])]
    return GraphBlock(
        atoms=np.arange(atom_offsets[-1] * 9).reshape(-1, 9),
        bonds=np.arange(len(both) * 3).reshape(-1, 3),
        edges=np.array(both).T,
        atom_offsets=atom_offsets,
        bond_offsets=np.concatenate([[0], np.cumsum(2 * np.maximum(sizes - 1, 0))]),
        observed=sizes > 0,
    )


def dataset() -> Dataset:
    y = np.array([[0, 1], [1, np.nan], [0, 0], [1, 1], [np.nan, 0]], dtype=float)
    smiles = ("C", "CC", "CCC", "CCCC", "CCCCC")
    return Dataset(smiles, y, ("one", "two"), {"morphology": matrix_block()})


def held_rows() -> tuple[HeldRows, MatrixBlock]:
    """Return a matrix that holds two rows of five, and the block with all of it laid out."""
    held = HeldRows(np.array([1, 3]), np.array([[0.5, 2.0], [np.nan, 1.0]]), N)
    observed = np.array([False, True, False, True, False])
    return held, MatrixBlock(np.asarray(held), observed)


@pytest.mark.parametrize(
    "rows",
    [
        np.array([3, 0, 3]),
        np.array([], dtype=np.int64),
        np.array([True, True, False, False, True]),
        slice(1, 4),
        3,
    ],
)
def test_rows_that_are_held_are_read_like_an_array(rows: Any) -> None:
    held, laid_out = held_rows()
    assert np.asarray(held).tolist()[1] == [0.5, 2.0]
    np.testing.assert_array_equal(held[rows], laid_out.values[rows])
    assert (held.shape, held.ndim, len(held), held.dtype) == ((5, 2), 2, 5, np.float64)


@given(rows=st.lists(st.integers(0, N - 1), max_size=12))
def test_a_block_of_held_rows_is_the_block_with_all_laid_out(rows: list[int]) -> None:
    held, laid_out = held_rows()
    block = dataclasses.replace(laid_out, values=held).take(np.array(rows, dtype=np.int64))
    expected = laid_out.take(np.array(rows, dtype=np.int64))
    assert isinstance(block.values, HeldRows)
    assert len(block.values.held) == expected.observed.sum()
    np.testing.assert_array_equal(block.dense(), expected.dense())
    np.testing.assert_array_equal(block.entries, expected.entries)


def test_rows_of_a_matrix_come_in_the_order_asked() -> None:
    taken = matrix_block().take(np.array([3, 0, 3]))
    assert np.asarray(taken.values)[:, 0].tolist() == [9, 0, 9]
    assert taken.observed.tolist() == [True, True, True]
    assert taken.names == ("a", "b", "c")


def test_rows_of_a_sparse_matrix_stay_sparse_and_keep_their_type() -> None:
    block = sparse_block()
    taken = block.take(np.array([4, 1]))
    assert isinstance(taken.values, sparse.csr_array)
    assert isinstance(block.values, sparse.csr_array)
    assert taken.values.dtype == np.uint16
    np.testing.assert_array_equal(taken.values.toarray(), block.values.toarray()[[4, 1]])


def molecule(block: GraphBlock, row: int) -> tuple[list[object], ...]:
    """The graph of one molecule, cut out by hand."""
    atoms = slice(block.atom_offsets[row], block.atom_offsets[row + 1])
    bonds = slice(block.bond_offsets[row], block.bond_offsets[row + 1])
    return (
        block.atoms[atoms].tolist(),
        block.bonds[bonds].tolist(),
        block.edges[:, bonds].tolist(),
        [bool(block.observed[row])],
    )


@given(st.lists(st.integers(0, N - 1), max_size=12))
def test_rows_of_graphs_are_the_graphs_of_the_rows(rows: list[int]) -> None:
    block = graph_block()
    taken = block.take(np.array(rows, dtype=np.int64))
    assert len(taken) == len(rows)
    assert [molecule(taken, i) for i in range(len(rows))] == [molecule(block, r) for r in rows]


@given(st.lists(st.integers(0, N - 1), min_size=1, max_size=8))
def test_taking_twice_is_taking_once(rows: list[int]) -> None:
    first = np.array(rows, dtype=np.int64)
    second = np.arange(len(rows))[::-1]
    inputs = Inputs(
        smiles=dataset().smiles,
        blocks={"m": matrix_block(), "s": sparse_block(), "g": graph_block()},
        keys=("k0", "k1", "k2", "k3", "k4"),
    )
    twice, once = inputs.take(first).take(second), inputs.take(first[second])
    assert (twice.smiles, twice.keys) == (once.smiles, once.keys)
    np.testing.assert_array_equal(twice.matrix("m").values, once.matrix("m").values)
    np.testing.assert_array_equal(twice.graph("g").atoms, once.graph("g").atoms)
    np.testing.assert_array_equal(twice.graph("g").edges, once.graph("g").edges)


def test_no_rows_leave_empty_blocks() -> None:
    none = np.array([], dtype=np.int64)
    inputs = Inputs(dataset().smiles, {"m": sparse_block(), "g": graph_block()}).take(none)
    assert len(inputs) == len(inputs.matrix("m")) == len(inputs.graph("g")) == 0
    assert inputs.matrix("m").values.shape == (0, 4)
    assert inputs.keys == ()


def test_a_block_of_another_name_or_kind_is_refused() -> None:
    inputs = Inputs(("C",) * N, {"m": matrix_block(), "graph": graph_block()})
    with pytest.raises(DataError, match="'x'"):
        inputs.matrix("x")
    with pytest.raises(DataError, match="'graph'"):
        inputs.matrix("graph")
    with pytest.raises(DataError, match=r"'m'; they hold graph \(graphs\), m \(a matrix\)"):
        inputs.graph("m")
    assert len(inputs.graph()) == N


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(2, 1\).*\(2, 2\)"):
        Dataset(("C", "CC"), np.zeros((2, 1)), ("one", "two"))


Change = Callable[[Dataset], Dataset]
CHANGES: dict[str, Change] = {
    "a molecule": lambda d: dataclasses.replace(d, smiles=("N", *d.smiles[1:])),
    "a label": lambda d: dataclasses.replace(d, y=np.where(d.y == 1, 0.5, d.y)),
    "a missing label": lambda d: dataclasses.replace(d, y=np.nan_to_num(d.y)),
    "a task": lambda d: dataclasses.replace(d, task_names=("one", "three")),
    "the order": lambda d: dataclasses.replace(d, smiles=d.smiles[::-1]),
    "no block": lambda d: dataclasses.replace(d, blocks={}),
    "a block's name": lambda d: dataclasses.replace(d, blocks={"expression": matrix_block()}),
    "a block's values": lambda d: dataclasses.replace(d, blocks={"morphology": sparse_block()}),
    "who is observed": lambda d: dataclasses.replace(
        d,
        blocks={"morphology": dataclasses.replace(matrix_block(), observed=np.ones(N, dtype=bool))},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_changes_with(change: str) -> None:
    assert CHANGES[change](dataset()).digest() != dataset().digest()


def test_the_digest_is_the_same_for_the_same_data() -> None:
    assert dataset().digest() == dataset().digest()
    fortran = dataclasses.replace(dataset(), y=np.asfortranarray(dataset().y))
    assert fortran.digest() == dataset().digest()
    assert len(dataset().digest()) == 64


def test_a_split_gives_its_parts_and_a_digest_of_them() -> None:
    split = Split(np.array([0, 1, 2]), np.array([3]), np.array([4]))
    assert [split.part(p).tolist() for p in ("train", "valid", "test")] == [[0, 1, 2], [3], [4]]
    swapped = Split(split.train, split.test, split.valid)
    assert swapped.digest() != split.digest()


def test_a_part_digest_is_of_the_ascending_indices() -> None:
    import hashlib

    expected = hashlib.sha256(b"1\n2\n10").hexdigest()
    assert part_digest(np.array([10, 1, 2])) == expected


def test_no_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    no_progress(1, 2, "molecules")
    assert capsys.readouterr().out == ""

"""What is put where an entry was hidden, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.ablation import imputation, masking
from chmr_bench.ablation.imputation import MaskedRows, impute
from chmr_bench.ablation.missing import Fill, Missing, MoleculeNames
from chmr_bench.contracts import MatrixBlock
from chmr_bench.types import BoolArray

BITS = np.array(
    [[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]], dtype=np.uint8
)
VALUES = np.array([[1.0, 10.0], [2.0, np.nan], [np.nan, np.nan], [np.nan, np.nan]])
SEEN = np.array([True, True, False, False])
HOLES = np.array([False, False, True, False])


def holes(rows: BoolArray = HOLES, seen: BoolArray = SEEN) -> MaskedRows:
    values = np.where(seen[:, None], VALUES, np.nan)
    return MaskedRows(MatrixBlock(values, seen), rows, lambda: sparse.csr_array(BITS))


def refuse() -> sparse.csr_array:
    raise AssertionError("nobody's neighbours are asked for")


def test_nothing_is_filled_where_nothing_is_asked_or_hidden() -> None:
    assert impute("none", holes()) is not None
    given = holes()
    assert impute("none", given) is given.block
    unharmed = holes(np.zeros(4, dtype=bool))
    assert impute("mean", unharmed) is unharmed.block


def test_zeros_and_means_need_no_neighbours() -> None:
    given = MaskedRows(holes().block, HOLES, refuse)
    assert impute("zero", given).values[2].tolist() == [0, 0]
    # The missing entry of an observed row has its column's mean: it moves nothing.
    assert impute("mean", given).values[2].tolist() == [1.5, 10.0]


@pytest.mark.parametrize("kind", ["zero", "mean", "neighbour", "propagation"])
def test_only_the_holes_are_filled(kind: Fill) -> None:
    given = holes()
    found = impute(kind, given)
    assert found.observed.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(found.values[[0, 1, 3]], given.block.values[[0, 1, 3]])
    assert not given.block.observed[2]


def test_neighbours_lend_by_their_similarity() -> None:
    found = impute("neighbour", holes()).values[2]
    near, far = 3 / 4, 2 / 4  # Tanimoto similarity of molecule 2 to 0 and 1
    expected = np.array([near * 1 + far * 2, 10.0 * (near + far)]) / (near + far)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_who_has_no_neighbour_stays_without() -> None:
    alone = holes(np.array([False, False, True, True]))
    found = impute("neighbour", alone)
    assert found.observed.tolist() == [True, True, True, False]
    assert np.isnan(found.values[3]).all()


def test_nobody_lends_where_nobody_has_any() -> None:
    nobody = holes(np.ones(4, dtype=bool), np.zeros(4, dtype=bool))
    for kind in ("mean", "neighbour", "propagation"):
        assert not impute(kind, nobody).observed.any()
    assert impute("zero", nobody).observed.all()


@pytest.mark.parametrize("kind", ["mean", "neighbour", "propagation"])
def test_only_training_molecules_lend(kind: Fill) -> None:
    donors = holes()
    asking = MaskedRows(
        MatrixBlock(np.array([[100.0, 100.0], [np.nan, np.nan]]), np.array([True, False])),
        np.array([False, True]),
        lambda: sparse.csr_array(BITS[[0, 2]]),
    )
    found = impute(kind, asking, donors)
    assert found.values[1].max() < 11  # the other asking molecule, of 100, donates nothing
    assert found.observed.all()


def test_propagation_passes_on() -> None:
    chain = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]])
    block = MatrixBlock(np.array([[7.0], [np.nan], [np.nan], [np.nan]]), np.arange(4) == 0)
    given = MaskedRows(block, np.array([False, True, True, True]), lambda: sparse.csr_array(chain))
    assert impute("neighbour", given).observed.tolist() == [True, True, False, False]
    passed = impute("propagation", given)
    assert passed.observed.tolist() == [True, True, True, False]
    np.testing.assert_allclose(passed.values[:3], 7.0)
    assert imputation.STEPS > 1


# ----------------------------------------------------------------------------------- whole blocks


def test_hiding_counts_what_it_does() -> None:
    n = 200
    names = [f"K{i}" for i in range(n)]
    seen = np.arange(n) % 4 > 0
    block = MatrixBlock(np.where(seen[:, None], np.ones((n, 2)), np.nan), seen)
    blocks = {"a": block, "b.one": block, "b.two": MatrixBlock(block.values, seen & (seen > 1))}
    who = MoleculeNames(names, names)
    masked = masking.mask(Missing(0.5, modalities=("b",)), who, blocks)
    after = masking.imputed("zero", masked, refuse)
    told = masking.counts(blocks, masked, after)
    hidden = int(masked.holes["b.one"].sum())
    assert told["a"] == {"observed": 150, "hidden": 0, "filled": 0}
    assert told["b"] == {"observed": 150, "hidden": hidden, "filled": hidden}
    assert 50 < hidden < 100
    assert after["b.one"].observed.sum() == 150
    assert masked.blocks["b.one"].observed.sum() == 150 - hidden
    assert not masked.holes["b.two"].any()  # had nothing to lose


def test_taking_rows_takes_their_holes() -> None:
    names = [f"K{i}" for i in range(50)]
    block = MatrixBlock(np.ones((50, 1)), np.ones(50, dtype=bool))
    whole = masking.mask(Missing(0.5), MoleculeNames(names, names), {"m": block})
    rows = np.array([40, 3, 7])
    some = whole.take(rows)
    assert (some.holes["m"] == whole.holes["m"][rows]).all()
    assert (some.blocks["m"].observed == ~some.holes["m"]).all()
    assert not masking.unmasked({"m": block}).holes["m"].any()

"""Profiles are put to scale by the training molecules that have them, and by nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench import DataError, Inputs, MatrixBlock
from chmr_bench.features.profiles import CLIP, learn, read

NAN = np.nan


def inputs(**blocks: MatrixBlock) -> Inputs:
    n = len(next(iter(blocks.values())))
    names = {name.replace("_", "."): block for name, block in blocks.items()}
    return Inputs(tuple(f"M{i}" for i in range(n)), names)


def block(rows: Any, observed: list[bool] | None = None) -> MatrixBlock:
    values = np.array(rows, dtype=np.float64)
    seen = np.ones(len(values), dtype=np.bool_) if observed is None else np.array(observed)
    return MatrixBlock(values, seen)


TRAIN = inputs(morphology=block([[1, 10], [3, 10], [9e30, -9e30]], [True, True, False]))


def test_the_scale_is_that_of_the_observed_training_rows() -> None:
    (scale,) = learn(TRAIN, 0)["morphology"]
    np.testing.assert_allclose(scale.centre, [2, 10])
    np.testing.assert_allclose(scale.spread, [1, 1])  # a column of one value keeps its unit
    view = read(TRAIN, {"morphology": (scale,)})["morphology"]
    np.testing.assert_allclose(view.values, [[-1, 0], [1, 0], [np.nan, np.nan]])
    np.testing.assert_array_equal(view.observed, [True, True, False])


def test_one_entry_without_a_number_stays_so_and_teaches_nothing() -> None:
    train = inputs(expression=block([[1, np.nan], [3, 5], [5, np.inf], [3, 7]]))
    scales = learn(train, 0)
    np.testing.assert_allclose(scales["expression"][0].centre, [3, 6])
    values = read(train, scales)["expression"].values
    np.testing.assert_array_equal(
        np.isnan(values), [[False, True], [False, False], [False, True], [False, False]]
    )


def test_an_outlier_is_cut() -> None:
    far = inputs(morphology=block([[1e200, -1e200]]))
    values = read(far, learn(TRAIN, 0))["morphology"].values
    np.testing.assert_array_equal(values, [[CLIP, -CLIP]])


def test_components_have_one_spread_and_are_as_many_as_there_can_be() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 20))
    train = inputs(morphology=block(values))
    for asked, got in ((2, 2), (10, 3)):
        found = read(train, learn(train, asked))["morphology"].values
        assert found.shape == (50, got)
        np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-3)
        np.testing.assert_allclose(np.corrcoef(found.T), np.eye(got), atol=1e-3)
    alike = inputs(morphology=block(np.ones((4, 3))))
    np.testing.assert_array_equal(read(alike, learn(alike, 2))["morphology"].values, 0)


def test_a_modality_is_what_stands_before_the_dot() -> None:
    train = inputs(
        morphology_jump=block([[1.0], [2.0], [np.nan]], [True, True, False]),
        morphology_bray=block([[np.nan, np.nan], [1, 2], [3, 4]], [False, True, True]),
        other=block([[1.0]] * 3),
    )
    scales = learn(train, 0)
    assert {n: [s.block for s in found] for n, found in scales.items()} == {
        "morphology": ["morphology.bray", "morphology.jump"]
    }
    view = read(train, scales)["morphology"]
    assert view.values.shape == (3, 3)
    np.testing.assert_array_equal(view.blocks, [[False, True], [True, True], [True, False]])
    assert view.observed.all()
    np.testing.assert_array_equal(np.isnan(view.values[0]), [True, True, False])


def test_what_no_training_molecule_has_is_left_out() -> None:
    train = inputs(
        morphology=TRAIN.matrix("morphology"), expression=block([[1.0]] * 3, [False] * 3)
    )
    assert list(learn(train, 0)) == ["morphology"]
    assert learn(replace(TRAIN, blocks={}), 0) == {}


def test_a_block_missing_later_is_observed_in_nobody() -> None:
    later = Inputs(("A", "B"), {"viability": block([[1.0], [2.0]])})
    found = read(later, learn(TRAIN, 0))
    assert list(found) == ["morphology"]
    assert np.isnan(found["morphology"].values).all()
    assert not found["morphology"].observed.any()


def test_a_sparse_block_is_read_as_a_dense_one() -> None:
    dense = TRAIN.matrix("morphology")
    values = np.where(dense.observed[:, None], dense.values, 0.0)
    thin = inputs(morphology=MatrixBlock(sparse.csr_array(values), dense.observed))
    expected = read(TRAIN, learn(TRAIN, 0))["morphology"].values
    np.testing.assert_array_equal(read(thin, learn(thin, 0))["morphology"].values, expected)


def test_other_columns_or_other_rows_are_an_error() -> None:
    scales = learn(TRAIN, 0)
    with pytest.raises(DataError, match="'morphology' has 3 columns, expected 2"):
        read(inputs(morphology=block([[1, 2, 3]])), scales)
    with pytest.raises(DataError, match="'morphology' has 3 rows, expected 1"):
        read(replace(TRAIN, smiles=("C",)), scales)


# --------------------------------------------------------------------------------- measured in part


def measured(*rows: list[float]) -> Inputs:
    values = np.array(rows, dtype=float)
    there = ~np.isnan(values)
    return Inputs(
        tuple("C" * (i + 1) for i in range(len(values))), {"x": MatrixBlock(values, there)}
    )


def renamed(inputs: Inputs) -> Inputs:
    return Inputs(inputs.smiles, {"morphology": inputs.matrix("x")})


def test_in_part_every_entry_is_scaled_and_told() -> None:
    """Row 2 and column 2 hold nothing, column 3 is constant, and infinity is no number."""
    train = renamed(measured([1, 10, NAN, 5], [3, NAN, NAN, 5], [NAN] * 4, [np.inf, 30, NAN, 5]))
    view = read(train, learn(train, 0))["morphology"]
    expected = [[-1, -1, NAN, 0], [1, NAN, NAN, 0], [NAN] * 4, [NAN, 1, NAN, 0]]
    np.testing.assert_array_equal(view.values, expected)
    np.testing.assert_array_equal(view.entries, ~np.isnan(expected))
    assert view.observed.tolist() == [True, True, False, True]


def test_where_training_was_full_a_row_in_part_is_not_observed() -> None:
    scales = learn(renamed(measured([1, 10], [3, 30])), 0)
    view = read(renamed(measured([1, NAN], [2, 20])), scales)["morphology"]
    assert view.observed.tolist() == [False, True]
    assert view.entries.shape == (2, 0)
    assert np.isnan(view.values[0]).all()

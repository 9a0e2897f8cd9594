"""The simulated data hold the awkward cases they are there for."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import Inputs
from chmr_bench.features.molecules import is_parsable
from chmr_bench.testing.simulate import cell_blocks, problems, sample_molecules
from chmr_bench.types import TaskType


def test_the_molecules_are_valid_and_differ() -> None:
    smiles = sample_molecules()
    assert len(set(smiles)) == len(smiles) > 60
    assert all(is_parsable(s) for s in smiles)


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_the_labels_hold_every_awkward_case(task_type: TaskType) -> None:
    many, single = problems(task_type, Inputs(tuple(sample_molecules())))
    full, gaps, constant, empty = many.y_train.T
    assert not np.isnan(full).any()
    assert 0.2 < np.isnan(gaps).mean() < 0.8
    assert len(np.unique(constant)) == 1
    assert np.isnan(empty).all()
    assert single.y_train.shape[1] == 1
    if task_type == "classification":
        assert 0.3 < full.mean() < 0.7


def test_the_parts_share_no_molecule() -> None:
    many, _ = problems("regression", Inputs(tuple(sample_molecules())))
    parts = [set(p.smiles) for p in (many.train, many.valid, many.test)]
    assert sum(map(len, parts)) == len(set().union(*parts))


def test_a_cell_block_is_missing_for_some() -> None:
    block = cell_blocks(["morphology"], 71)["morphology"]
    assert 0.4 < block.observed.mean() < 0.9
    assert np.isnan(block.values[~block.observed]).all()  # type: ignore[union-attr]

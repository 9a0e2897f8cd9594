"""Made-up molecules with profiles: the bits tell half of the rule, the profiles all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from chmr_bench import Inputs, MatrixBlock
from chmr_bench.contracts import CELL_MODALITIES
from chmr_bench.types import BoolArray, FloatArray, TaskType
from tests.unit.problems import Problem

N_BITS = 64
N_TRAIN, N_VALID, N_TEST = 200, 100, 200


def hide(inputs: Inputs, names: Iterable[str] = CELL_MODALITIES, fill: float = np.nan) -> Inputs:
    """Return the inputs with these blocks observed in no molecule; their rows hold `fill`."""
    blocks = dict(inputs.blocks)
    for name in set(names) & set(blocks):
        block = inputs.matrix(name)
        nobody = np.zeros(len(inputs), dtype=np.bool_)
        blocks[name] = MatrixBlock(np.full(block.values.shape, fill), nobody, block.names)
    return replace(inputs, blocks=blocks)


def without_cells(inputs: Inputs) -> Inputs:
    """Return the inputs without any cell block."""
    blocks = {n: b for n, b in inputs.blocks.items() if n.partition(".")[0] not in CELL_MODALITIES}
    return replace(inputs, blocks=blocks)


def poisoned(inputs: Inputs, value: float) -> Inputs:
    """Return the inputs with `value` in the rows of the profiles that are not observed."""
    blocks = dict(inputs.blocks)
    for name in CELL_MODALITIES:
        if name in blocks:
            block = inputs.matrix(name)
            values = np.array(block.values)
            values[~block.observed] = value
            blocks[name] = replace(block, values=values)
    return replace(inputs, blocks=blocks)


def _profile(rng: np.random.Generator, state: FloatArray, observed: BoolArray) -> MatrixBlock:
    values = state[:, None] * rng.normal(1.0, 0.3, size=8) + 0.8 * rng.normal(size=(len(state), 8))
    values = 100.0 + 7.0 * values
    values[~observed] = np.nan
    return MatrixBlock(values, observed, tuple(f"c{i}" for i in range(8)))


def make_problem(task_type: TaskType, seed: int = 0) -> Problem:
    """Draw a problem; two thirds of the molecules have each profile."""
    rng = np.random.default_rng(seed)
    n = N_TRAIN + N_VALID + N_TEST
    bits = rng.random((n, N_BITS)) < 0.1
    bits[:, 0] = rng.random(n) < 0.5
    state = 1.5 * (bits[:, 0] - 0.5) + rng.normal(size=n)
    rule = state + 0.2 * rng.normal(size=n)
    if task_type == "classification":
        rule = (rule > 0).astype(float)
    y = np.tile(rule[:, None], (1, 4))
    y[rng.random(n) < 0.5, 1] = np.nan
    y[: N_TRAIN + N_VALID, 2] = 1.0
    y[: N_TRAIN + N_VALID, 3] = np.nan
    everyone = np.ones(n, dtype=np.bool_)
    blocks = {"morgan": MatrixBlock(sparse.csr_array(bits.astype(np.uint8)), everyone)}
    for name in ("morphology", "expression"):
        blocks[name] = _profile(rng, state, rng.random(n) < 2 / 3)
    whole = Inputs(tuple(f"M{i}" for i in range(n)), blocks)
    return Problem.cut(task_type, whole, y, N_TRAIN, N_VALID)


@pytest.fixture(scope="session")
def problem_of() -> Callable[..., Problem]:
    """Draw problems: ``problem_of("classification", seed=0)``."""
    return make_problem


@pytest.fixture(scope="session")
def change() -> dict[str, Callable[..., Inputs]]:
    """What can be done to inputs: ``hide``, ``without_cells``, ``poisoned``."""
    return {"hide": hide, "without_cells": without_cells, "poisoned": poisoned}

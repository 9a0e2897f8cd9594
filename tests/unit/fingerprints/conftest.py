"""Small made-up molecules: random bits, and labels that follow a planted rule on a few of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from chmr_bench import Inputs, MatrixBlock
from chmr_bench.types import BoolArray, TaskType
from tests.unit.problems import Problem

N_BITS = 128
N_TRAIN, N_VALID, N_TEST = 300, 100, 200


def as_inputs(bits: BoolArray, **others: BoolArray) -> Inputs:
    """Return inputs whose Morgan block holds these bits; `others` are further blocks."""
    n = len(bits)
    blocks = {
        name: MatrixBlock(sparse.csr_array(values.astype(np.uint8)), np.ones(n, dtype=np.bool_))
        for name, values in {"morgan": bits, **others}.items()
    }
    return Inputs(tuple(f"M{i}" for i in range(n)), blocks)


def make_problem(task_type: TaskType, seed: int = 0) -> Problem:
    """Draw a problem; half of the molecules have bits 0 and 1 set, which decide.

    Two thirds of the labels of column 1 are missing.
    """
    rng = np.random.default_rng(seed)
    n = N_TRAIN + N_VALID + N_TEST
    bits = rng.random((n, N_BITS)) < 0.1
    bits[:, :2] = rng.random((n, 2)) < 0.5
    signal = 2.0 * bits[:, 0] + 1.0 * bits[:, 1]
    rule = signal + 0.1 * rng.standard_normal(n)
    if task_type == "classification":
        rule = (signal >= 2.0).astype(float)
    y = np.tile(rule[:, None], (1, 4))
    y[rng.random(n) < 2 / 3, 1] = np.nan
    y[:N_TRAIN, 2] = 1.0
    y[:N_TRAIN, 3] = np.nan
    return Problem.cut(task_type, as_inputs(bits), y, N_TRAIN, N_VALID)


@pytest.fixture(scope="session")
def problem_of() -> Callable[..., Problem]:
    """Draw problems: ``problem_of("classification", seed=0)``."""
    return make_problem


@pytest.fixture(scope="session")
def inputs_of() -> Callable[..., Inputs]:
    """Make inputs of bits: ``inputs_of(bits, maccs=more_bits)``."""
    return as_inputs

"""Small made-up molecules: random bits, and labels that follow a planted rule on a few of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench import FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.types import BoolArray, FloatArray, TaskType

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


@dataclass(frozen=True)
class Problem:
    """A made-up problem.

    Columns of y: 0 follows the rule; 1 is the same with two thirds of its labels missing; 2 has
    one label value only in train; 3 has no label in train.
    """

    task_type: TaskType
    train: Inputs
    valid: Inputs
    test: Inputs
    y_train: FloatArray
    y_valid: FloatArray
    y_test: FloatArray

    def context(self, **changes: Any) -> FitContext:
        """Return the surroundings of a fit."""
        metric = "roc_auc" if self.task_type == "classification" else "mae"
        names = tuple(f"task{j}" for j in range(self.y_train.shape[1]))
        return FitContext(TaskInfo(self.task_type, names, metric), **changes)

    def fit(self, model: Any, **changes: Any) -> Any:
        """Fit a model on it and return the model."""
        model.fit(self.train, self.y_train, self.valid, self.y_valid, self.context(**changes))
        return model


def make_problem(task_type: TaskType, seed: int = 0) -> Problem:
    """Draw a problem; half of the molecules have bits 0 and 1 set, which decide."""
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
    parts = np.split(np.arange(n), [N_TRAIN, N_TRAIN + N_VALID])
    train, valid, test = (as_inputs(bits[rows]) for rows in parts)
    return Problem(task_type, train, valid, test, *(y[rows] for rows in parts))


@pytest.fixture(scope="session")
def problem_of() -> Callable[..., Problem]:
    """Draw problems: ``problem_of("classification", seed=0)``."""
    return make_problem


@pytest.fixture(scope="session")
def inputs_of() -> Callable[..., Inputs]:
    """Make inputs of bits: ``inputs_of(bits, maccs=more_bits)``."""
    return as_inputs

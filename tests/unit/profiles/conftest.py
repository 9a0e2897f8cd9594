"""Made-up molecules with profiles: the bits tell half of the rule, the profiles all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench import FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.contracts import CELL_MODALITIES
from chmr_bench.types import BoolArray, FloatArray, TaskType

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


@dataclass(frozen=True)
class Problem:
    """A made-up problem; columns of y: the rule, the same with gaps, one value only, no label."""

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

    def on(self, change: Callable[[Inputs], Inputs]) -> Problem:
        """Return the problem with all its inputs changed."""
        train, valid, test = (change(part) for part in (self.train, self.valid, self.test))
        return replace(self, train=train, valid=valid, test=test)


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
    parts = np.split(np.arange(n), [N_TRAIN, N_TRAIN + N_VALID])
    train, valid, test = (whole.take(rows) for rows in parts)
    return Problem(task_type, train, valid, test, *(y[rows] for rows in parts))


@pytest.fixture(scope="session")
def problem_of() -> Callable[..., Problem]:
    """Draw problems: ``problem_of("classification", seed=0)``."""
    return make_problem


@pytest.fixture(scope="session")
def change() -> dict[str, Callable[..., Inputs]]:
    """What can be done to inputs: ``hide``, ``without_cells``, ``poisoned``."""
    return {"hide": hide, "without_cells": without_cells, "poisoned": poisoned}

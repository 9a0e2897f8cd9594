"""Small simulated data that hold every awkward case a model must live with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chmr_bench.contracts import Block, FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.types import FloatArray, MetricName, TaskType

AWKWARD = (
    "C",
    "[Na+].[Cl-]",
    "CC(=O)[O-].[Na+]",
    "C[C@H](N)C(=O)O",
    "C[C@@H](N)C(=O)O",
    "F[Al](F)(F)(F)(F)F",
)
"""One atom, no carbon, a salt, two enantiomers, a valence that RDKit's full parser refuses."""

_RINGS = ("c1ccccc1", "c1ccncc1", "C1CCNCC1", "c1ccsc1", "C1CCOCC1", "c1cnc[nH]1")
_TAILS = ("CO", "CCN", "C(=O)O", "CCCl", "C(=O)NC", "OCC", "CC(C)C", "CCS", "C#N", "CCCCC", "NC=O")
_METRICS: dict[TaskType, MetricName] = {"classification": "roc_auc", "regression": "mae"}
_TASKS = ("full", "gaps", "constant", "empty")
_N_CELL_COLUMNS = 7


@dataclass(frozen=True)
class SimulatedData:
    """Simulated data of one kind, cut into parts.

    Attributes
    ----------
    title :
        What is special about it, for error messages.
    y_train, y_valid :
        (n, t) float64, NaN = not measured.
    weights :
        What the model starts from.
    """

    title: str
    tasks: TaskInfo
    train: Inputs
    y_train: FloatArray
    valid: Inputs
    y_valid: FloatArray
    test: Inputs
    weights: Path | None = None

    def context(self, seed: int) -> FitContext:
        """Return the surroundings of a fit with that seed, on one core."""
        return FitContext(tasks=self.tasks, seed=seed, weights=self.weights)

    def with_inputs(self, change: Callable[[Inputs], Inputs]) -> SimulatedData:
        """Return the same problem with the inputs of every part changed."""
        train, valid, test = (change(part) for part in (self.train, self.valid, self.test))
        return replace(self, train=train, valid=valid, test=test)


def sample_molecules() -> list[str]:
    """Return some seventy SMILES: small, valid, all different, awkward ones among them."""
    substituted = [f"{ring[:2]}({tail}){ring[2:]}" for ring in _RINGS for tail in _TAILS]
    return [*substituted[:40], *AWKWARD, *substituted[40:]]


def problems(
    task_type: TaskType, inputs: Inputs, weights: Path | None = None
) -> list[SimulatedData]:
    """Return the problems of one task type: four tasks of which three are awkward, and one task."""
    y = _labels(task_type, inputs.smiles)
    data = [
        _cut("four tasks: full, with gaps, one value only, never measured", task_type, inputs, y),
        _cut("a single task", task_type, inputs, y[:, :1]),
    ]
    return [replace(problem, weights=weights) for problem in data]


def block_names(modalities: Sequence[str]) -> tuple[str, ...]:
    """Return names of blocks: the modalities', and the last's of an atlas, ``MODALITY.SOURCE``."""
    return (*modalities, *(f"{modality}.sample" for modality in modalities[-1:]))


def cell_blocks(names: Sequence[str], n: int) -> dict[str, Block]:
    """Return a simulated cell modality of each name; a third of the molecules have none."""
    blocks: dict[str, Block] = {}
    for i, name in enumerate(names):
        rng = np.random.default_rng(100 + i)
        observed = rng.random(n) > 1 / 3
        values = rng.normal(size=(n, _N_CELL_COLUMNS)).astype(np.float32)
        values[~observed] = np.nan
        columns = tuple(f"{name}_{j}" for j in range(_N_CELL_COLUMNS))
        blocks[name] = MatrixBlock(values, observed, columns)
    return blocks


def in_part(block: MatrixBlock, seed: int, fill: float = np.nan) -> MatrixBlock:
    """Return the block with two in five of its entries, and a column, not observed."""
    values = np.array(block.values)
    drawn = np.random.default_rng([seed, len(values)]).random(values.shape)
    observed = block.entries & (drawn > 0.4)
    observed[:, 0] = False
    values[~observed] = fill
    return replace(block, values=values, observed=observed)


def without_block(problem: SimulatedData, name: str) -> SimulatedData:
    """Return the problem without one block."""

    def changed(inputs: Inputs) -> Inputs:
        return replace(inputs, blocks={n: b for n, b in inputs.blocks.items() if n != name})

    return problem.with_inputs(changed)


def measured_in_part(
    problem: SimulatedData, names: Sequence[str], fill: float = np.nan
) -> SimulatedData:
    """Return the problem with two in five entries of these blocks not observed; they hold `fill`.

    No molecule of a part has all columns, some have one, and a column may be empty in a part.
    """

    def changed(inputs: Inputs) -> Inputs:
        blocks = dict(inputs.blocks)
        for name in set(names) & set(blocks):
            blocks[name] = in_part(inputs.matrix(name), len(name), fill)
        return replace(inputs, blocks=blocks)

    return replace(problem.with_inputs(changed), title="profiles measured in part")


def _labels(task_type: TaskType, smiles: Sequence[str]) -> FloatArray:
    """Return the (n, 4) labels of the tasks `_TASKS`: a noisy count of atoms and nitrogens."""
    rng = np.random.default_rng(0)
    n = len(smiles)
    size = np.array([len(s) for s in smiles], dtype=np.float64)
    nitrogen = np.array([("N" in s) or ("n" in s) for s in smiles], dtype=np.float64)
    value = 0.3 * size + nitrogen + rng.normal(scale=0.3, size=n)
    y = np.full((n, len(_TASKS)), np.nan)
    if task_type == "classification":
        y[:, 0] = value > np.median(value)
        y[:, 1] = nitrogen
        y[:, 2] = 1.0
    else:
        y[:, 0] = value
        y[:, 1] = 10.0 - 2.0 * value
        y[:, 2] = 3.25
    y[rng.random(n) < 0.5, 1] = np.nan
    return y


def _cut(title: str, task_type: TaskType, inputs: Inputs, y: FloatArray) -> SimulatedData:
    """Deal the rows out: three fifths train, one valid, one test."""
    rows = np.arange(len(inputs), dtype=np.int64)
    train, valid, test = rows[rows % 5 < 3], rows[rows % 5 == 3], rows[rows % 5 == 4]
    return SimulatedData(
        title=title,
        tasks=TaskInfo(task_type, _TASKS[: y.shape[1]], _METRICS[task_type]),
        train=inputs.take(train),
        y_train=y[train],
        valid=inputs.take(valid),
        y_valid=y[valid],
        test=inputs.take(test),
    )

"""Random forests on bits and profiles; scikit-learn's trees send what is missing to a side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from chmr_bench import FitContext
from chmr_bench.features.profiles import ProfileView
from chmr_bench.tasks import TaskRows, constants, fill_constants, learnable, over_threads
from chmr_bench.types import FloatArray
from chmr_bench_profiles.model import CellModel, CellsConfig, LabelledTable, Member

Share = Annotated[float, Field(gt=0, le=1)]

CHUNK = 50
"""Trees grown in one go: the unit of work shared out over the cores."""


class CellsForestConfig(CellsConfig):
    """Settings of `cells.forest`."""

    n_trees: int = Field(300, ge=1, le=10_000, description="trees a task")
    max_features: Literal["sqrt"] | Share = Field(
        "sqrt",
        description="columns tried at a node where the labels are classes: the square root of "
        "their number, or a share of them in (0, 1]",
    )
    max_features_regression: Literal["sqrt"] | Share = Field(
        0.1, description="the same where the labels are values"
    )
    min_leaf: int = Field(2, ge=1, le=1000, description="smallest number of molecules in a leaf")


class CellsForest(CellModel):
    """Forests as members, one a task; a task with one label value gets that value."""

    config: CellsForestConfig

    def _columns(self, view: ProfileView) -> FloatArray:
        """Return the profile, NaN where there is no number: (n, d).

        Components have a number everywhere: beside them stands what there is of those measured in
        part.
        """
        if not self.config.components:
            return view.values
        return np.concatenate([view.values, view.entries.astype(np.float32)], axis=1)

    def _fit_member(self, table: LabelledTable, context: FitContext) -> Member:
        tasks = learnable(table.y)
        units = [(t, n, s) for t in tasks for n, s in _chunks(self.config.n_trees, context.seed, t)]

        def grow(unit: tuple[TaskRows, int, int]) -> Grown:
            task, n_trees, seed = unit
            x = _masked(table.x[task.rows], table.modalities, self.config.modality_dropout, seed)
            trees = self._estimator(n_trees, seed, context)
            return Grown(task.task, n_trees, trees.fit(x, task.y))

        grown = over_threads(grow, units, context, unit=f"x {CHUNK} trees")
        return Forests(grown, constants(table.y, context.tasks.task_type), context)

    def _estimator(self, n_trees: int, seed: int, context: FitContext) -> Any:
        """Return unfitted trees."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        config = self.config
        values = context.tasks.task_type == "regression"
        return (RandomForestRegressor if values else RandomForestClassifier)(
            n_trees,
            max_features=config.max_features_regression if values else config.max_features,
            min_samples_leaf=config.min_leaf,
            random_state=seed,
            n_jobs=1,
        )


@dataclass(frozen=True)
class Grown:
    """Some trees of one task."""

    task: int
    n_trees: int
    trees: Any


class Forests:
    """One forest a task; the prediction is the mean of the trees' leaf means."""

    def __init__(self, grown: Sequence[Grown], constant: FloatArray, context: FitContext) -> None:
        self._grown, self._constants, self._context = grown, constant, context

    def predict(self, x: FloatArray) -> FloatArray:
        """Return the mean leaf value over the trees of each task, (n, t)."""

        def sums(grown: Grown) -> FloatArray:
            values = self._context.tasks.task_type == "regression"
            mean = grown.trees.predict(x) if values else grown.trees.predict_proba(x)[:, 1]
            return np.asarray(mean * grown.n_trees)

        y_pred = fill_constants(self._constants, len(x))
        if not len(x):
            return y_pred
        total = np.zeros(y_pred.shape[1])
        y_pred[:, [grown.task for grown in self._grown]] = 0.0
        parts = over_threads(sums, self._grown, self._context, unit=f"x {CHUNK} trees")
        for grown, part in zip(self._grown, parts, strict=True):
            y_pred[:, grown.task] += part
            total[grown.task] += grown.n_trees
        return np.asarray(y_pred / np.where(total > 0, total, 1.0))


def _chunks(n_trees: int, seed: int, task: TaskRows) -> list[tuple[int, int]]:
    """Return (trees, seed) of each chunk of a task's forest."""
    sizes = [min(CHUNK, n_trees - i) for i in range(0, n_trees, CHUNK)]
    seeds = np.random.SeedSequence((seed, task.task)).generate_state(len(sizes))
    return [(size, int(word)) for size, word in zip(sizes, seeds, strict=True)]


def _masked(x: FloatArray, modalities: Sequence[slice], share: float, seed: int) -> FloatArray:
    """Return x (n, d) with each modality NaN in a share of the rows, the same for a seed."""
    if not modalities or not share:
        return x
    raw = np.random.PCG64(seed).random_raw(len(modalities) * len(x))
    uniform = (raw >> np.uint64(11)).reshape(len(modalities), len(x)) * 2.0**-53
    x = x.copy()
    for columns, u in zip(modalities, uniform, strict=True):
        x[u < share, columns] = np.nan
    return x

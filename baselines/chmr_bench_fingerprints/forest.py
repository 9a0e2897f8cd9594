"""Random forest on bits, one a task, grown by `forest_kernel` on all cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, bits_of, requests
from chmr_bench.tasks import (
    TaskRows,
    constants,
    fill_constants,
    learnable,
    over_threads,
)
from chmr_bench.types import FloatArray, TaskType

Share = Annotated[float, Field(gt=0, le=1)]

CHUNK = 50
"""Trees grown in one go: the unit of work shared out over the cores."""


class ForestConfig(FingerprintConfig):
    """Settings of `fingerprint.forest`."""

    n_trees: int = Field(500, ge=1, le=10_000, description="trees a task")
    max_features: Literal["sqrt"] | Share = Field(
        "sqrt",
        description="bits tried at a node where the labels are classes: the square root of their "
        "number, or a share of them in (0, 1]",
    )
    max_features_regression: Literal["sqrt"] | Share = Field(
        0.1, description="the same where the labels are values"
    )
    min_leaf: int = Field(1, ge=1, le=1000, description="smallest number of draws in a leaf")


@dataclass(frozen=True)
class Trees:
    """Trees of one task, end to end; see `forest_kernel.grow` for the arrays."""

    task: int
    feature: npt.NDArray[np.uint16]
    link: npt.NDArray[np.int32]
    begins: npt.NDArray[np.int64]


class Forest:
    """One forest a task; the prediction is the mean of the trees' leaf means.

    A leaf's mean is the share of actives in it, so the forest's output is a probability with many
    steps. Taking votes of 0 or 1 instead is what made published forests look like a coin toss.
    """

    def __init__(self, config: ForestConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: ForestConfig) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads."""
        return requests(config)

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Grow the trees of every task on its labelled training rows."""
        from chmr_bench_fingerprints import forest_kernel as kernel

        bits = bits_of(train, self.config)
        words = kernel.pack_bits(bits)
        tried = self._features_at_a_node(bits.shape[1], context.tasks.task_type)
        limits = (tried, float(self.config.min_leaf))
        tasks = learnable(y_train)
        prepared = {t.task: _columns(bits, words, t) for t in tasks}

        def grow(unit: tuple[TaskRows, npt.NDArray[np.uint64]]) -> Trees:
            task, seeds = unit
            own_words, indptr, members = prepared[task.task]
            grown = kernel.grow(task.y, own_words, indptr, members, limits, bits.shape[1], seeds)
            return Trees(task.task, *grown)

        units = [(t, seeds) for t in tasks for seeds in self._seeds(context.seed, t.task)]
        self._trees = over_threads(grow, units, context, unit=f"x {CHUNK} trees")
        self._constants = constants(y_train, context.tasks.task_type)
        self._context = context

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return the mean leaf value over the trees of each task, (n, t)."""
        from chmr_bench_fingerprints import forest_kernel as kernel

        words = kernel.pack_bits(bits_of(inputs, self.config))

        def sums(trees: Trees) -> FloatArray:
            found = np.zeros(len(inputs))
            kernel.add_predictions(words, trees.feature, trees.link, trees.begins, found)
            return found

        y_pred = fill_constants(self._constants, len(inputs))
        y_pred[:, [trees.task for trees in self._trees]] = 0.0
        parts = over_threads(sums, self._trees, self._context, unit=f"x {CHUNK} trees")
        for trees, part in zip(self._trees, parts, strict=True):
            y_pred[:, trees.task] += part / self.config.n_trees
        return y_pred

    def _features_at_a_node(self, d: int, task_type: TaskType) -> int:
        config = self.config
        values = task_type == "regression"
        share = config.max_features_regression if values else config.max_features
        return max(1, int(d**0.5) if share == "sqrt" else round(share * d))

    def _seeds(self, seed: int, task: int) -> list[npt.NDArray[np.uint64]]:
        """Return one seed a tree, in chunks; they depend on run seed, task and tree alone."""
        words: npt.NDArray[np.uint64] = np.asarray(
            np.random.SeedSequence((seed, task)).generate_state(self.config.n_trees, np.uint64),
            dtype=np.uint64,
        )
        return [words[i : i + CHUNK] for i in range(0, len(words), CHUNK)]


def _columns(
    bits: sparse.csr_array, words: npt.NDArray[np.uint64], task: TaskRows
) -> tuple[Any, Any, Any]:
    """Return a task's labelled rows as packed words, and as (indptr, members) by column."""
    by_column = sparse.csc_array(bits[task.rows])
    indptr = by_column.indptr.astype(np.int32)
    return words[task.rows], indptr, by_column.indices.astype(np.int32)

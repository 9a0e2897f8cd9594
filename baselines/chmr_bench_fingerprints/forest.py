"""Random forest on bits, one a task, grown by `forest_kernel` on all cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from chmr_bench import Inputs
from chmr_bench.features.bits import FingerprintConfig
from chmr_bench.tasks import TaskRows, fill_constants, learnable, over_threads
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.model import FingerprintModel

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


def tried_features(config: ForestConfig, d: int, is_classifier: bool) -> int:
    """Return how many of d bits are tried at a node."""
    share = config.max_features if is_classifier else config.max_features_regression
    return max(1, int(d**0.5) if share == "sqrt" else round(share * d))


@dataclass(frozen=True)
class Trees:
    """Trees of one task, end to end; see `forest_kernel.grow` for the arrays."""

    task: int
    feature: npt.NDArray[np.uint16]
    link: npt.NDArray[np.int32]
    begins: npt.NDArray[np.int64]


class Forest(FingerprintModel):
    """One forest a task; the prediction is the mean of the trees' leaf means.

    A leaf's mean is the share of actives in it, so the forest's output is a probability with many
    steps. Taking votes of 0 or 1 instead is what made published forests look like a coin toss.
    """

    config: ForestConfig

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        from chmr_bench_fingerprints import forest_kernel as kernel

        words = kernel.pack_bits(bits)
        tried = tried_features(self.config, bits.shape[1], self._is_classifier)
        limits = (tried, float(self.config.min_leaf))
        tasks = learnable(y)
        by_column = {t.task: _columns(bits[t.rows]) for t in tasks}

        def grow(unit: tuple[TaskRows, npt.NDArray[np.uint64]]) -> Trees:
            task, seeds = unit
            own, columns = words[task.rows], by_column[task.task]
            grown = kernel.grow(task.y, own, *columns, limits, bits.shape[1], seeds)
            return Trees(task.task, *grown)

        units = [(t, seeds) for t in tasks for seeds in self._seeds(t.task)]
        self._trees = over_threads(grow, units, self._context, unit=f"x {CHUNK} trees")

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        from chmr_bench_fingerprints import forest_kernel as kernel

        words = kernel.pack_bits(bits)

        def sums(trees: Trees) -> FloatArray:
            leaves = np.zeros(len(words))
            kernel.add_predictions(words, trees.feature, trees.link, trees.begins, leaves)
            return leaves

        y_pred = fill_constants(self._constants, len(words))
        y_pred[:, [trees.task for trees in self._trees]] = 0.0
        parts = over_threads(sums, self._trees, self._context, unit=f"x {CHUNK} trees")
        for trees, part in zip(self._trees, parts, strict=True):
            y_pred[:, trees.task] += part / self.config.n_trees
        return y_pred

    def _seeds(self, task: int) -> list[npt.NDArray[np.uint64]]:
        """Return one seed a tree, in chunks; they depend on run seed, task and tree alone."""
        sequence = np.random.SeedSequence((self._context.seed, task))
        words = sequence.generate_state(self.config.n_trees, np.uint64).astype(np.uint64)
        return [words[i : i + CHUNK] for i in range(0, len(words), CHUNK)]


def _columns(bits: sparse.csr_array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return (indptr, members) by column: members[indptr[f]:indptr[f + 1]] have bit f."""
    by_column = sparse.csc_array(bits)
    return by_column.indptr.astype(np.int32), by_column.indices.astype(np.int32)

"""What the tests of models fit on: molecules with features, and a made-up problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chmr_bench import FeatureRequest, FitContext, Inputs, TaskInfo
from chmr_bench.features.cache import featurise
from chmr_bench.nn.pretraining.features import feature_spec
from chmr_bench.types import FloatArray, TaskType


def featurised(
    smiles: Sequence[str], needs: Mapping[str, FeatureRequest], keys: tuple[str, ...] = ()
) -> Inputs:
    """Return molecules with the features that a model needs."""
    blocks = {n: featurise(feature_spec(r), r.settings, smiles, n_jobs=1) for n, r in needs.items()}
    return Inputs(tuple(smiles), blocks, keys)


@dataclass(frozen=True)
class Problem:
    """Molecules and labels by part.

    Columns of y: 0 follows a rule; 1 is the same with gaps; 2 has one label value only in train;
    3 has no label in train.
    """

    task_type: TaskType
    train: Inputs
    valid: Inputs
    test: Inputs
    y_train: FloatArray
    y_valid: FloatArray
    y_test: FloatArray

    @classmethod
    def cut(
        cls, task_type: TaskType, whole: Inputs, y: FloatArray, n_train: int, n_valid: int
    ) -> Problem:
        """Return the first molecules as the training part, the next as the validation part."""
        parts = np.split(np.arange(len(y)), [n_train, n_train + n_valid])
        train, valid, test = (whole.take(rows) for rows in parts)
        return cls(task_type, train, valid, test, *(y[rows] for rows in parts))

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

"""A model, and the surroundings of a fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from chmr_bench.contracts.blocks import MatrixBlock
from chmr_bench.contracts.data import Inputs
from chmr_bench.contracts.progress import Progress, no_progress
from chmr_bench.contracts.specs import FeatureRequest
from chmr_bench.types import DeviceKind, FloatArray, MetricName, Precision, TaskType


@dataclass(frozen=True)
class TaskInfo:
    """What a model knows of the endpoints: never a label.

    Attributes
    ----------
    task_type
        ``classification`` or ``regression``.
    task_names
        t names.
    metric
        What the model is judged by.

    Examples
    --------
    >>> TaskInfo("classification", ("active", "toxic"), "roc_auc").task_names
    ('active', 'toxic')
    """

    task_type: TaskType
    task_names: tuple[str, ...]
    metric: MetricName


@dataclass(frozen=True)
class FitContext:
    """The surroundings of one fit.

    Attributes
    ----------
    tasks
        The endpoints.
    seed
        Every source of randomness must follow from it.
    n_jobs
        Cores the model may use.
    device
        Where torch models run.
    precision
        ``float32`` or ``bfloat16`` (autocast).
    progress
        Report ``(done, total, unit)`` here.
    log
        For remarks; kept in the run's log.
    weights
        The file to start from, None where the model starts from none.

    Examples
    --------
    >>> context = FitContext(TaskInfo("regression", ("pIC50",), "mae"), seed=1)
    >>> context.tasks.metric
    'mae'
    """

    tasks: TaskInfo
    seed: int = 0
    n_jobs: int = 1
    device: DeviceKind = "cpu"
    precision: Precision = "float32"
    progress: Progress = no_progress
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("chmr_bench.model"))
    weights: Path | None = None


@runtime_checkable
class Model(Protocol):
    """What a plugin's class must offer. It is built as ``Class(config)``.

    Examples
    --------
    ```python
    class Mean:
        def __init__(self, config): ...

        @classmethod
        def needs(cls, config):
            return {}

        def fit(self, train, y_train, valid, y_valid, context):
            self.mean = np.nanmean(y_train, axis=0)  # (t,)

        def predict(self, inputs):
            return np.tile(self.mean, (len(inputs), 1))  # (n, t)
    ```
    """

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, FeatureRequest]:
        """Return block name -> the feature to be computed for it."""
        ...

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Learn from the training rows; the validation rows are for early stopping only.

        `y_train` is (n_train, t) float64 with NaN where nothing was measured. A task may have no
        label, or labels of one class only: that is no error, predict something sensible.
        """
        ...

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return (n, t) finite predictions: probabilities of class 1, or values in y's unit."""
        ...


@runtime_checkable
class MatchModel(Protocol):
    """What a class named by `ModelSpec.match` must offer. It is built as ``Class(config)``.

    Examples
    --------
    ```python
    class Nearest:
        def __init__(self, config): ...

        @classmethod
        def needs(cls, config):
            return {"bits": FeatureRequest("morgan")}

        def fit_pairs(self, molecules, pairs, context):
            self.known, self.pairs = molecules.matrix("bits").values, pairs

        def score(self, molecules, block, profiles):
            nearest = (molecules.matrix("bits").values @ self.known.T).toarray().argmax(axis=1)
            predicted = self.pairs.blocks[block].values[nearest]  # (n, d)
            return -abs(predicted[:, None] - profiles.values[None]).sum(axis=2)  # (n, m)
    ```
    """

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, FeatureRequest]:
        """Return block name -> the feature to be computed of the molecules."""
        ...

    def fit_pairs(self, molecules: Inputs, pairs: Any, context: FitContext) -> None:
        """Learn from the pairs of the training folds.

        `pairs` is a `chmr_bench.cells.Atlas` of the n molecules, in their order: its blocks hold
        their profiles, each with who has it. `context` names no task and no weights.
        """
        ...

    def score(self, molecules: Inputs, block: str, profiles: MatrixBlock) -> FloatArray:
        """Return (n, m) finite numbers: how well each profile fits each molecule, high = well.

        The m profiles are of the block of that name, in an order that tells nothing.
        """
        ...

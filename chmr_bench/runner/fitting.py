"""What a worker process does of a job: fit, predict, and a spot check; it has no test label."""

from __future__ import annotations

import dataclasses
import io
import logging
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel
from threadpoolctl import threadpool_limits

from chmr_bench.ablation.replacement import replaced
from chmr_bench.contracts import FitContext, Inputs, Model, ModelSpec, Progress
from chmr_bench.interpreters import RemoteModel, builder_of
from chmr_bench.plugins import Registry, use_registry
from chmr_bench.records.environment import (
    MemoryScope,
    peak_memory_mb,
    peak_memory_of_children_mb,
    reset_peak_memory,
)
from chmr_bench.runner import logs
from chmr_bench.runner.checking import check_predictions
from chmr_bench.settings import require
from chmr_bench.types import FloatArray, IntArray

FIT = "chmr_bench.runner.fitting:fit_and_predict"
SPOT_ROWS = 5
SPOT_SECONDS = 2.0
"""A model whose predictions took longer is not asked again for the spot check."""
SPOT_RTOL, SPOT_ATOL = 1e-3, 1e-4
"""Of the spread of a task's predictions; batches of another size round otherwise in float32."""
PROGRESS_SECONDS = 0.05

Send = Callable[..., None]
log = logging.getLogger("chmr_bench.runner")


@dataclass(frozen=True)
class ToPredict:
    """The test rows as one of the runs that share a fit has them.

    Attributes
    ----------
    givers, replaced :
        The frozen control: whose rows of which blocks the test molecules are given after the fit,
        see `masking.SplitInputs`.
    """

    inputs: Inputs
    givers: IntArray | None = None
    replaced: tuple[str, ...] = ()


@dataclass
class FitTask:
    """All that a model is given, and all that its process knows. It serves for one fit.

    Attributes
    ----------
    tests :
        One a run: what is masked at test alone is no reason to fit again.
    context :
        Without its progress, which the worker adds.
    registry :
        What is registered, so that the worker need not look for plugins.
    """

    spec: ModelSpec
    config: BaseModel
    train: Inputs
    y_train: FloatArray
    valid: Inputs
    y_valid: FloatArray
    tests: tuple[ToPredict, ...]
    context: FitContext
    registry: Registry

    def give_train(self) -> Inputs:
        """Return the training inputs and let go of them: the model may need their memory."""
        train = self.train
        self.train = train.take(np.zeros(0, dtype=np.int64))
        return train.read_only()


@dataclass(frozen=True)
class Predicted:
    """What a fitted model makes of the test rows.

    Attributes
    ----------
    y_pred :
        (n_test, t).
    remarks :
        What a reader of the scores should know.
    draws :
        (n_draws, n_test, t) float32, with the profiles of others; None but for the frozen control.
    """

    y_pred: FloatArray
    remarks: tuple[str, ...]
    draws: FloatArray | None = None


@dataclass(frozen=True)
class Fitted:
    """What a worker gives back.

    Attributes
    ----------
    tests :
        As in the task.
    y_valid_pred :
        (n_valid, t) of the validation rows; None where there are none, or it fails on them.
    """

    tests: tuple[Predicted, ...]
    y_valid_pred: FloatArray | None
    peak_memory_mb: float | None
    peak_memory_of: MemoryScope


def fit_and_predict(task: FitTask, send: Send) -> Fitted:
    """Return the predictions of a fresh model that was fitted on the training rows."""
    scope = reset_peak_memory()
    send("stage", "load")
    with speaking(send, task.registry):
        require(task.spec)
        build = builder_of(task.spec)
        seed_globals(task.context.seed)
        model = build(task.config)
        with threadpool_limits(task.context.n_jobs):  # of the libraries that are loaded by now
            _fit(model, task, send)
            send("stage", "predict")
            tests = tuple(_predicted(model, part, task.context) for part in task.tests)
            y_valid_pred = of_valid(model, task)
        peak = peak_memory_mb()
        if isinstance(model, RemoteModel):
            model.close()
            peak = max(peak or 0.0, peak_memory_of_children_mb())
    return Fitted(tests, y_valid_pred, peak, scope)


def _fit(model: Model, task: FitTask, send: Send) -> None:
    context = dataclasses.replace(task.context, progress=throttled(send))
    send("stage", "fit")
    model.fit(
        task.give_train(),
        task.y_train.copy(),
        task.valid.read_only(),
        task.y_valid.copy(),
        context,
    )


def _predicted(model: Model, part: ToPredict, context: FitContext) -> Predicted:
    test = part.inputs.read_only()
    started = time.perf_counter()
    y_pred = _checked(model.predict(test), test, context)
    slow = time.perf_counter() - started > SPOT_SECONDS
    remarks = () if slow else tuple(spot_check(model.predict, test, y_pred))
    return Predicted(y_pred, remarks, _replaced(model, part, context))


def of_valid(model: Model, task: FitTask) -> FloatArray | None:
    """Return the predictions of the validation rows, (n_valid, t); a run does not fail by them."""
    if not len(task.valid):
        return None
    try:
        return _checked(model.predict(task.valid.read_only()), task.valid, task.context)
    except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001 - a stranger's code
        task.context.log.warning(
            "no predictions of the validation rows are kept: %s: %s", type(error).__name__, error
        )
        return None


def _replaced(model: Model, part: ToPredict, context: FitContext) -> FloatArray | None:
    """Return the fitted model's predictions with the profiles of others, (n_draws, n_test, t)."""
    if part.givers is None:
        return None
    test = part.inputs
    own = {name: test.matrix(name) for name in part.replaced}
    n_tasks = len(context.tasks.task_names)
    draws = np.empty((len(part.givers), len(test), n_tasks), dtype=np.float32)
    for draw, giver in enumerate(part.givers):
        blocks = {**test.blocks, **replaced(own, giver)}
        inputs = dataclasses.replace(test, blocks=blocks).read_only()
        draws[draw] = _checked(model.predict(inputs), test, context)
    return draws


def _checked(y_pred: Any, of: Inputs, context: FitContext) -> FloatArray:
    """Return the predictions of molecules, (n, t), held against what was asked for."""
    tasks = context.tasks
    shape = (len(of), len(tasks.task_names))
    return check_predictions(y_pred, shape, tasks.task_type == "classification")


def spot_check(predict: Callable[[Inputs], Any], test: Inputs, y_pred: FloatArray) -> Iterator[str]:
    """Yield a remark where some test rows, predicted by themselves and in another order, differ.

    Then a score depends on which molecules happen to be tested together.
    """
    n = len(test)
    rows = np.unique(np.linspace(n - 1, 0, min(SPOT_ROWS, n)).astype(np.int64))[::-1]
    try:
        few = np.asarray(predict(test.take(rows)), dtype=np.float64)
        one = np.asarray(predict(test.take(rows[:1])), dtype=np.float64)
    except Exception as error:  # noqa: BLE001 - a stranger's code
        yield f"predict fails on a few test rows alone: {type(error).__name__}: {error}"
        return
    scale = np.maximum(y_pred.std(axis=0), SPOT_ATOL)
    for again, expected in ((few, y_pred[rows]), (one, y_pred[rows[:1]])):
        if again.shape != expected.shape:
            yield f"predict gives shape {again.shape} for {len(expected)} test rows alone"
            return
        off = np.abs(again - expected) / scale
        if not (off <= SPOT_RTOL + SPOT_RTOL * np.abs(expected) / scale).all():
            yield "predictions depend on which molecules are predicted together"
            return


# ------------------------------------------------------------------------------------- surroundings


@contextmanager
def speaking(send: Send, known: Registry | None = None) -> Iterator[None]:
    """Send log lines and warnings to the caller while the block runs."""
    if known is not None:
        use_registry(known)
    with logs.captured(_Lines(send)):
        yield


class _Lines(io.TextIOBase):
    """A stream whose lines are sent as messages."""

    def __init__(self, send: Send) -> None:
        self.send = send

    def write(self, text: str) -> int:
        self.send("log", text)
        return len(text)


def throttled(send: Send) -> Progress:
    """Return what sends progress, at most twenty times a second."""
    last = [0.0]

    def progress(done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if done >= total or now - last[0] >= PROGRESS_SECONDS:
            last[0] = now
            send("progress", int(done), int(total), str(unit))

    return progress


def seed_globals(seed: int) -> None:
    """Seed the global generators: a net under models that forget to use their own."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the legacy generator is the one to be seeded
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)

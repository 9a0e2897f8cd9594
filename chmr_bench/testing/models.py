"""What a model promises: the contract of `chmr_bench.Model`, run on small simulated data."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from chmr_bench import foreign, isolation, paths
from chmr_bench.contracts import FeatureRequest, Inputs, Model, ModelSpec
from chmr_bench.errors import ChmrBenchError, DataError, PluginError, RemoteError, WorkerError
from chmr_bench.features.cache import connectivity_keys, featurise
from chmr_bench.interpreters import builder_of
from chmr_bench.lazy import load_object
from chmr_bench.plugins import Registry, registry, use_registry
from chmr_bench.settings import build_config, require
from chmr_bench.testing.blocks import equal_blocks
from chmr_bench.testing.simulate import (
    SimulatedData,
    block_names,
    cell_blocks,
    measured_in_part,
    problems,
    sample_molecules,
    without_block,
)
from chmr_bench.testing.surroundings import (
    are_like,
    check_silent_import,
    left_alone,
    random_labels,
)
from chmr_bench.testing.weights import check_weights
from chmr_bench.types import FloatArray

CHECK = "chmr_bench.testing.models:check_here"
CHECK_SECONDS = 1800.0
_CONNECTIVITY = "connectivity"
Build = Callable[[Any], Model]
"""Makes a model of its settings."""


def check_model(
    model: str | ModelSpec,
    settings: Mapping[str, Any] | None = None,
    time_limit: float = CHECK_SECONDS,
) -> None:
    """Check a model on some seventy molecules, for each task type that it offers.

    It is done in a process of its own, as in a run: the model may end it, or never return.

    Parameters
    ----------
    model :
        A spec, or the name of a registered model.
    settings :
        Overrides that make the check quick, for instance fewer trees.
    time_limit :
        Seconds that the check may take.

    Raises
    ------
    MissingDependencyError
        A package that the model needs is not installed.
    PluginError
        The model breaks a promise; the message says which, and on which data.
    """
    known = registry()
    spec = known.model(model).spec if isinstance(model, str) else model
    require(spec)
    limits, words = isolation.Limits(time_limit), (spec, dict(settings or {}), known)
    try:
        check_silent_import(spec)
        isolation.call(CHECK, *words, limits=limits, receiver=foreign.Printed())
    except RemoteError as error:
        raise PluginError(
            f"model {spec.name!r}: {error.kind}: {str(error) or 'no message'}"
        ) from error
    except WorkerError as error:
        raise PluginError(f"model {spec.name!r}: {error}") from error


def check_here(
    spec: ModelSpec, settings: Mapping[str, Any], known: Registry, send: Callable[..., None]
) -> None:
    """Check a model; runs in a worker process."""
    use_registry(known)
    config = _check_config(spec, settings)
    model_class = _check_class(spec)
    inputs = _inputs(spec, _check_needs(spec, model_class, config))
    build = builder_of(spec)
    with (
        tempfile.TemporaryDirectory() as folder,
        paths.embeddings_below(Path(folder, "embeddings")),
    ):
        weights = check_weights(spec, config, Path(folder, "weights"))
        for task_type in spec.task_types:
            for problem in problems(task_type, inputs, weights):
                where = f"model {spec.name!r} on {task_type}, {problem.title}"
                _check_problem(spec, build, config, problem, where)
            if spec.reads:
                _check_in_part(spec, build, config, problem)


# ------------------------------------------------------------------------------- what is registered


def _check_config(spec: ModelSpec, settings: Mapping[str, Any]) -> Any:
    """Return the settings, after checking that a misspelt one would be refused."""
    from pydantic import BaseModel

    config_class = load_object(spec.config)
    where = f"model {spec.name!r}"
    if not (isinstance(config_class, type) and issubclass(config_class, BaseModel)):
        raise PluginError(f"{where}: config={spec.config!r} is no pydantic model")
    if config_class.model_config.get("extra") != "forbid":
        raise PluginError(
            f"{where}: {spec.config} takes settings that it does not know; give it "
            "model_config = ConfigDict(extra='forbid')"
        )
    if spec.recipe and not Path(spec.recipe).is_file():
        raise PluginError(f"{where}: there is no recipe file {spec.recipe}")
    return build_config(spec, settings)


def _check_class(spec: ModelSpec) -> type[Model]:
    model_class: Any = load_object(spec.factory)
    if not isinstance(model_class, type):
        raise PluginError(f"model {spec.name!r}: factory={spec.factory!r} is no class")
    for method in ("needs", "fit", "predict"):
        if not callable(getattr(model_class, method, None)):
            raise PluginError(f"model {spec.name!r}: {spec.factory} has no method {method!r}")
    return cast("type[Model]", model_class)


def _check_needs(
    spec: ModelSpec, model_class: type[Model], config: Any
) -> Mapping[str, FeatureRequest]:
    needs = model_class.needs(config)
    if not isinstance(needs, Mapping):
        raise PluginError(f"model {spec.name!r}: needs() gave {needs!r}, expected a mapping")
    for name, request in needs.items():
        if not isinstance(request, FeatureRequest):
            raise PluginError(
                f"model {spec.name!r}: needs()[{name!r}] is {request!r}, expected a FeatureRequest"
            )
    return needs


def _inputs(spec: ModelSpec, needs: Mapping[str, FeatureRequest]) -> Inputs:
    """Return the sample molecules with everything the model asks for."""
    smiles = sample_molecules()
    blocks = cell_blocks(block_names(spec.reads), len(smiles))
    keys: tuple[str, ...] = ()
    for name, request in needs.items():
        if request.feature == _CONNECTIVITY:
            keys = connectivity_keys(smiles, n_jobs=1)
            continue
        feature = registry().feature(request.feature).spec
        blocks[name] = featurise(feature, request.settings, smiles, n_jobs=1)
    return Inputs(tuple(smiles), blocks, keys)


# --------------------------------------------------------------------------------- what it computes


def _check_problem(
    spec: ModelSpec, build: Build, config: Any, problem: SimulatedData, where: str
) -> None:
    fitted, first = _fit_and_predict(build, config, problem, 0, where)
    _check_predictions(problem, first, where)
    _check_rows_alone(fitted, problem, first, where)
    _, again = _fit_and_predict(build, config, problem, 0, where)
    if not np.array_equal(first, again):
        raise PluginError(
            f"{where}: the same seed gave other predictions "
            f"(by up to {np.abs(first - again).max():.3g}); all randomness must follow from "
            "context.seed"
        )
    if spec.deterministic:
        _, other = _fit_and_predict(build, config, problem, 1, where)
        if not np.array_equal(first, other):
            raise PluginError(f"{where}: registered as deterministic, yet the seed changes it")


def _fit_and_predict(
    build: Build, config: Any, problem: SimulatedData, seed: int, where: str
) -> tuple[Model, FloatArray]:
    """Fit a fresh model, predict the test rows, and check that it changed nothing it was given."""
    given = copy.deepcopy(problem)
    settings = config.model_copy(deep=True)
    tasks = problem.tasks
    y_test = random_labels(tasks.task_type, len(given.test), len(tasks.task_names))
    # Nobody gives it to the model, which may go and look for it; gc lists no dict of arrays alone.
    bait: dict[str, Any] = {"y_test": y_test, "where": [where]}
    try:
        with left_alone(where):
            model = build(config)
            model.fit(given.train, given.y_train, given.valid, given.y_valid, given.context(seed))
            y_pred = model.predict(given.test)
    except ChmrBenchError:
        raise
    except Exception as error:
        raise PluginError(f"{where}: {type(error).__name__}: {error}") from error
    if np.shape(y_pred) == y_test.shape and are_like(np.asarray(y_pred, float), bait["y_test"]):
        raise PluginError(f"{where}: it looks for test labels outside of what it is given")
    changed = _changed(problem, given)
    if changed:
        raise PluginError(f"{where}: it changed {changed}, which is not its own")
    if config != settings:
        raise PluginError(f"{where}: it changed its own settings from {settings} to {config}")
    return model, y_pred


def _check_predictions(problem: SimulatedData, y_pred: Any, where: str) -> None:
    expected = (len(problem.test), len(problem.tasks.task_names))
    if not isinstance(y_pred, np.ndarray) or y_pred.dtype.kind != "f":
        kind = getattr(y_pred, "dtype", type(y_pred).__name__)
        raise PluginError(f"{where}: predict gave {kind}, expected an array of floats")
    if y_pred.shape != expected:
        raise PluginError(f"{where}: predict gave shape {y_pred.shape}, expected {expected}")
    for task, column in zip(problem.tasks.task_names, y_pred.T, strict=True):
        if not np.isfinite(column).all():
            raise PluginError(f"{where}: task {task!r} has predictions that are not finite")
    if problem.tasks.task_type == "classification" and (y_pred.min() < 0 or y_pred.max() > 1):
        raise PluginError(
            f"{where}: predictions lie in [{y_pred.min():.3g}, {y_pred.max():.3g}]; expected "
            "probabilities of class 1 in [0, 1]"
        )


def _check_rows_alone(model: Model, problem: SimulatedData, y_pred: FloatArray, where: str) -> None:
    """Check that a molecule's prediction does not hang on the molecules predicted beside it."""
    rows = np.arange(len(problem.test) - 1, -1, -2, dtype=np.int64)
    alone = model.predict(problem.test.take(rows))
    if not np.allclose(alone, y_pred[rows], rtol=1e-4, atol=1e-5):
        raise PluginError(
            f"{where}: a molecule's prediction depends on which others are predicted with it "
            f"(by up to {np.abs(alone - y_pred[rows]).max():.3g})"
        )


def _check_in_part(spec: ModelSpec, build: Build, config: Any, problem: SimulatedData) -> None:
    """Check that profiles measured in part are read entry by entry, or refused in one line.

    Those of the last modality have the name of an atlas's own, as with ``run --cells``.
    """
    names = block_names(spec.reads)
    full = without_block(problem, spec.reads[-1])
    part = measured_in_part(full, names)
    named = (
        f"model {spec.name!r} on {problem.tasks.task_type}, block {names[-1]!r} alone of its kind"
    )
    where = f"{named}, {part.title}"
    try:
        _, first = _fit_and_predict(build, config, part, 0, where)
    except DataError as error:
        if "\n" in str(error):
            raise PluginError(f"{where}: it says no in more than one line: {error}") from error
        _check_in_full(build, config, full, named)
        return
    _check_predictions(part, first, where)
    other = measured_in_part(full, names, fill=1e3)
    _, again = _fit_and_predict(build, config, other, 0, where)
    if not np.array_equal(first, again):
        raise PluginError(
            f"{where}: it reads entries that are not observed (other numbers there change "
            f"predictions by up to {np.abs(first - again).max():.3g}); mask them by "
            "block.observed, or refuse with block.complete_rows"
        )


def _check_in_full(build: Build, config: Any, problem: SimulatedData, where: str) -> None:
    """Check that what refuses profiles measured in part takes those measured in full."""
    try:
        _fit_and_predict(build, config, problem, 0, where)
    except DataError as error:
        raise PluginError(f"{where}: {error}") from error


def _changed(before: SimulatedData, after: SimulatedData) -> str:
    """Return what differs between two copies of a problem, or ""."""
    for name in ("y_train", "y_valid"):
        if not np.array_equal(getattr(before, name), getattr(after, name), equal_nan=True):
            return name
    for part in ("train", "valid", "test"):
        old, new = getattr(before, part), getattr(after, part)
        if old.smiles != new.smiles or old.keys != new.keys or set(old.blocks) != set(new.blocks):
            return f"the molecules of {part}"
        for name in old.blocks:
            if not equal_blocks(old.blocks[name], new.blocks[name]):
                return f"the block {name!r} of {part}"
    return ""

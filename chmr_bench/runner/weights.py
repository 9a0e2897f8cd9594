"""The pretrained weights a job starts from: found, or made first."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import paths
from chmr_bench.contracts import (
    PendingWeights,
    Progress,
    Weights,
    WeightsRequest,
    connectivity_hash,
    no_progress,
)
from chmr_bench.errors import PluginError, RecordError, UsageError
from chmr_bench.lazy import load_object
from chmr_bench.records import canonical_json
from chmr_bench.runner.logs import stdout_to_stderr
from chmr_bench.runner.workspace import Workspace
from chmr_bench.settings import require
from chmr_bench.types import IntArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from chmr_bench.runner.job import Job


def look_up(job: Job, workspace: Workspace) -> Job:
    """Return the job with its weights, or with what would have to be done to have them.

    Raises
    ------
    UsageError : a setting names what is not there, such as an atlas.
    """
    if not job.model.spec.weights:
        return job
    try:
        weights = _ask(job, workspace, make=False)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's code; it fails again, on record
        weights = PendingWeights(f"weights of {job.model.spec.name}: {error}")
    return dataclasses.replace(job, weights=weights)


def made(
    job: Job,
    workspace: Workspace,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
) -> Job:
    """Return the job with its weights, which are made where they are not there.

    Raises
    ------
    PluginError : what came are no weights. Whatever the plugin raises goes through.
    """
    weights = _ask(job, workspace, make=True, progress=progress, step=step)
    if isinstance(weights, PendingWeights):
        raise PluginError(f"{job.model.spec.weights} was told to make weights, and did not")
    return dataclasses.replace(job, weights=weights)


def n_test_seen(job: Job, workspace: Workspace, rows: IntArray, progress: Progress) -> int | None:
    """Return how many of the `rows` are molecules that the weights learnt from; None = unknown.

    Raises
    ------
    RecordError : the list of molecules beside the weights is damaged.
    """
    if not isinstance(job.weights, Weights) or job.weights.seen is None:
        return None
    try:
        seen = np.load(job.weights.seen, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RecordError(f"{job.weights.seen}: cannot be read: {error}") from error
    keys = workspace.keys(job.opened, progress)
    hashes = connectivity_hash([keys[row] for row in rows if keys[row]])
    return int(np.isin(hashes, seen).sum())


def _ask(
    job: Job,
    workspace: Workspace,
    *,
    make: bool,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
) -> Weights | PendingWeights | None:
    spec = job.model.spec
    key = canonical_json(
        [spec.weights, job.config.model_dump(mode="json"), job.seed, job.device, job.precision]
    )
    known = workspace.weights.get(key)
    if known is not None:
        return known
    request = WeightsRequest(
        data=workspace.atlases.heard_by(progress, step),
        folder=paths.weights_folder() / job.model.plugin.name,
        seed=job.seed or 0,
        make=make,
        n_jobs=workspace.n_jobs,
        device=job.device,
        precision=job.precision,
        progress=progress,
        stage=step,
        log=logging.getLogger(f"chmr_bench.weights.{spec.name}"),
    )
    with stdout_to_stderr() if make else contextlib.nullcontext():
        if make:
            require(spec)
        weights = _checked(spec.weights, load_object(spec.weights)(job.config, request))
    if isinstance(weights, Weights):
        workspace.weights[key] = weights
    return weights


def _checked(source: str, weights: object) -> Weights | PendingWeights | None:
    if weights is None or isinstance(weights, PendingWeights):
        return weights
    if not isinstance(weights, Weights):
        raise PluginError(
            f"{source} gave {type(weights).__name__}; expected Weights, PendingWeights or None"
        )
    try:
        canonical_json(dict(weights.info))
    except (TypeError, ValueError) as error:
        raise PluginError(f"{source}: the info of its weights is not JSON: {error}") from error
    return weights

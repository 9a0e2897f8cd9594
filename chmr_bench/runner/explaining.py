"""What a model can show of itself on a dataset: files that its plugin writes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from chmr_bench.contracts import FitContext, Progress, TaskInfo, Weights, no_progress
from chmr_bench.errors import PluginError, UsageError
from chmr_bench.lazy import load_object
from chmr_bench.runner import weights as start
from chmr_bench.runner.job import Job
from chmr_bench.runner.logs import stdout_to_stderr
from chmr_bench.runner.workspace import Workspace


def explain(
    job: Job,
    workspace: Workspace,
    out: Path,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Return the files that the model's plugin wrote below `out`; weights are made if need be.

    The spec's ``explain`` is called as ``function(config, inputs, weights, out, context)`` with
    the `Inputs` of every molecule of the dataset (all blocks it comes with, and its keys), the
    path of the weights, and a `FitContext`.

    Raises
    ------
    UsageError : the model explains nothing, or starts from no weights with these settings.
    PluginError : it names no file, or one that is not there. What it raises goes through.
    """
    spec = job.model.spec
    if not spec.explain:
        raise UsageError(f"model {spec.name!r} has nothing to explain")
    weights = start.make(job.asked(), workspace, progress, step)
    if not isinstance(weights, Weights):
        raise UsageError(f"model {spec.name!r} starts from no weights with these settings")
    step("features")
    with stdout_to_stderr():
        needs = load_object(spec.factory).needs(job.config)
        everything = replace(spec, reads=tuple(job.opened.dataset.blocks))  # nothing is scored
        inputs = workspace.inputs(job.opened, everything, needs, progress)
        inputs = replace(inputs, keys=workspace.keys(job.opened, progress))
        step("explanation")
        out.mkdir(parents=True, exist_ok=True)
        context = _context(job, workspace, weights.path, progress)
        written = load_object(spec.explain)(job.config, inputs, weights.path, out, context)
    files = [Path(path) for path in written]
    if not files or not all(path.is_file() for path in files):
        raise PluginError(
            f"{spec.explain} named {[str(p) for p in files]}; expected files it wrote"
        )
    return files


def _context(job: Job, workspace: Workspace, weights: Path, progress: Progress) -> FitContext:
    spec = job.opened.spec
    return FitContext(
        tasks=TaskInfo(spec.task_type, job.opened.dataset.task_names, spec.metric),
        seed=job.seed or 0,
        n_jobs=workspace.n_jobs,
        device=job.device,
        precision=job.precision,
        progress=progress,
        log=logging.getLogger(f"chmr_bench.explain.{job.model.spec.name}"),
        weights=weights,
    )

"""What a model can show of itself on a dataset: files that its plugin writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from chmr_bench import isolation
from chmr_bench.contracts import FitContext, Inputs, ModelSpec, Weights
from chmr_bench.errors import PluginError, UsageError
from chmr_bench.lazy import load_object
from chmr_bench.plugins import Registry, registry
from chmr_bench.runner.clock import Clock
from chmr_bench.runner.fitting import Send, speaking, throttled
from chmr_bench.runner.job import Job
from chmr_bench.runner.needs import needs_of
from chmr_bench.runner.options import RunOptions
from chmr_bench.runner.weights import WeightsCache
from chmr_bench.streams import stdout_to_stderr

EXPLAIN = "chmr_bench.runner.explaining:explain_here"


def explain(
    job: Job, options: RunOptions, cache: WeightsCache, out: Path, receiver: Clock
) -> list[Path]:
    """Return the files that the model's plugin wrote below `out`; weights are made if need be.

    The spec's ``explain`` is called as ``function(config, inputs, weights, out, context)`` with
    the `Inputs` of every molecule of the dataset (all blocks it comes with, and its keys), the
    path of the weights, and a `FitContext`; in a worker process.

    Raises
    ------
    UsageError
        The model explains nothing, or starts from no weights with these settings.
    PluginError
        It names no file, or one that is not there. What it raises comes as `isolation.call` says.
    """
    spec, data, listener = job.model.spec, job.data, receiver.listener
    if not spec.explain:
        able = sorted(name for name, one in registry().models.items() if one.spec.explain)
        raise UsageError(
            f"model {spec.name!r} has nothing to explain; these models have: {', '.join(able)}"
        )
    weights = cache.make(job.weights_key(), receiver)
    if not isinstance(weights, Weights):
        raise UsageError(f"model {spec.name!r} starts from no weights with these settings")
    listener.step("features")
    needs = needs_of(spec, job.config)
    with stdout_to_stderr():
        everything = replace(spec, reads=tuple(data.dataset.blocks))  # nothing is scored
        inputs = data.inputs(everything, needs, listener.progress)
        inputs = replace(inputs, keys=data.keys(listener.progress))
    context = replace(job, weights=weights).context(options.n_jobs, "chmr_bench.explain")
    arguments = (spec, job.config, inputs, out.resolve(), context, registry())
    out.mkdir(parents=True, exist_ok=True)
    listener.step("explanation")
    written = isolation.call(EXPLAIN, *arguments, limits=options.limits, receiver=receiver)
    files = [_as_named(Path(path), out) for path in written]
    if not files or not all(path.is_file() for path in files):
        raise PluginError(
            f"{spec.explain} named {[str(p) for p in files]}; expected files it wrote"
        )
    return files


def _as_named(path: Path, out: Path) -> Path:
    """Return a path below `out` as the user named that."""
    home = out.resolve()
    return out / path.relative_to(home) if path.is_relative_to(home) else path


def explain_here(
    spec: ModelSpec,
    config: Any,
    inputs: Inputs,
    out: Path,
    context: FitContext,
    known: Registry,
    send: Send,
) -> list[str]:
    """Return the paths of the files that the plugin's function wrote, called in this process."""
    context = replace(context, progress=throttled(send))
    with speaking(send, known):
        written = load_object(spec.explain)(config, inputs, context.weights, out, context)
    return [str(Path(path)) for path in written]

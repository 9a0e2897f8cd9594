"""Matching, as the command line and Python ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chmr_bench.api.options import Options, as_list, run_options
from chmr_bench.api.requests import (
    DEVICES,
    PRECISIONS,
    cell_atlases,
    check_precision,
    choice,
    parse_settings,
)
from chmr_bench.errors import PluginError, RemoteError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.report.matching import MatchedModel, Matchings, why_not
from chmr_bench.runner.matching import MatchJob, match
from chmr_bench.settings import build_config
from chmr_bench.splits.grouped import REPEATS
from chmr_bench.sweep.devices import device_for
from chmr_bench.sweep.model_settings import check_settings, overrides_for

CONTROLS = ("shuffled",)
Receiver = Callable[[MatchJob], Any]
"""Gives who listens to a job's worker."""


def match_jobs(options: Options) -> tuple[list[MatchJob], dict[str, str]]:
    """Return a job a model, atlas and control, and model -> why it cannot match.

    Raises
    ------
    UnknownNameError
        No such model, atlas or setting.
    UsageError
        Nothing is named, no named model can match, or an option does not fit.
    """
    names, seed = list(dict.fromkeys(as_list(options.get("model")))), options.get("seed", 0)
    atlases = cell_atlases(options.get("atlas"), "--atlas")
    able = [name for name, one in sorted(registry().models.items()) if one.spec.match]
    if not names or not atlases:
        raise UsageError(
            "name a model and an atlas: --model NAME --atlas NAME; these models can match: "
            f"{', '.join(able)}; 'chmr-bench list atlases' shows the atlases"
        )
    if not 0 <= seed < REPEATS:
        raise UsageError(f"--seed {seed}: matching has the repeats 0 to {REPEATS - 1} of its folds")
    check_settings(parse_settings(options.get("setting") or ()), names)
    reasons = {name: why_not(registry().model(name).spec) for name in names}
    inapplicable = {name: reason for name, reason in reasons.items() if reason}
    if len(inapplicable) == len(names):
        words = "; ".join(f"{name}: {reason}" for name, reason in inapplicable.items())
        raise UsageError(f"not applicable: {words}; these models can match: {', '.join(able)}")
    chosen = [name for name in names if name not in inapplicable]
    controls = [choice("--control", c, CONTROLS) for c in as_list(options.get("control"))]
    jobs = [_job(name, atlas, options) for atlas in atlases for name in chosen]
    kinds = (False, True) if controls else (False,)
    return [replace(job, shuffled=kind) for job in jobs for kind in kinds], inapplicable


def _job(name: str, atlas: str, options: Options) -> MatchJob:
    spec, precision = registry().model(name).spec, options.get("precision", "float32")
    check_precision(name, precision)
    given = overrides_for(parse_settings(options.get("setting") or ()), name)
    return MatchJob(
        spec,
        build_config(spec, {**spec.match_preset, **given}),
        atlas,
        seed=options.get("seed", 0),
        device=device_for(choice("--device", options.get("device", "auto"), DEVICES), spec),
        precision=choice("--precision", precision, PRECISIONS),
    )


def matchings_of(options: Options, receiver: Receiver) -> Matchings:
    """Return what every named model makes of every named atlas; raises as `match_jobs` does."""
    jobs, inapplicable = match_jobs(options)
    work = run_options(options)
    matched = []
    for job in jobs:
        try:
            matched.append(MatchedModel(job, match(job, work, receiver(job))))
        except RemoteError as error:
            raise PluginError(
                f"matching by {job.spec.name} failed: {error.kind}: {error}\n{error.trace}"
            ) from error
    return Matchings(tuple(matched), inapplicable)

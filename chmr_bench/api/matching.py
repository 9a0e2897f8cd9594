"""Matching, as the command line and Python ask for it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import Timeout

from chmr_bench import paths
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
from chmr_bench.records.environment import environment
from chmr_bench.report.match_files import stored, write_matchings
from chmr_bench.report.matching import MatchedModel, Matchings, label, why_not
from chmr_bench.runner import RunOptions
from chmr_bench.runner.matching import MatchJob, match
from chmr_bench.runner.pretraining import AtlasData
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


def matchings_of(options: Options, receiver: Receiver, out: Path | None = None) -> Matchings:
    """Return what every named model makes of every named atlas; raises as `match_jobs` does.

    A model that fails takes nothing down: it stands in `Matchings.failed`.

    Parameters
    ----------
    out :
        Folder that is written after each model; what it holds already is not matched again.
    """
    jobs, inapplicable = match_jobs(options)
    with _alone(out):
        return _matched(jobs, inapplicable, run_options(options), receiver, out)


@contextlib.contextmanager
def _alone(out: Path | None) -> Iterator[None]:
    """Keep a second command from writing over what this one writes."""
    with contextlib.ExitStack() as stack:
        if out is not None:
            name = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
            try:
                stack.enter_context(paths.locked(paths.home() / "locks" / f"{name}.match", 0))
            except Timeout as error:
                raise UsageError(
                    f"--out {out}: another 'match' is writing there; wait for its end, or name "
                    "another folder"
                ) from error
        yield


def _matched(
    jobs: Sequence[MatchJob],
    inapplicable: Mapping[str, str],
    work: RunOptions,
    receiver: Receiver,
    out: Path | None,
) -> Matchings:
    matched: list[MatchedModel | None] = [None] * len(jobs)
    if out:
        data = AtlasData(work.fetch)
        matched = stored(out, [(j, data.digest([j.atlas], transductive=True)) for j in jobs])
    failed: dict[str, str] = {}
    for i, job in enumerate(jobs):
        if matched[i]:
            continue
        name = f"{label(job)} on {job.atlas}"
        try:
            ranks = match(job, work, receiver(job))
            matched[i] = MatchedModel(job, ranks, environment().model_dump(mode="json"))
        except RemoteError as error:
            failed[name] = f"{error.kind}: {error}\n{error.trace}"
        except PluginError as error:
            failed[name] = str(error)
        if out and any(matched):
            write_matchings(_all(matched, inapplicable, failed), out)
    return _all(matched, inapplicable, failed)


def _all(
    matched: Sequence[MatchedModel | None],
    inapplicable: Mapping[str, str],
    failed: Mapping[str, str],
) -> Matchings:
    return Matchings(tuple(one for one in matched if one), inapplicable, dict(failed))


def check_failed(matchings: Matchings) -> None:
    """Raise PluginError where a model failed, after all that the others did is written."""
    if matchings.failed:
        said = (f"matching by {name} failed: {why}" for name, why in matchings.failed.items())
        raise PluginError("\n".join(said))

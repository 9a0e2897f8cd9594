"""The options of a run, checked and put together: what the user asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench.data.requests import DatasetRequest
from chmr_bench.data.requests import TableOptions as TableOptions
from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.cli.options import SplitGroup, WorkGroup
    from chmr_bench.sweep import Request, Setting

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")
FOLDER_OF_ATLAS = re.compile(r"(?<=\bfolder:)/(?:[^/\"',]*/)*(?=[^/])")
"""What stands before the last component of the absolute path in ``folder:PATH``."""


def make_request(
    models: list[str] | None,
    suites: list[str] | None,
    datasets: list[str] | None,
    table: TableOptions,
    seeds: tuple[int, ...],
    settings: list[str] | None,
) -> Request:
    """Return the request; UnknownNameError or UsageError where something is not there."""
    from chmr_bench.plugins import registry
    from chmr_bench.sweep import Request

    if not models:
        raise UsageError("name a model: --model NAME; 'chmr-bench list models' shows them")
    asked = data_requests(suites, datasets, table)
    for name in models:
        registry().model(name)
    return Request(
        models=tuple(models), datasets=asked, seeds=seeds, settings=parse_settings(settings or ())
    )


def data_requests(
    suites: list[str] | None, datasets: list[str] | None, table: TableOptions
) -> tuple[DatasetRequest, ...]:
    """Return the datasets asked for, each once; UnknownNameError or UsageError where one is not."""
    from chmr_bench.data.datasets import dataset_request
    from chmr_bench.plugins import registry

    if not suites and not datasets:
        raise UsageError(
            "name data: --suite all, --suite demo, or --dataset NAME; "
            "'chmr-bench list datasets' shows them"
        )
    names = [n for suite in suites or () for n in registry().suite(suite).datasets]
    requests = [DatasetRequest(name=n) for n in names]
    known = registry().datasets
    requests += [dataset_request(name, table, known) for name in datasets or ()]
    if table.given and not any(r.file for r in requests):
        raise UsageError(
            "--smiles, --tasks and the other options of a table describe --dataset FILE"
        )
    return tuple(dict.fromkeys(requests))


def parse_settings(texts: Sequence[str]) -> tuple[Setting, ...]:
    """Return the settings; UsageError where one is given twice, for the same model or for all."""
    settings = tuple(_setting(text) for text in texts)
    seen = set()
    for setting, text in zip(settings, texts, strict=True):
        if (setting.model, setting.key) in seen:
            name = text.partition("=")[0]
            raise UsageError(f"--set {name} is given twice; a run takes one value of a setting")
        seen.add((setting.model, setting.key))
    return settings


def _setting(text: str) -> Setting:
    from chmr_bench.settings import parse_value
    from chmr_bench.sweep import Setting

    left, equals, value = text.partition("=")
    if not equals or not left:
        raise UsageError(f"--set {text!r}: expected key=value or model:key=value")
    model, colon, key = left.rpartition(":")
    return Setting(key if colon else left, parse_value(value), model)


def with_choices(
    request: Request, split: SplitGroup, work: WorkGroup, keep_failed: bool = False
) -> Request:
    """Return the request with what holds for all its jobs."""
    import dataclasses

    for name in request.models:
        check_precision(name, work.precision)
    return dataclasses.replace(
        request,
        split=split.split,
        split_seeds=chosen_seeds(split.split_seeds, split.split_seed, "--split-seed"),
        device=choice("--device", work.device, DEVICES),
        precision=choice("--precision", work.precision, PRECISIONS),
        keep_failed=keep_failed,
    )


def check_precision(model: str, precision: str) -> None:
    """Raise UsageError where the model cannot work in that precision: a record must not say so."""
    from chmr_bench.plugins import registry

    offered = registry().model(model).spec.precisions
    if precision not in offered:
        raise UsageError(
            f"--precision {precision}: model {model!r} works in {' or '.join(offered)} only"
        )


def public_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the command line for the record: of an absolute path only the last component."""
    return [_public(a) for a in arguments]


def _public(argument: str) -> str:
    option, equals, value = argument.partition("=")  # --out=/a/b, or weights=/a/b of --set
    if equals and Path(value).is_absolute():
        return f"{option}={Path(value).name}"
    argument = FOLDER_OF_ATLAS.sub("", argument)
    return Path(argument).name if Path(argument).is_absolute() else argument


def chosen_seeds(
    n: int | None, listed: list[int] | None, option: str = "--seed"
) -> tuple[int, ...]:
    """Return seeds 0 to n - 1, or those listed with `option`."""
    if n is not None and listed:
        raise UsageError(f"{option}s N means seeds 0 to N-1; give either {option}s or {option}")
    if listed:
        return tuple(valid_seed(option, seed) for seed in listed)
    if n is not None and n < 1:
        raise UsageError(f"{option}s {n}: expected at least 1")
    return tuple(range(n or 1))


def valid_seed(option: str, seed: int) -> int:
    """Return the seed if every generator takes it."""
    if not 0 <= seed < 2**32:
        raise UsageError(f"{option} {seed}: seeds go from 0 to {2**32 - 1}")
    return seed


def choice(option: str, value: str, choices: tuple[str, ...]) -> Any:
    """Return the value if it is among the choices; UnknownNameError offers the nearest."""
    from chmr_bench.errors import UnknownNameError

    if value not in choices:
        raise UnknownNameError(f"value of {option}", value, [c for c in choices if c])
    return value


def cores(jobs: int) -> int:
    """Return the number of cores that ``--jobs`` asks for."""
    if jobs < 0:
        raise UsageError(f"--jobs {jobs}: expected the number of cores, or 0 for all")
    if jobs:
        return jobs
    import joblib

    return int(joblib.cpu_count())

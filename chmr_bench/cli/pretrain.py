"""``chmr-bench pretrain``: make the weights that a model starts from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.cli.group import stopping
from chmr_bench.contracts import PendingWeights, Weights
from chmr_bench.display.console import print_lines, print_note
from chmr_bench.errors import PluginError, RemoteError, UsageError
from chmr_bench.plugins import registry

if TYPE_CHECKING:
    from chmr_bench.runner import RunOptions, WeightsCache, WeightsKey


@options.takes(options.FetchGroup, options.WorkGroup)
def pretrain(
    given: dict[str, Any],
    model: Annotated[str, typer.Argument(help="Model; 'chmr-bench list models' shows them.")],
    atlas: Annotated[
        list[str] | None,
        typer.Option(
            help="Atlas to learn from, or folder:PATH; repeatable, then merged. Sets 'atlas'."
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option("--dataset", "-d", help="Take the settings the model has for this dataset."),
    ] = "",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the atlas. Sets 'epochs'.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Molecules a step. Sets 'batch_size'.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of pretraining. Sets 'pretrain_seed'.")
    ] = None,
    transductive: Annotated[
        bool,
        typer.Option(
            "--transductive", help="Keep the benchmarks' test molecules. Sets 'transductive'."
        ),
    ] = False,
    setting: options.Setting = None,
    quiet: options.Quiet = False,
) -> None:
    """Make the weights a model starts from, or say where they are.

    'chmr-bench run' does so by itself where they are not there and did not come with the model;
    'pretrain' makes those that came with it again. After a kill, or Ctrl-C, the same command goes
    on from the last checkpoint.
    """
    from chmr_bench.api.options import run_options

    named = {
        "atlas": tuple(atlas) if atlas else None,
        "epochs": epochs,
        "batch_size": batch_size,
        "pretrain_seed": seed,
        "transductive": True if transductive else None,
    }
    settings = _settings(model, named, setting or [])
    key = _key(model, dataset, settings, given)
    _pretrain(key, _run_command(key, dataset, settings), run_options(given), quiet)


OPTIONS = {
    "atlas": "--atlas",
    "epochs": "--epochs",
    "batch_size": "--batch-size",
    "pretrain_seed": "--seed",
    "transductive": "--transductive",
}
"""Setting -> the option that sets it."""


def _settings(model: str, named: Mapping[str, Any], texts: list[str]) -> dict[str, Any]:
    """Return setting -> value; the options are settings by another name."""
    from chmr_bench.api.requests import parse_settings
    from chmr_bench.sweep.model_settings import check_settings, overrides_for

    settings = parse_settings(texts)
    check_settings(settings, [model])
    given = {key: value for key, value in named.items() if value is not None}
    for key, value in overrides_for(settings, model).items():
        if key in given:
            raise UsageError(f"{key} is given twice: by --set, and by {OPTIONS[key]}")
        given[key] = value
    return given


def _key(
    model: str, dataset: str, settings: Mapping[str, Any], work: Mapping[str, Any]
) -> WeightsKey:
    """Return what the weights depend on; SettingError, UnknownNameError where one does not fit."""
    from chmr_bench.api import requests
    from chmr_bench.runner import WeightsKey
    from chmr_bench.settings import build_config
    from chmr_bench.sweep.devices import device_for

    registered = registry().model(model)
    spec = registered.spec
    if not spec.weights:
        raise UsageError(f"model {model!r} starts from no weights: there is nothing to pretrain")
    requests.check_precision(model, work["precision"])
    return WeightsKey(
        registered,
        build_config(spec, settings, registry().dataset(dataset).spec.name if dataset else ""),
        device=device_for(requests.choice("--device", work["device"], requests.DEVICES), spec),
        precision=requests.choice("--precision", work["precision"], requests.PRECISIONS),
        anew=True,
    )


def _pretrain(key: WeightsKey, run_command: str, run_options: RunOptions, quiet: bool) -> None:
    from chmr_bench.display.remarks import announcement
    from chmr_bench.runner import WeightsCache

    cache = WeightsCache(run_options)
    weights, source = cache.look_up(key), "already there"
    if isinstance(weights, PendingWeights):
        print_note(announcement(weights, run_options.n_jobs))
        weights, source = _made(key, cache, quiet), "pretrained"
    if weights is None:
        print_note(f"{key.model.spec.name} starts from no weights with these settings")
        return
    beside = sorted(p for p in weights.path.parent.iterdir() if p.is_file() and p != weights.path)
    lines = [f"{source}: {weights.path}", f"sha256: {weights.sha256}", *(f"  {p}" for p in beside)]
    print_lines(*lines, f"to run it: {run_command}")


def _made(key: WeightsKey, cache: WeightsCache, quiet: bool) -> Weights | None:
    """Return the weights, made now; PluginError where the model's own code failed."""
    from chmr_bench.display.progress import display
    from chmr_bench.runner.clock import Clock

    name = key.model.spec.name
    interrupted = "interrupted; the same command goes on from where the model last saved its work"
    with stopping(interrupted), display(1, quiet=quiet) as shown:
        shown.begun(name)
        try:
            clock = Clock(shown)
            clock.stage("weights")
            return cache.make(key, clock)
        except RemoteError as error:
            raise PluginError(
                f"pretraining {name} failed: {error.kind}: {error}\n{error.trace}"
            ) from error


def _run_command(key: WeightsKey, dataset: str, given: Mapping[str, Any]) -> str:
    """Return the command that starts from these weights: its settings are theirs."""
    settings = (f"{key}={json.dumps(value)}" for key, value in given.items())
    words = ["chmr-bench", "run", "--model", key.model.spec.name]
    words += ["--dataset", dataset] if dataset else ["--suite", "all"]
    words += [word for setting in settings for word in ("--set", setting)]
    if key.precision != "float32":
        words += ["--precision", key.precision]
    return shlex.join(words)

"""``chmr-bench pretrain``: make the weights that a model starts from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.cli import requests
from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.contracts import Weights
    from chmr_bench.plugins import Registered
    from chmr_bench.runner import Workspace
    from chmr_bench.runner.weights import Asked

INTERRUPTED = 130

SettingOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the model; repeatable."),
]


def pretrain(
    model: Annotated[str, typer.Argument(help="Model; 'chmr-bench list models' shows them.")],
    atlas: Annotated[
        list[str] | None,
        typer.Option(help="Atlas to learn from, or folder:PATH; repeatable, then merged."),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option("--dataset", "-d", help="Take the settings the model has for this dataset."),
    ] = "",
    epochs: Annotated[int | None, typer.Option(help="Passes over the atlas.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Molecules a step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of pretraining.")] = None,
    transductive: Annotated[
        bool, typer.Option("--transductive", help="Keep the benchmarks' test molecules.")
    ] = False,
    setting: SettingOption = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Cores; 0 = all.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    mirror: Annotated[
        str | None,
        typer.Option(envvar="CHMR_BENCH_MIRROR", help="Folder or URL to take the data from."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> int:
    """Make the weights a model starts from, or say where they are.

    'chmr-bench run' does so by itself where they are not there; after a kill, or Ctrl-C, the same
    command goes on from the last checkpoint.
    """
    from chmr_bench.data.fetch import options_from_env
    from chmr_bench.runner import Workspace

    named = {
        "atlas": tuple(atlas) if atlas else None,
        "epochs": epochs,
        "batch_size": batch_size,
        "pretrain_seed": seed,
        "transductive": True if transductive else None,
    }
    given = _given(named, setting or [])
    asked = _asked(model, dataset, given, device, precision)
    workspace = Workspace(options_from_env(mirror, offline), requests.cores(jobs))
    return _pretrain(asked, _run_command(asked, dataset, given), workspace, quiet)


def _given(named: Mapping[str, Any], settings: list[str]) -> dict[str, Any]:
    """Return setting -> value; the options are settings by another name."""
    given = {key: value for key, value in named.items() if value is not None}
    for setting in requests.parse_settings(settings):
        if setting.key in given:
            raise UsageError(f"{setting.key} is given twice: by --set, and by its own option")
        given[setting.key] = setting.value
    return given


def _asked(
    model: str, dataset: str, given: Mapping[str, Any], device: str, precision: str
) -> Asked:
    """Return what is asked for; SettingError or UnknownNameError where a setting does not fit."""
    from chmr_bench.plugins import registry
    from chmr_bench.runner.weights import Asked
    from chmr_bench.settings import build_config
    from chmr_bench.sweep.planning import device_for

    registered: Registered[Any] = registry().model(model)
    if not registered.spec.weights:
        raise UsageError(f"model {model!r} starts from no weights: there is nothing to pretrain")
    requests.check_precision(model, precision)
    return Asked(
        registered,
        build_config(
            registered.spec, given, registry().dataset(dataset).spec.name if dataset else ""
        ),
        device=device_for(requests.choice("--device", device, requests.DEVICES), registered.spec),
        precision=requests.choice("--precision", precision, requests.PRECISIONS),
    )


def _pretrain(asked: Asked, run_command: str, workspace: Workspace, quiet: bool) -> int:
    from chmr_bench.cli.console import console, print_note
    from chmr_bench.contracts import PendingWeights
    from chmr_bench.runner.weights import look_up

    weights = look_up(asked, workspace)
    if weights is None:
        print_note(f"{asked.model.spec.name} starts from no weights with these settings")
        return 0
    told = "already there"
    if isinstance(weights, PendingWeights):
        print_note(weights.title)
        weights, told = made(asked, workspace, quiet), "pretrained"
    if weights is None:
        print_note("interrupted; the same command goes on from where the model last saved its work")
        return INTERRUPTED
    beside = sorted(p for p in weights.path.parent.iterdir() if p.is_file() and p != weights.path)
    lines = [f"{told}: {weights.path}", f"sha256: {weights.sha256}", *(f"  {p}" for p in beside)]
    for line in [*lines, f"to run it: {run_command}"]:
        console.print(line, markup=False, soft_wrap=True)
    return 0


def made(asked: Asked, workspace: Workspace, quiet: bool) -> Weights | None:
    """Return the weights, made where they are not there; None where the user interrupted.

    Raises
    ------
    PluginError : the model's own code failed. ChmrBenchError : as it raised it.
    """
    from chmr_bench.cli.progress import display
    from chmr_bench.errors import ChmrBenchError, PluginError
    from chmr_bench.runner.logs import short_traceback
    from chmr_bench.runner.weights import make
    from chmr_bench.sweep.interrupt import stoppable

    name = asked.model.spec.name
    with stoppable() as interrupt, display(1, quiet=quiet) as shown:
        shown.begun(name)
        shown.stage("weights")
        try:
            weights = make(asked, workspace, shown.progress, shown.step)
            return None if interrupt.asked else weights
        except KeyboardInterrupt:
            return None
        except ChmrBenchError:
            raise
        except Exception as error:
            raise PluginError(
                f"pretraining {name} failed: {type(error).__name__}: {error}\n"
                f"{short_traceback(error)}"
            ) from error


def _run_command(asked: Asked, dataset: str, given: Mapping[str, Any]) -> str:
    """Return the command that starts from these weights: its settings are theirs."""
    settings = (f"{key}={json.dumps(value)}" for key, value in given.items())
    words = ["chmr-bench", "run", "--model", asked.model.spec.name]
    words += ["--dataset", dataset] if dataset else ["--suite", "all"]
    words += [word for setting in settings for word in ("--set", setting)]
    if asked.precision != "float32":
        words += ["--precision", asked.precision]
    return shlex.join(words)

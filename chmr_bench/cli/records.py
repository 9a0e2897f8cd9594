"""``records``: what is stored, and where."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.cli.group import Group
from chmr_bench.display.console import plural, print_json, print_lines, print_note, print_table
from chmr_bench.errors import UsageError, nearest
from chmr_bench.report.words import split_words, task_words

if TYPE_CHECKING:
    from chmr_bench.records import RecordStore, Stored
    from chmr_bench.records.packing import Packing

OUT = options.OUT_FOLDER
SHORTEST = 6
"""Characters of an identity that `rm` takes for one."""

OfflineOption = Annotated[bool, typer.Option("--offline", help="Use no network.")]
MirrorOption = Annotated[
    str | None,
    typer.Option(
        "--mirror", envvar="CHMR_BENCH_MIRROR", help="Folder or URL to take the data from."
    ),
]
ModelOption = Annotated[
    list[str] | None, typer.Option("--model", "-m", help="Runs of this model; repeatable.")
]
DatasetOption = Annotated[
    list[str] | None, typer.Option("--dataset", "-d", help="Runs on this dataset; repeatable.")
]


app = typer.Typer(
    cls=Group, no_args_is_help=True, help="List, pack, unpack, merge and remove the stored runs."
)
TestOnlyOption = Annotated[
    bool,
    typer.Option(
        "--test-only",
        help="Leave out predictions of validation rows, up to half of the bytes; an ensemble "
        "cannot weigh such runs.",
    ),
]


class RunsGroup:
    """Which of the stored runs."""

    identity: Annotated[
        list[str] | None, typer.Argument(metavar="IDENTITY", help="First characters of runs.")
    ] = None
    out: options.OutFolder = OUT
    model: ModelOption = None
    dataset: DatasetOption = None
    status: Annotated[str | None, typer.Option("--status", help="ok or failed.")] = None


class ListGroup(RunsGroup):
    """How they are listed."""

    as_json: options.Json = False


class RemoveGroup(RunsGroup):
    """What else is said of those that are removed."""

    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are listed.")] = (
        False
    )
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Remove lines of packed files that hold no run.")
    ] = False


@app.command("list")
@options.takes(ListGroup)
def list_runs(given: dict[str, Any]) -> None:
    """List the stored runs: what, where it lies, and its score."""
    from chmr_bench.api.options import store_of
    from chmr_bench.display.damage import show_damage

    store = store_of(given["out"])
    rows = _rows(selected(store, given), store)
    if given["as_json"]:
        print_json(rows)
    else:
        columns = ["identity", "dataset", "row", "split", "seed", "status", "metric", "score"]
        shown = [[_cell(row, name) for name in (*columns, "stored")] for row in rows]
        print_table("", [*columns, "stored"], shown, right=["seed", "score"])
        print_note(plural(len(rows), "run"))
    show_damage(store)


@app.command()
def pack(
    out: options.OutFolder = OUT,
    mirror: MirrorOption = None,
    offline: OfflineOption = False,
    best: Annotated[
        bool, typer.Option("--best", help="Write every pack as small as can be: slow, 6 % less.")
    ] = False,
    test_only: TestOnlyOption = False,
) -> int:
    """Move runs from folders of their own into two files a model; 'run' does so at its end.

    Folders of version 1 (records/) are read, checked against their hashes, and packed too:
    predictions without a label are left out, where the data are at hand to tell. Files of audits
    are put together. Safe to kill, and to run twice at once.
    """
    from chmr_bench.api.options import store_of
    from chmr_bench.records import audited

    store = store_of(out)
    _open_for_change(store)
    done = _packed(store, mirror, offline=offline, best=best, test_only=test_only)
    if audited.paths(out):
        audited.write_all(out, ())
    print_note(f"{done.moved} packed")
    return _show_problems(done, store)


def _open_for_change(store: RecordStore) -> None:
    """Raise UsageError where the folder cannot be written; else make it ready."""
    store.check_writable()
    store.prepare()


def _build_command(out: Path) -> str:
    """Return the command that brings the tables up to date."""
    return f"chmr-bench leaderboard build --out {shlex.quote(str(out))}"


def _packed(
    store: RecordStore, mirror: str | None, *, offline: bool, best: bool, test_only: bool
) -> Packing:
    from chmr_bench.api.options import datasets_of
    from chmr_bench.runner.recorded import LabelledCells

    labels = LabelledCells(datasets_of({"mirror": mirror, "offline": offline, "jobs": 1}))
    done = store.pack(labels, best=best, test_only=test_only)
    if labels.missing:
        print_note(
            "the data are not at hand, so predictions without a label were kept of "
            f"{', '.join(sorted(labels.missing))}; 'records pack --best' leaves them out later"
        )
    return done


@app.command()
def merge(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER", help="Output folders of other runs or machines."),
    ],
    out: options.OutFolder = OUT,
    mirror: MirrorOption = None,
    offline: OfflineOption = False,
    test_only: TestOnlyOption = False,
) -> int:
    """Copy the runs of other output folders into OUT, and pack them. The others stay as they are.

    A run that both have is kept once; where two of one identity differ, the one in OUT stands and
    the other is named. For runs of others see 'verify --all' first.
    """
    from chmr_bench.records import RecordStore, packing

    store, others = RecordStore(out), [RecordStore(folder) for folder in folders]
    for other in others:
        if not other.exists():
            raise UsageError(f"{other.root} holds no runs; expected an output folder of 'run'")
        if other.root.resolve() == store.root.resolve():
            raise UsageError(f"{other.root} cannot be merged into itself; expected another folder")
    _open_for_change(store)
    before = {run.identity for run in store.stored()}
    code = 0
    for other in others:
        code |= _show_problems(packing.copy(store, other), other)
        done = _packed(store, mirror, offline=offline, best=False, test_only=test_only)
        code |= _show_problems(done, store)
    n_new = sum(run.identity not in before for run in store.stored())
    print_note(f"{plural(n_new, 'run')} added; now: {_build_command(out)}")
    return code


@app.command()
@options.takes(RunsGroup)
def unpack(given: dict[str, Any]) -> int:
    """Move packed runs into folders of their own, to look at them; 'pack' moves them back."""
    from chmr_bench.api.options import store_of
    from chmr_bench.records import packing

    store = store_of(given["out"])
    _open_for_change(store)
    done = packing.unpack(store, selected(store, given))
    print_note(f"{done.moved} unpacked below {store.folder / 'loose'}")
    return _show_problems(done, store)


@app.command()
@options.takes(RemoveGroup)
def rm(given: dict[str, Any]) -> None:
    """Remove stored runs: those named by identity, or all of a model, dataset or status."""
    from chmr_bench.api.options import store_of
    from chmr_bench.records import packing

    named = any(given[what] for what in ("identity", "model", "dataset", "status"))
    if named == given["damaged"]:
        raise UsageError(
            "say which runs to remove: their identities ('chmr-bench records list' shows them), "
            "--model, --dataset or --status; or --damaged alone"
        )
    store = store_of(given["out"])
    if given["damaged"]:
        _remove_bad_lines(store, yes=given["yes"])
        return
    runs = selected(store, given)
    for row in _rows(runs, store):
        words = [str(row[name]) for name in ("identity", "dataset", "row", "split", "status")]
        words += [] if row["seed"] is None else [f"seed {row['seed']}"]
        print_lines("  ".join(words))
    if not given["yes"]:
        raise UsageError(f"{plural(len(runs), 'run')} would be removed; say --yes to remove them")
    _open_for_change(store)
    packing.remove(store, runs)
    print_note(f"{plural(len(runs), 'run')} removed; now: {_build_command(given['out'])}")


def _remove_bad_lines(store: RecordStore, *, yes: bool) -> None:
    from chmr_bench.records import packing

    bad = packing.bad_lines(store)
    if not bad:
        print_note("no damaged lines")
        return
    for problem in bad:
        print_lines(f"{problem.path.relative_to(store.root)}: {problem.reason}")
    number = plural(len(bad), "damaged place")
    if not yes:
        raise UsageError(f"{number} would be removed; say --yes to remove them")
    _open_for_change(store)
    packing.remove_bad_lines(store)
    print_note(f"{number} removed; 'run' computes again what is missing")


def selected(store: RecordStore, given: Mapping[str, Any]) -> list[Stored]:
    """Return the runs that fit all that is given; UsageError where a given name fits none."""
    status = given.get("status")
    if status not in (None, "ok", "failed"):
        raise UsageError(f"--status {status}: expected ok or failed")
    runs = store.stored()
    for name in given.get("identity") or ():
        if len(name) < SHORTEST:
            raise UsageError(f"{name!r}: give at least {SHORTEST} characters of an identity")
    for what in ("identity", "model", "dataset"):
        wanted = given.get(what) or ()
        for name in wanted:
            if not any(_fits(run, what, name) for run in runs):
                raise UsageError(_unknown(runs, what, name))
        if wanted:
            runs = [run for run in runs if any(_fits(run, what, name) for name in wanted)]
    return [run for run in runs if status in (None, run.content["status"])]


def _unknown(runs: list[Stored], what: str, name: str) -> str:
    """Return what is said where no stored run has that name: the nearest ones, or all."""
    message = f"no stored run is of {what} {name!r}"
    if what != "identity" and runs:
        known = {_name(run, what) for run in runs}
        close = nearest(name, known)
        if close:
            return f"{message}; did you mean {' or '.join(map(repr, close))}?"
    return f"{message}; see chmr-bench records list"


def _fits(run: Stored, what: str, name: str) -> bool:
    from chmr_bench.data.requests import settled_name

    if what == "identity":
        return run.identity.startswith(name)
    names = (name, settled_name(name)) if what == "dataset" else (name,)
    return _name(run, what) in names


def _name(run: Stored, what: str) -> str:
    return str(run.content[what]["id" if what == "model" else "name"])


def _rows(runs: list[Stored], store: RecordStore) -> list[dict[str, object]]:
    """Return what is shown of runs; `row` is what each is called in tables, beside all others."""
    from chmr_bench.report.runs import frame_of

    everything = store.stored()
    labels = frame_of(run.content for run in everything)["row"] if runs else ()
    label_of = dict(zip((run.identity for run in everything), labels, strict=False))
    return [_row(run, store, label_of[run.identity]) for run in runs]


def _cell(row: Mapping[str, Any], name: str) -> str:
    """Return what stands in a table: what is masked in words, where JSON has every setting."""
    from chmr_bench.ablation.missing import Missing

    value = row[name]
    if value is None:
        return ""
    if name == "dataset" and row["tasks"]:
        return f"{value}: {task_words(json.dumps(row['tasks']))}"
    if name == "row" and row["missing"]:
        return f"{value.partition(' {')[0]}, {Missing.from_dict(row['missing'])}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _row(run: Stored, store: RecordStore, label: str) -> dict[str, object]:
    content = run.content
    split, metrics = content["split"], content["metrics"] or {}
    return {
        "identity": run.identity[:12],
        "dataset": content["dataset"]["name"],
        "tasks": content["dataset"]["origin"].get("tasks", []),
        "model": content["model"]["id"],
        "row": label,
        "split": split_words(split["name"], split["seed"]),
        "seed": content["seed"],
        "masked": content.get("missing") is not None,
        "missing": content.get("missing"),
        "status": content["status"],
        "metric": content["dataset"]["metric"],
        "score": metrics.get("macro"),
        "created": content["created"],
        "stored": run.kind,
        "path": run.path.relative_to(store.root).as_posix(),
    }


def _show_problems(done: Packing, store: RecordStore) -> int:
    for problem in done.problems:
        print_note(f"{problem.path.relative_to(store.root)}: {problem.reason}")
    return 1 if done.problems else 0

"""``score`` and ``verify``: whether what is stored is still true."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.cli.records import (
    OUT,
    DatasetOption,
    MirrorOption,
    ModelOption,
    OfflineOption,
    selected,
)
from chmr_bench.display.console import notes, print_json, print_lines, print_note
from chmr_bench.errors import DataError, UsageError

if TYPE_CHECKING:
    from chmr_bench.records import RecordStore, Stored
    from chmr_bench.runner.opening import Datasets
    from chmr_bench.verify.known import Verified
    from chmr_bench.verify.runs import Check, Depth

WriteOption = Annotated[
    bool, typer.Option("--write", help="Write scores and intervals that differ into the records.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Also what was verified before and is the same since.")
]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep",
        help="Do all of it and, if all is well, write verified.json beside the records: others "
        "then need not make splits and intervals again.",
    ),
]


class CheckGroup:
    """Which records are checked, with which data."""

    out: options.OutFolder = OUT
    mirror: MirrorOption = None
    offline: OfflineOption = False
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Cores; 0 = all.")] = 0
    as_json: options.Json = False
    model: ModelOption = None
    dataset: DatasetOption = None


@options.takes(CheckGroup)
def score(given: dict[str, Any], write: WriteOption = False) -> int:
    """Compute the scores again from the stored predictions; exit code 1 where one differs.

    With --write, records that differ in scores or intervals alone get those that their predictions
    give; models are not run again. Build the tables anew after it. With --model or --dataset only
    records of these are scored.
    """
    return _check("write" if write else "score", given)


@options.takes(CheckGroup)
def verify(given: dict[str, Any], check_all: AllOption = False, keep: KeepOption = False) -> int:
    """Hash data, splits and predictions again; compute scores and intervals again.

    Clean scores that 'audit --records' left are computed again too. Of what was verified before,
    here or as verified.json beside the records says, and is the same since in every byte, data and
    predictions are hashed and scores computed; of runs on molecules that an atlas measured the
    predictions alone are hashed, for no atlas is opened. --all does the rest again. With --model or
    --dataset only records of these are checked, and the clean scores that theirs are among.

    Exit code 1 where anything differs or cannot be read, 3 where registered data cannot be had or
    nothing at all could be checked; of a failed run its record is.
    """
    return _check("verify", given, check_all=check_all, keep=keep)


def _check(
    depth: Depth, given: dict[str, Any], *, check_all: bool = False, keep: bool = False
) -> int:
    from chmr_bench.api.options import datasets_of, store_of
    from chmr_bench.verify.known import Verified

    store = store_of(given["out"])
    if depth == "write":
        store.prepare()
    chosen = selected(store, given) if given["model"] or given["dataset"] else None
    datasets = datasets_of(given)
    if keep and chosen is not None:
        raise UsageError("--keep is of all records: leave out --model and --dataset")
    known = Verified(store.root, afresh=check_all or keep) if depth == "verify" else None
    checks: list[Check] = []
    with notes.status("checking") as status:
        for check in _checks(store, datasets, depth, known, chosen):
            checks.append(check)
            status.update(f"checking {check.path}")
            if not given["as_json"]:
                _show(check)
    if known is not None:
        known.save()
    if depth == "write" and store.folder.is_dir():
        store.pack()
    counts: Counter[str] = Counter(c.state for c in checks)
    if given["as_json"]:
        print_json({"counts": counts, "records": [dataclasses.asdict(c) for c in checks]})
    else:
        _show_counts(counts)
    _show_hints(checks, store, given["out"])
    code = _exit_code(checks)
    if keep and known is not None and code == 0:
        print_note(f"kept in {known.keep(store.root)}")
    return code


def _checks(
    store: RecordStore,
    datasets: Datasets,
    depth: Depth,
    known: Verified | None,
    chosen: list[Stored] | None,
) -> Iterator[Check]:
    """Yield what is found of every run, and with ``verify`` of the clean scores on record."""
    from chmr_bench.verify import runs
    from chmr_bench.verify.audits import check_audits

    yield from runs.check_all(store, datasets, depth, known, chosen)
    if depth == "verify":
        identities = None if chosen is None else {run.identity for run in chosen}
        yield from check_audits(store, datasets, known, identities)


def _show(check: Check) -> None:
    print_lines(f"{check.state:<11} {check.path}")
    for detail in check.details:
        shown = detail.encode("utf-8", "backslashreplace").decode()  # half a character of JSON
        print_lines(f"{'':<11} {shown}")


def _show_counts(counts: Counter[str]) -> None:
    words = {
        "ok": "ok",
        "written": "written",
        "different": "different",
        "unreadable": "unreadable",
        "failed run": f"failed run{'s' * (counts['failed run'] != 1)} (no score to check)",
        "not at hand": "cannot check: data not at hand",
    }
    parts = [f"{counts[state]} {text}" for state, text in words.items() if counts[state]]
    print_lines("; ".join(parts) or "no records")


def _show_hints(checks: list[Check], store: RecordStore, out: Path) -> None:
    """Say what helps where something could not be read, or nothing checked."""
    from chmr_bench.records import packing

    if any(c.state == "unreadable" for c in checks) and packing.bad_lines(store):
        where = "" if out == OUT else f" --out {shlex.quote(str(out))}"
        print_note(
            "lines of packed files that cannot be read are removed by: "
            f"chmr-bench records rm --damaged --yes{where}"
        )
    if _nothing_checked(checks):
        print_note(
            "nothing was checked: no data at hand. A user's table is looked for where the record "
            "says, from the folder this command runs in; run it where the table lies."
        )


def _exit_code(checks: list[Check]) -> int:
    wrong = [c for c in checks if c.state in ("different", "unreadable")]
    wrong += [c for c in checks if c.state == "failed run" and c.details]
    if wrong:
        return 1
    blocked = any(c.blocking for c in checks) or _nothing_checked(checks)
    return DataError.exit_code if blocked else 0


def _nothing_checked(checks: list[Check]) -> bool:
    """Return whether there were records to check and the data of none."""
    states = {c.state for c in checks}
    return "not at hand" in states and states <= {"not at hand", "failed run"}

"""``chmr-bench score`` and ``chmr-bench verify``: are the stored results still true?"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chmr_bench.errors import DataError, UsageError

if TYPE_CHECKING:
    from chmr_bench.verify.runs import Check, Depth

OutOption = Annotated[Path, typer.Option("--out", help="Folder of records and tables.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use no network.")]
MirrorOption = Annotated[
    str | None,
    typer.Option(
        "--mirror", envvar="CHMR_BENCH_MIRROR", help="Folder or URL to take the data from."
    ),
]
WriteOption = Annotated[
    bool, typer.Option("--write", help="Write scores and intervals that differ into the records.")
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", help="Cores; 0 = all.")]


def score(
    out: OutOption = Path("leaderboards"),
    mirror: MirrorOption = None,
    offline: OfflineOption = False,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
    write: WriteOption = False,
) -> int:
    """Compute the scores again from the stored predictions; exit code 1 where one differs.

    With --write, records that differ in scores or intervals alone get those that their predictions
    give; models are not run again. Build the tables anew after it.
    """
    return _check("write" if write else "score", out, mirror, offline, jobs, as_json)


def verify(
    out: OutOption = Path("leaderboards"),
    mirror: MirrorOption = None,
    offline: OfflineOption = False,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> int:
    """Hash data, splits and predictions again; compute scores and intervals again.

    Clean scores that 'audit --records' left are computed again too.

    Exit code 1 where anything differs or cannot be read, 3 where registered data cannot be had or
    nothing at all could be checked.
    """
    return _check("verify", out, mirror, offline, jobs, as_json)


def _check(
    depth: Depth, out: Path, mirror: str | None, offline: bool, jobs: int, as_json: bool
) -> int:
    from chmr_bench.cli.console import notes, print_json, print_note
    from chmr_bench.cli.requests import cores
    from chmr_bench.data.fetch import options_from_env
    from chmr_bench.records import RecordStore
    from chmr_bench.runner.loading import Datasets
    from chmr_bench.verify.audits import check_audits
    from chmr_bench.verify.runs import check_all

    store = RecordStore(out)
    if not store.folder.is_dir():
        raise UsageError(f"{store.folder}: no such folder; name the output folder with --out DIR")
    if depth == "write":
        store.prepare()
    datasets = Datasets(options_from_env(mirror, offline), cores(jobs))
    checks: list[Check] = []
    with notes.status("checking") as status:
        audits = check_audits(store, datasets) if depth == "verify" else ()
        for check in itertools.chain(check_all(store, datasets, depth), audits):
            checks.append(check)
            status.update(f"checking {check.path}")
            if not as_json:
                _show(check)
    counts: Counter[str] = Counter(c.state for c in checks)
    if as_json:
        entries = [dataclasses.asdict(c) for c in checks]
        print_json({"counts": dict(counts), "records": entries})
    else:
        _show_counts(counts)
    if _nothing_checked(checks):
        print_note(
            "nothing was checked: no data at hand. A user's table is looked for where the record "
            "says, from the folder this command runs in; run it where the table lies."
        )
    return _exit_code(checks)


def _show(check: Check) -> None:
    from chmr_bench.cli.console import console

    console.print(f"{check.state:<11} {check.path}", markup=False, soft_wrap=True)
    for detail in check.details:
        shown = detail.encode("utf-8", "backslashreplace").decode()  # half a character of JSON
        console.print(f"{'':<11} {shown}", markup=False, soft_wrap=True)


def _show_counts(counts: Counter[str]) -> None:
    from chmr_bench.cli.console import console

    words = {
        "ok": "ok",
        "written": "written",
        "different": "different",
        "unreadable": "unreadable",
        "failed run": "failed runs (no score to check)",
        "not at hand": "cannot check: data not at hand",
    }
    told = [f"{counts[state]} {text}" for state, text in words.items() if counts[state]]
    console.print("; ".join(told) or "no records", markup=False, soft_wrap=True)


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

"""What of an output folder cannot be read or is damaged, with the way out of it."""

from __future__ import annotations

import shlex
from collections import defaultdict
from pathlib import Path

from chmr_bench.display.console import plural, print_note
from chmr_bench.records import RecordStore, Stored, packing
from chmr_bench.records.remedy import remedy

SHOWN = 5


def damage_notes(store: RecordStore) -> list[str]:
    """Return a line a place that holds no run, and a line a file whose runs are damaged.

    Of many only the first are named; the last line says what names all.
    """
    out = shlex.quote(str(store.root))
    bad = {problem.path for problem in packing.bad_lines(store)}
    lines = []
    for problem in store.problems():
        way = f"; removed by: chmr-bench records rm --damaged --yes --out {out}"
        line = f"{problem.path.relative_to(store.root)}: {problem.reason}"
        lines.append(line + (way if problem.path in bad else ""))
    groups: dict[tuple[Path, str], list[Stored]] = defaultdict(list)
    for run in store.stored():
        if reason := run.damage():
            groups[run.path.relative_to(store.root), reason].append(run)
    for (path, reason), runs in groups.items():
        lines.append(
            f"{path}: {plural(len(runs), 'run')} damaged, and in no table: {reason}; "
            f"{remedy(runs[0].content, store.root)}"
        )
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"and {len(lines) - SHOWN} more; all: chmr-bench verify --out {out}"]
    return lines


def show_damage(store: RecordStore) -> None:
    """Print on stderr what cannot be read or is damaged; nothing where all is well."""
    for line in damage_notes(store):
        print_note(line)

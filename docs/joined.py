"""The section on joins: how many rows of the nine datasets each atlas has measured.

Usage: ``python docs/joined.py`` opens every atlas whose files are pinned, small ones first, and
keeps what ``chmr-bench list atlases --dataset`` would say in ``docs/joined.csv``; an atlas that
stands there is not opened again. The section is made from that file.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sections import markdown, rows_in

from chmr_bench.data.fetch import options_from_env
from chmr_bench.plugins import registry
from chmr_bench.runner import DatasetRequest, Datasets
from chmr_bench.runner.joins import joined, replicate_agreement

KEPT = Path(__file__).with_name("joined.csv")
DATASETS = tuple(registry().suite("all"))
COLUMNS = ("atlas", *DATASETS, "agreement")
ROWS = "rows"
"""Stands for an atlas in the line of what there is."""
WORDS = {"calls": "{:.0%} of calls equal", "numbers": "r {:.2f}"}
REPEATS = "repeats agree, median"
NOTE = (
    "Rows of a dataset whose molecule, in any form, has a profile in the atlas. Repeats: of each "
    "read-out with 20 or more molecules measured twice the share of equal calls, or Pearson's r; "
    "the median over these read-outs, whose number stands in brackets; of several blocks one each. "
    "'-': no read-out has so many. Bold: the atlas that has most. Of genes alone no row joins."
)


def section() -> str:
    """Return the table."""
    kept = read(KEPT)
    there = kept.pop(ROWS)
    most = {d: max(int(row[d]) for row in kept.values()) for d in DATASETS}
    rows = [
        (f"`{name}`", *(_cell(int(row[d]), most[d]) for d in DATASETS), row["agreement"] or "-")
        for name, row in kept.items()
    ]
    rows.append(("of", *(f"{int(there[d]):,}" for d in DATASETS), ""))
    return f"{markdown(('atlas', *DATASETS, REPEATS), rows, left=[REPEATS])}\n\n{NOTE}"


def _cell(rows: int, most: int) -> str:
    return f"**{rows:,}**" if rows and rows == most else f"{rows:,}"


def read(path: Path) -> dict[str, dict[str, str]]:
    """Return atlas -> its line; nothing where there is no file."""
    return {row["atlas"]: row for row in rows_in(path)}


def write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write one line an atlas."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def agreed(blocks: Iterable[Mapping[str, Any]]) -> str:
    """Return how well the repeats of each block agree."""
    return "; ".join(f"{WORDS[b['kind']].format(b['median'])} ({b['n_readouts']})" for b in blocks)


def main() -> int:
    """Open the atlases that are not there yet, and write after each."""
    options, registered = options_from_env(), [r.spec for r in registry().atlases.values()]
    names = [s.name for s in registered]
    cells = [s for s in registered if s.kind == "cells" and s.sources and not s.synthetic]
    loader = Datasets(options, n_jobs=2)
    data = {name: loader.load(DatasetRequest(name=name)) for name in DATASETS}
    kept: dict[str, Any] = dict(read(KEPT))
    kept[ROWS] = {"atlas": ROWS} | {name: len(one.dataset.smiles) for name, one in data.items()}
    for spec in sorted(cells, key=lambda one: one.n_molecules):
        if not spec.n_molecules or spec.name in kept:  # of genes alone no molecule joins
            continue
        rows = {name: joined(one, spec.name, options)["rows"] for name, one in data.items()}
        agreement = agreed(replicate_agreement(spec, options))
        kept[spec.name] = {"atlas": spec.name, **rows, "agreement": agreement}
        ordered = sorted(kept.values(), key=lambda one: [*names, ROWS].index(one["atlas"]))
        write(KEPT, ordered)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Test rows with a twin in training, at five levels: counted now, or kept beside the records."""

from __future__ import annotations

from collections.abc import Sequence

from chmr_bench.report.aggregate import Table
from chmr_bench.report.grids import NONE, Grid
from chmr_bench.report.words import grouped, notes

LEVEL_WORDS = {
    "smiles": "same SMILES",
    "parent": "same parent",
    "connectivity": "same connectivity",
    "molecule": "same molecule in any form",
    "scaffold": "same flat scaffold",
}


def percent(count: int, of: int) -> str:
    """Return ``39.2 % (643)``."""
    return f"{100 * count / of:.1f} % ({count:,})" if of else NONE


def audited_grid(tables: Sequence[Table]) -> Grid | None:
    """Return the shares of the audited splits, a line for all seeds of a drawn one; None without.

    The audits are those of ``chmr-bench audit --records``.
    """
    groups = grouped(
        ((table.name, table.audited.split), table)
        for table in tables
        if table.audited is not None and "smiles" in table.audited.levels
    )
    if not groups:
        return None
    rows = []
    for (name, split), drawn in groups.items():
        audits = [table.audited.levels for table in drawn if table.audited is not None]
        n_test = sum(one["smiles"].test_rows for one in audits)
        row = {"dataset": name, "split": split, "test rows": f"{n_test:,}"}
        row["split"] += f", {len(audits)} of them" if len(audits) > 1 else ""
        for level, words in LEVEL_WORDS.items():
            known = [one[level].leaked_rows for one in audits if level in one]
            row[words] = percent(sum(known), n_test) if len(known) == len(audits) else NONE
        rows.append(row)
    below = notes("levels", audited=True, ringless=(), synthetic=False)
    title = "Test rows with a twin in training"
    return Grid.of(title, rows, ("dataset", "split"), below)

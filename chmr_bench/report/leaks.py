"""Test rows with a twin in training, at four levels: counted now, or kept beside the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chmr_bench.records.audited import Leaked
from chmr_bench.report.aggregate import Table
from chmr_bench.report.grids import NONE, Grid
from chmr_bench.report.words import notes

LEVEL_WORDS = {
    "smiles": "same SMILES",
    "parent": "same parent",
    "connectivity": "same connectivity",
    "scaffold": "same flat scaffold",
}
COLUMNS = ("dataset", "split", "test rows", *LEVEL_WORDS.values())


def percent(count: int, of: int) -> str:
    """Return ``39.2 % (643)``."""
    return f"{100 * count / of:.1f} % ({count:,})" if of else NONE


def audited_grid(tables: Sequence[Table]) -> Grid | None:
    """Return the shares of the audited splits, a line for all seeds of a drawn one; None without.

    The audits are those of ``chmr-bench audit --records``.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Leaked]]] = {}
    for table in tables:
        if table.audited is not None and table.audited.levels.keys() >= LEVEL_WORDS.keys():
            key = (table.name, table.audited.split)
            groups.setdefault(key, []).append(table.audited.levels)
    if not groups:
        return None
    rows = []
    for (name, split), audits in groups.items():
        n_test = sum(one["smiles"].test_rows for one in audits)
        leaked = [sum(one[level].leaked_rows for one in audits) for level in LEVEL_WORDS]
        split += f", {len(audits)} of them" if len(audits) > 1 else ""
        rows.append((name, split, f"{n_test:,}", *(percent(count, n_test) for count in leaked)))
    below = notes("levels", audited=True, ringless=(), synthetic=False)
    title = "Test rows with a twin in training"
    return Grid(title, COLUMNS, tuple(rows), ("dataset", "split"), below)

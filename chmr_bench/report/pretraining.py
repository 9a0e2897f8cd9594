"""What the rows of a table were pretrained on, as notes below it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from chmr_bench.records.pretrained import n_test_seen, pretrained_on
from chmr_bench.report.rows import Row


def pretraining_notes(rows: Iterable[Row]) -> list[str]:
    """Return a line each pretraining that differs, with the rows that start from it."""
    labels: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for words in dict.fromkeys(pretrained_on(record) for record in row.records):
            if words and row.label not in labels[words]:
                labels[words].append(row.label)
    return [f"Pretrained on {words}: {', '.join(names)}." for words, names in labels.items()]


def seen_notes(rows: Iterable[Row]) -> list[str]:
    """Return one line on the test molecules of a table that weights learnt from, or none."""
    counts: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        seen = [n_test_seen(record) for record in row.good]
        known = [n for n in seen if n is not None]
        if known:
            counts[max(known)].append(row.label)
    if not counts:
        return []
    told = [f"{n} ({', '.join(names)})" for n, names in sorted(counts.items())]
    return [f"Test molecules that pretraining saw, without labels: {'; '.join(told)}."]


def seen_by_dataset(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return one line on the test molecules of drawn splits that weights learnt from, or none.

    Pretraining leaves out the reference test parts; those of other splits it may have met.
    """
    most: dict[str, dict[str, int]] = defaultdict(dict)
    for dataset, found in rows.items():
        for row in found:
            seen = [n for n in map(n_test_seen, row.good) if n]
            if seen:
                known = most[row.label].get(dataset, 0)
                most[row.label][dataset] = max(known, *seen)
    if not most:
        return []
    told = [
        f"{label} ({', '.join(f'{name} {n}' for name, n in counts.items())})"
        for label, counts in sorted(most.items())
    ]
    return [
        "Test molecules of these splits that pretraining saw, without labels, on the split where "
        f"it saw most (it leaves out those of the reference splits): {'; '.join(told)}."
    ]

"""Which records the tables are made from, and what the split of each is called.

A split's name is not in a run's identity: where two methods give the same rows, a run is stored
once, under the name it was first asked for by. So tables go by the digest of the rows.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from chmr_bench.plugins import registry
from chmr_bench.records import DatasetInfo, Problem, Record, RecordStore, SplitInfo
from chmr_bench.records.folder import damage
from chmr_bench.types import PARTS

REFERENCE = "reference"
"""What a dataset's own split is called."""
MEND = "run the same command again: it is computed anew"
"""What to do about a damaged record."""


def sound(store: RecordStore) -> tuple[list[Record], list[Problem]]:
    """Return the records that are whole, one an identity, and what is wrong with the others."""
    found: dict[str, Record] = {}
    problems = []
    entries = store.stored()
    order = {entry.record.identity: i for i, entry in reversed(list(enumerate(entries)))}
    for entry in sorted(entries, key=lambda e: e.record.status == "failed"):
        record, reason = entry.record, damage(entry)
        if reason:
            what = f"damaged, and so in no table: {reason}; {MEND}"
            problems.append(Problem(entry.path, what, record))
        elif record.identity in found:
            place = store.path_of(found[record.identity]).name
            problems.append(Problem(entry.path, f"the same run as {place}, which is in the tables"))
        else:
            found[record.identity] = record
    return sorted(found.values(), key=lambda r: order[r.identity]), problems


def splits_shown(
    records: Sequence[Record],
) -> dict[tuple[str, ...], tuple[SplitInfo, tuple[str, ...]]]:
    """Return data key -> the split under the name it is shown by, and all its names."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[data_key(record)].append(record)
    return {key: _split_shown(members) for key, members in groups.items()}


def _split_shown(members: Sequence[Record]) -> tuple[SplitInfo, tuple[str, ...]]:
    """Return one split of the records, which are of the same rows by whatever name.

    It is called ``reference`` where it is the pinned one or any record calls it so, else by the
    first of its names.
    """
    known = sorted((r.split for r in members), key=lambda s: (s.name, s.seed or 0))
    names = {split.name for split in known}
    first = next((s for s in known if s.name == REFERENCE), known[0])
    if first.name != REFERENCE and _is_pinned(members[0]):
        first = first.model_copy(update={"name": REFERENCE, "seed": None})
    return first, tuple(sorted(names | {first.name}))


def caveats(dataset: DatasetInfo) -> tuple[str, ...]:
    """Return what a reader of a dataset's scores must know, as it is registered in that version."""
    registered = registry().datasets.get(dataset.name)
    if registered is None or dataset.origin.kind != "registered":
        return ()
    spec = registered.spec
    return spec.notes if spec.version == dataset.version else ()


def _is_pinned(record: Record) -> bool:
    """Return whether a record's rows are those of the registered reference split."""
    registered = registry().datasets.get(record.dataset.name)
    if registered is None or record.dataset.origin.kind != "registered":
        return False
    pinned = registered.spec.split_digests
    made = hashlib.sha256("\n".join(pinned).encode()).hexdigest()
    return len(pinned) == len(PARTS) and made == record.split.digest


def data_key(record: Record) -> tuple[str, ...]:
    """Return what the records of one table share, the metric left out."""
    return (
        record.dataset.name,
        record.dataset.origin.kind,
        record.dataset.digest,
        record.split.digest,
    )

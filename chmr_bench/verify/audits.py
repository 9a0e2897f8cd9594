"""Hold the stored audits against data and records: are these still the clean scores?"""

from __future__ import annotations

from collections.abc import Iterator

from chmr_bench.errors import DataError
from chmr_bench.records import RecordStore
from chmr_bench.records.audited import FOLDER, AuditFile, read
from chmr_bench.runner.clean_scores import Skipped, audit_records, differences
from chmr_bench.runner.loading import Datasets
from chmr_bench.verify.runs import Check


def check_audits(store: RecordStore, datasets: Datasets) -> Iterator[Check]:
    """Yield a check a file below ``audit/``; nothing where there is none."""
    stored: dict[str, AuditFile] = {}
    for path in sorted((store.root / FOLDER).glob("*.json")):
        name = f"{FOLDER}/{path.name}"
        try:
            stored[name] = read(path)
        except DataError as error:
            yield Check(name, "unreadable", (str(error),))
    if not stored:
        return
    wanted = {(one.dataset, one.split_digest) for one in stored.values()}
    found = list(audit_records(store, datasets, only=wanted))
    fresh = {_key(one): one for one in found if isinstance(one, AuditFile)}
    skipped = [one for one in found if isinstance(one, Skipped)]
    for name, one in stored.items():
        yield _check(name, one, fresh, skipped)


def _key(one: AuditFile) -> tuple[str, str, str]:
    return one.dataset, one.split_digest, one.metric


def _check(
    name: str,
    stored: AuditFile,
    fresh: dict[tuple[str, str, str], AuditFile],
    skipped: list[Skipped],
) -> Check:
    made = fresh.get(_key(stored))
    if made is not None:
        told = tuple(differences(stored, made))
        return Check(name, "different" if told else "ok", told)
    missing = [one for one in skipped if one.dataset == stored.dataset]
    if missing:
        blocking = any(one.blocking for one in missing)
        return Check(name, "not at hand", tuple(one.reason for one in missing), blocking)
    return Check(name, "different", ("no record is of these data and this split; remove the file",))

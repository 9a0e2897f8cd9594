"""Hold the stored audits against data and records: are these still the clean scores?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from chmr_bench.errors import ChmrBenchError, DataError
from chmr_bench.records import RecordStore, Stored
from chmr_bench.records.audited import FOLDER, AuditFile, paths, read
from chmr_bench.runner.clean_scores import Skipped, audit_records
from chmr_bench.runner.opening import Datasets
from chmr_bench.runner.recorded import data_parts
from chmr_bench.verify.differences import audit_differences
from chmr_bench.verify.known import Verified
from chmr_bench.verify.runs import Check


def check_audits(
    store: RecordStore,
    datasets: Datasets,
    known: Verified | None = None,
    chosen: Collection[str] | None = None,
) -> Iterator[Check]:
    """Yield a check an audit below ``audit/``; nothing where there is none.

    Parameters
    ----------
    known
        audits that were verified before are not computed again, where their runs are the same.
    chosen
        identities of runs: only audits that hold a score of one of them; None = all.
    """
    stored: dict[str, AuditFile] = {}
    for path in paths(store.root):
        name = f"{FOLDER}/{path.name}"
        try:
            audits = read(path)
        except DataError as error:
            yield Check(name, "unreadable", (str(error),))
            continue
        for one in audits:
            if chosen is not None and one.scores.keys().isdisjoint(chosen):
                continue
            seed = "" if one.split_seed is None else f" {one.split_seed}"
            stored[f"{name}: {one.split}{seed}"] = one
    runs = _by_split(store) if known and stored else {}
    parts = {name: _parts(one, runs, datasets) for name, one in stored.items()} if known else {}
    old = {name for name, of in parts.items() if of and known and known.has(*of)}
    wanted = {(one.dataset, one.split_digest) for name, one in stored.items() if name not in old}
    computed = list(audit_records(store, datasets, only=wanted)) if wanted else []
    fresh = {_key(one): one for one in computed if isinstance(one, AuditFile)}
    skipped = [one for one in computed if isinstance(one, Skipped)]
    for name, one in stored.items():
        check = Check(name, "ok") if name in old else _check(name, one, fresh, skipped)
        if known and check.state == "ok" and parts[name]:
            known.add(*parts[name])
        yield check


def _by_split(store: RecordStore) -> dict[tuple[str, str], list[Stored]]:
    """Return the runs of each dataset and split."""
    runs: dict[tuple[str, str], list[Stored]] = {}
    for run in store.stored():
        of = run.content["dataset"]["name"], run.content["split"]["digest"]
        runs.setdefault(of, []).append(run)
    return runs


def _parts(
    one: AuditFile, by_split: dict[tuple[str, str], list[Stored]], datasets: Datasets
) -> tuple[str, ...]:
    """Return what an audit rests on: itself, its runs and the data; () where these are not had."""
    runs = by_split.get((one.dataset, one.split_digest), [])
    if not runs or any(not run.sealed or run.damage() or not run.record.seal for run in runs):
        return ()
    try:
        data = data_parts(runs[0].record, datasets)
    except ChmrBenchError:
        return ()
    return one.model_dump_json(), *data, *sorted(str(run.record.seal) for run in runs)


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
        details = tuple(audit_differences(stored, made))
        return Check(name, "different" if details else "ok", details)
    missing = [one for one in skipped if one.dataset == stored.dataset]
    if missing:
        blocking = any(one.blocking for one in missing)
        return Check(name, "not at hand", tuple(one.reason for one in missing), blocking)
    return Check(name, "different", ("no record is of these data and this split; remove it",))

"""One table of runs: every sound record of a store as a line of one DataFrame.

Leaderboard, run tables, curves, exports and the Python door are group-bys of it. Nested values
(parameters, what was masked, packages) stand as canonical JSON, so that a line can be compared,
grouped and written as it is.

Examples
--------
>>> from chmr_bench.records import RecordStore
>>> from chmr_bench.report.runs import runs_frame
>>> runs = runs_frame(RecordStore(Path("leaderboards")))  # doctest: +SKIP
>>> runs.groupby(["dataset", "model"])["score"].mean()  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chmr_bench.contracts import DatasetSpec
from chmr_bench.plugins import registry
from chmr_bench.records import Problem, Record, RecordStore, Stored, canonical_json
from chmr_bench.records.remedy import remedy
from chmr_bench.report.columns import COLUMNS, NUMBERS, line_of, seal_of
from chmr_bench.report.labels import plain_name, row_labels

if TYPE_CHECKING:
    import pandas as pd

Run = Mapping[str, Any]
"""A line of the frame of runs."""
REFERENCE = "reference"
"""What a dataset's own split is called."""
DATA = ("dataset", "origin", "dataset_digest", "split_digest")
"""What the runs of one table share, the metric left out."""


@dataclass(frozen=True)
class LoadedRuns:
    """The runs of a store.

    Attributes
    ----------
    frame :
        A line a run, as `runs_frame` returns it.
    problems :
        What lies among the records and is in no table, with the reason.
    store :
        Where they are from.
    stored :
        Identity -> the run in the store, or its record.
    """

    frame: pd.DataFrame
    store: RecordStore
    problems: tuple[Problem, ...] = ()
    stored: Mapping[str, Stored | Record] = field(default_factory=dict)

    @cached_property
    def lines(self) -> Sequence[Run]:
        """Return the runs as plain values."""
        return dicts_of(self.frame)


def runs_frame(store: RecordStore) -> pd.DataFrame:
    """Return every readable run of a store, one a line, failed ones included.

    Damage to stored predictions is not looked for, which takes time: `load_runs` and
    ``chmr-bench verify`` do.

    Columns are those of `columns.COLUMNS`, and what follows from them: ``row_key`` (all that can
    change the numbers, but data and seed), ``row`` (what the row is called in tables),
    ``own_profiles`` (atlases that the user attached, "" = none), ``split`` and ``split_seed`` (the
    one name these rows of train, valid and test are shown by), ``split_names``, ``kind``
    (benchmark, user, synthetic), ``table`` (runs of one value share a table) and ``named`` (the
    model with what its user changed).

    Examples
    --------
    >>> runs = runs_frame(RecordStore(Path("leaderboards")))  # doctest: +SKIP
    >>> runs.query("dataset == 'bace' and missing.isna()")[["row", "seed"]]  # doctest: +SKIP
    """
    return load_runs(store, check=False).frame


def load_runs(
    store: RecordStore,
    *,
    check: bool | Container[str] = True,
    sound: Container[str] = frozenset(),
) -> LoadedRuns:
    """Return the runs of a store, and what is wrong with the others.

    Parameters
    ----------
    check :
        Whether to leave out runs whose stored predictions or replicates are damaged, or the models
        whose runs are looked at alone.
    sound :
        Seals of runs that are known not to be, and are not looked at again.
    """
    stored, problems = _chosen(store, check, sound)
    frame = frame_of(entry.content for entry in stored)
    by_identity = {entry.identity: entry for entry in stored}
    return LoadedRuns(frame, store, tuple(problems), by_identity)


def frame_of(lines: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return records, as plain values, as a frame of runs."""
    import pandas as pd

    runs = pd.DataFrame([line_of(line) for line in lines], columns=[*COLUMNS], dtype=object)
    runs = runs.astype(dict.fromkeys(NUMBERS, "float64"))
    runs["failed"] = runs["status"] == "failed"
    runs = _with_splits(runs)
    runs["kind"] = [
        "synthetic" if made_up else "user" if origin == "file" else "benchmark"
        for made_up, origin in zip(runs["synthetic"], runs["origin"], strict=True)
    ]
    runs["table"] = _tables(runs)
    named = zip(runs["model"], runs["overrides"], runs["own_profiles"], strict=True)
    runs["named"] = [plain_name(model, changed, None, own) for model, changed, own in named]
    runs["row"] = row_labels(runs)
    return runs


def dicts_of(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of a frame as plain values; `DataFrame.to_dict` takes four times as long."""
    names = [str(name) for name in runs]
    columns = [runs[name].to_numpy().tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


# ----------------------------------------------------------------------------- splits and tables


def _with_splits(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the one name each split is shown by.

    A split's name is not in a run's identity: where two methods give the same rows, a run is
    stored once, under the name it was first asked for by. So tables go by the digest of the rows.
    It is called ``reference`` where it is the pinned one or any record calls it so, else by the
    first of its names.
    """
    shown: dict[Any, tuple[str, int | None, tuple[str, ...]]] = {}
    key: Any
    for key, group in runs.groupby([*DATA], sort=False):
        pairs = zip(group["split_recorded"], group["split_recorded_seed"], strict=True)
        known = sorted(set(pairs), key=lambda pair: (pair[0], pair[1] or 0))
        name, seed = next((pair for pair in known if pair[0] == REFERENCE), known[0])
        if name != REFERENCE and _is_pinned(*key):
            name, seed = REFERENCE, None
        shown[key] = name, seed, tuple(sorted({name, *(known_name for known_name, _ in known)}))
    keys = list(zip(*(runs[name] for name in DATA), strict=True))
    for i, column in enumerate(("split", "split_seed", "split_names")):
        runs[column] = _objects(runs, [shown[key][i] for key in keys])
    runs["split_name"] = [
        name if seed is None else f"{name} (seed {seed})"
        for name, seed in zip(runs["split"], runs["split_seed"], strict=True)
    ]
    return runs


def _objects(runs: pd.DataFrame, values: Sequence[Any]) -> Any:
    """Return a column that keeps whole numbers and None as they are."""
    import pandas as pd

    return pd.Series(values, index=runs.index, dtype=object)


def _is_pinned(dataset: str, origin: str, _: str, split_digest: str) -> bool:
    """Return whether rows are those of the registered reference split."""
    registered = registry().datasets.get(dataset)
    if registered is None or origin != "registered":
        return False
    pinned = registered.spec.reference_digest
    return pinned != "" and pinned == split_digest


def registered_spec(run: Run) -> DatasetSpec | None:
    """Return a run's dataset as it is registered; None unless in that version, or of a file."""
    registered = registry().datasets.get(run["dataset"])
    if registered is None or run["origin"] != "registered":
        return None
    return registered.spec if registered.spec.version == run["dataset_version"] else None


def _tables(runs: pd.DataFrame) -> list[str]:
    """Return what the runs of one table share: data, split and metric.

    A failed run, which has no metric, joins its fellows.
    """
    data = [canonical_json(list(key)) for key in zip(*(runs[n] for n in DATA), strict=True)]
    known: dict[str, str] = {}
    for key, metric in zip(data, runs["metric"], strict=True):
        if metric is not None:
            known[key] = min(known.get(key, metric), metric)
    return [
        json.dumps([key, metric if metric is not None else known.get(key, "")])
        for key, metric in zip(data, runs["metric"], strict=True)
    ]


# ------------------------------------------------------------------------------------- reading


def _chosen(
    store: RecordStore, check: bool | Container[str], sound: Container[str]
) -> tuple[list[Stored], list[Problem]]:
    """Return the runs of a store, one an identity, and what is wrong with the others."""
    chosen: dict[str, Stored] = {}
    problems = store.problems()
    entries = store.stored()
    order = {entry.identity: i for i, entry in reversed(list(enumerate(entries)))}
    for entry in sorted(entries, key=lambda e: bool(e.content["status"] == "failed")):
        known = chosen.get(entry.identity)
        looked = check if isinstance(check, bool) else entry.content["model"]["id"] in check
        reason = entry.damage() if looked and seal_of(entry.content) not in sound else ""
        if reason:
            what = f"damaged, and so in no table: {reason}; {remedy(entry.content)}"
            problems.append(Problem(entry.path, what, entry.record))
        elif known is not None:
            what = f"the same run as {known.path.name}, which is in the tables"
            problems.append(Problem(entry.path, what))
        else:
            chosen[entry.identity] = entry
    return sorted(chosen.values(), key=lambda entry: order[entry.identity]), problems

"""Which records stand behind each of the named models on each dataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.records import DatasetInfo, Record, RecordStore
from chmr_bench.report.comparison.naming import Found, Row, instead, named, rows_of
from chmr_bench.report.sources import REFERENCE, data_key, sound
from chmr_bench.splits import check_method
from chmr_bench.types import MetricName


@dataclass(frozen=True)
class Query:
    """What is to be compared.

    Attributes
    ----------
    models : names of models, or labels as the tables print them; the first is the baseline.
    datasets : their names; empty = every real one that any of the models has a record on.
    split : a method, "" = reference where there is one, else the only one there is.
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    split: str = ""


@dataclass(frozen=True)
class Chosen:
    """One dataset and split method, and the runs of every model there.

    Attributes
    ----------
    dataset : None where no model has a record on it.
    runs : model -> split seed (None where the method draws nothing) -> runs with a score. A model
        without any is not among them.
    n_failed : failed runs by model, where there are any.
    unscored : model -> split seeds of runs without a score, no task of which can be evaluated.
    n_damaged : damaged records of the named models, which are in no comparison.
    on_record : named model without a run here -> labels of other rows of that model, if any.
    notes : what was left out, and why.
    """

    name: str
    dataset: DatasetInfo | None = None
    split: str = ""
    metric: MetricName | None = None
    runs: Mapping[str, Mapping[int | None, tuple[Record, ...]]] | None = None
    n_failed: Mapping[str, int] | None = None
    unscored: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    n_damaged: int = 0
    on_record: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, model: str) -> Mapping[int | None, tuple[Record, ...]]:
        """Return a model's runs by split seed; nothing where it has none."""
        return (self.runs or {}).get(model, {})


def choose(store: RecordStore, query: Query) -> tuple[list[Chosen], list[str]]:
    """Return the runs to compare, in the order asked for, and simulated datasets left out.

    Runs with something hidden on purpose are not among them: `report.curves` pairs those.

    Raises
    ------
    UsageError : fewer than two models, one twice, or a name that several rows of a dataset have.
    UnknownNameError : no record of such a model or dataset, or no such split method.
    """
    if len(query.models) < 2 or len(set(query.models)) < len(query.models):
        raise UsageError(f"name two models or more, each once, not {' '.join(query.models)!r}")
    records, problems = sound(store)
    rows = _rows(records)
    if not rows:
        raise UsageError(f"there are no records in {store.folder}; chmr-bench run makes some")
    found = named(rows, query.models)
    if query.split and query.split not in {row.method for row in rows}:
        check_method(query.split)
    names = _datasets(rows, found, query)
    made = {f.row.dataset for f in found if f.row.record.dataset.synthetic}
    left_out = [] if query.datasets else sorted(made.difference(names))
    others = {model: instead(rows, model) for model in query.models}
    ids = {f.row.record.model.id for f in found}
    hurt = [p.record for p in problems if p.record and p.record.model.id in ids]
    chosen = [_with_others(_chosen(name, found, query), others) for name in names]
    return [replace(c, n_damaged=_of(c, hurt)) for c in chosen], left_out


def comparable(store: RecordStore) -> list[Row]:
    """Return the records that may be compared: whole ones, with nothing hidden on purpose."""
    return _rows(sound(store)[0])


def _rows(records: Sequence[Record]) -> list[Row]:
    return rows_of([r for r in records if r.missing is None])


def _of(chosen: Chosen, records: Sequence[Record]) -> int:
    """Return how many of the records are of its dataset and split method."""
    return sum((r.dataset.name, r.split.name) == (chosen.name, chosen.split) for r in records)


def _datasets(rows: Sequence[Row], found: Sequence[Found], query: Query) -> list[str]:
    """Return the datasets asked for; else the real ones with a record, in the order registered."""
    if query.datasets:
        known = {row.dataset for row in rows} | set(registry().datasets)
        for name in query.datasets:
            if name not in known:
                raise UnknownNameError("dataset", name, known)
        return list(dict.fromkeys(query.datasets))
    synthetic = {f.row.dataset: f.row.record.dataset.synthetic for f in found}
    real = [name for name, made in synthetic.items() if not made] or list(synthetic)
    order = {name: i for i, name in enumerate(registry().datasets)}
    return sorted(real, key=lambda name: (order.get(name, len(order)), name))


def _chosen(name: str, found: Sequence[Found], query: Query) -> Chosen:
    here = [f for f in found if f.row.dataset == name]
    if not here:
        return Chosen(name, split=query.split)
    method = _method(name, here, query)
    here = [f for f in here if f.row.method == method]
    kept, notes = _one_content(here)
    if not kept:
        return Chosen(name, split=method, notes=(f"no record on split {method}",))
    _refuse_ambiguous(name, kept)
    good = [f for f in kept if f.row.record.metrics and f.row.record.metrics.macro is not None]
    runs: dict[str, dict[int | None, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for entry in good:
        runs[entry.model][entry.row.split_seed].append(entry.row.record)
    unscored: dict[str, list[int | None]] = defaultdict(list)
    for entry in kept:
        metrics = entry.row.record.metrics
        if metrics is not None and metrics.macro is None:
            unscored[entry.model].append(entry.row.split_seed)
    failed = Counter(f.model for f in kept if f.row.record.status == "failed")
    scored = good[0].row.record.metrics if good else None
    return Chosen(
        name,
        kept[0].row.record.dataset,
        method,
        scored.metric if scored else None,
        {m: {s: tuple(r) for s, r in by_split.items()} for m, by_split in runs.items()},
        failed,
        {model: tuple(seeds) for model, seeds in unscored.items()},
        notes=tuple(notes),
    )


def _with_others(chosen: Chosen, others: Mapping[str, Sequence[Row]]) -> Chosen:
    """Return it with the rows that may have been meant by the name of a model without a run."""
    found = {
        model: {
            row.label: None
            for row in rows
            if row.dataset == chosen.name and chosen.split in ("", row.method)
        }
        for model, rows in others.items()
        if not chosen.of(model)
    }
    return replace(chosen, on_record={m: tuple(these) for m, these in found.items() if these})


def _method(name: str, here: Sequence[Found], query: Query) -> str:
    """Return the split method to compare on."""
    known = sorted({f.row.method for f in here})
    if query.split:
        return query.split
    if REFERENCE in known or len(known) == 1:
        return REFERENCE if REFERENCE in known else known[0]
    raise UsageError(
        f"dataset {name!r} has records on the splits {', '.join(known)}; choose one with "
        "--split METHOD"
    )


def _one_content(here: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """Return the records on one content and metric: that which most models and runs have."""
    groups: dict[tuple[str, ...], list[Found]] = defaultdict(list)
    for entry in here:
        metrics = entry.row.record.metrics
        metric = metrics.metric if metrics else entry.row.record.dataset.metric
        groups[(*data_key(entry.row.record)[:3], metric)].append(entry)
    if not groups:
        return [], []
    weight = {k: (len({f.model for f in g}), len(g), k) for k, g in groups.items()}
    best = max(groups, key=lambda k: weight[k])
    left = sum(len(g) for k, g in groups.items() if k != best)
    notes = [f"{left} runs on other content or metric of that name left out"] if left else []
    return groups[best], notes


def _refuse_ambiguous(name: str, kept: Sequence[Found]) -> None:
    rows: dict[str, set[str]] = defaultdict(set)
    for entry in kept:
        rows[entry.model].add(entry.row.label)
    for model, known in rows.items():
        if len(known) > 1:
            told = ", ".join(repr(label) for label in sorted(known))
            raise UsageError(
                f"dataset {name!r} has several rows of {model}: {told}; name one of these instead"
            )

"""Which records stand behind each of the named models on each dataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.records import DatasetInfo, Record, RecordStore
from chmr_bench.report.labels import labels, row_key
from chmr_bench.report.sources import REFERENCE, data_key, sound, splits_shown
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
    notes : what was left out, and why.
    """

    name: str
    dataset: DatasetInfo | None = None
    split: str = ""
    metric: MetricName | None = None
    runs: Mapping[str, Mapping[int | None, tuple[Record, ...]]] | None = None
    n_failed: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()

    def of(self, model: str) -> Mapping[int | None, tuple[Record, ...]]:
        """Return a model's runs by split seed; nothing where it has none."""
        return (self.runs or {}).get(model, {})


@dataclass(frozen=True)
class _Found:
    """A record, the name it was asked for by, and its split as it is shown."""

    model: str
    label: str
    record: Record
    method: str
    split_seed: int | None


def choose(store: RecordStore, query: Query) -> tuple[list[Chosen], list[str]]:
    """Return the runs to compare, in the order asked for, and simulated datasets left out.

    Runs with something hidden on purpose are not among them: `report.curves` pairs those.

    Raises
    ------
    UsageError : fewer than two models, one twice, or a name that several rows of a dataset have.
    UnknownNameError : no record of such a model or dataset.
    """
    if len(query.models) < 2 or len(set(query.models)) < len(query.models):
        raise UsageError(f"name two models or more, each once, not {' '.join(query.models)!r}")
    records = [r for r in sound(store)[0] if r.missing is None]
    if not records:
        raise UsageError(f"there are no records in {store.folder}; chmr-bench run makes some")
    found = _found(records, query)
    names = _datasets(records, found, query)
    made = {f.record.dataset.name for f in found if f.record.dataset.synthetic}
    left_out = [] if query.datasets else sorted(made.difference(names))
    return [_chosen(name, found, query) for name in names], left_out


def _found(records: Sequence[Record], query: Query) -> list[_Found]:
    """Return the records of the named models, each once a name."""
    names = labels(records)
    shown = splits_shown(records)
    by_label = {(r.dataset.name, names[r.dataset.name, row_key(r)]) for r in records}
    known = {label for _, label in by_label} | {r.model.id for r in records}
    for model in query.models:
        if model not in known:
            raise UnknownNameError("model", model, known, "among the records")
    found = []
    for record in records:
        dataset = record.dataset.name
        label = names[dataset, row_key(record)]
        split = shown[data_key(record)][0]
        for model in query.models:
            named = label == model
            if named or ((dataset, model) not in by_label and _is_plain(record, model)):
                found.append(_Found(model, label, record, split.name, split.seed))
    return found


def _is_plain(record: Record, model: str) -> bool:
    """Return whether a record is of the model as it comes: nothing set."""
    return record.model.id == model and not record.model.overrides


def _datasets(records: Sequence[Record], found: Sequence[_Found], query: Query) -> list[str]:
    """Return the datasets asked for; else the real ones with a record, in the order registered."""
    if query.datasets:
        known = {r.dataset.name for r in records} | set(registry().datasets)
        for name in query.datasets:
            if name not in known:
                raise UnknownNameError("dataset", name, known)
        return list(dict.fromkeys(query.datasets))
    synthetic = {f.record.dataset.name: f.record.dataset.synthetic for f in found}
    real = [name for name, made in synthetic.items() if not made] or list(synthetic)
    order = {name: i for i, name in enumerate(registry().datasets)}
    return sorted(real, key=lambda name: (order.get(name, len(order)), name))


def _chosen(name: str, found: Sequence[_Found], query: Query) -> Chosen:
    here = [f for f in found if f.record.dataset.name == name]
    if not here:
        return Chosen(name)
    method = _method(name, here, query)
    here = [f for f in here if f.method == method]
    kept, notes = _one_content(here)
    if not kept:
        return Chosen(name, notes=(f"no record on split {method}",))
    _refuse_ambiguous(name, kept)
    good = [f for f in kept if f.record.metrics and f.record.metrics.macro is not None]
    runs: dict[str, dict[int | None, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for entry in good:
        runs[entry.model][entry.split_seed].append(entry.record)
    failed = Counter(f.model for f in kept if f.record.status == "failed")
    metrics = good[0].record.metrics if good else None
    return Chosen(
        name,
        kept[0].record.dataset,
        method,
        metrics.metric if metrics else None,
        {m: {s: tuple(r) for s, r in by_split.items()} for m, by_split in runs.items()},
        failed,
        tuple(notes),
    )


def _method(name: str, here: Sequence[_Found], query: Query) -> str:
    """Return the split method to compare on."""
    methods = sorted({f.method for f in here})
    if query.split:
        return query.split
    if REFERENCE in methods or len(methods) == 1:
        return REFERENCE if REFERENCE in methods else methods[0]
    raise UsageError(
        f"dataset {name!r} has records on the splits {', '.join(methods)}; choose one with "
        "--split METHOD"
    )


def _one_content(here: Sequence[_Found]) -> tuple[list[_Found], list[str]]:
    """Return the records on one content and metric: that which most models and runs have."""
    groups: dict[tuple[str, ...], list[_Found]] = defaultdict(list)
    for entry in here:
        metrics = entry.record.metrics
        metric = metrics.metric if metrics else entry.record.dataset.metric
        groups[(*data_key(entry.record)[:3], metric)].append(entry)
    if not groups:
        return [], []
    weight = {k: (len({f.model for f in g}), len(g), k) for k, g in groups.items()}
    best = max(groups, key=lambda k: weight[k])
    left = sum(len(g) for k, g in groups.items() if k != best)
    notes = [f"{left} runs on other content or metric of that name left out"] if left else []
    return groups[best], notes


def _refuse_ambiguous(name: str, kept: Sequence[_Found]) -> None:
    rows: dict[str, set[str]] = defaultdict(set)
    for entry in kept:
        rows[entry.model].add(entry.label)
    for model, known in rows.items():
        if len(known) > 1:
            told = ", ".join(repr(label) for label in sorted(known))
            raise UsageError(
                f"dataset {name!r} has several rows of {model}: {told}; name one of these instead"
            )

"""Which runs stand behind each of the named models on each dataset, and which they share.

A frame of runs here has ``asked`` (the name the model was asked for by), ``split_key`` and
``seed_key`` beside the columns of `runs_frame`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chmr_bench.data.counts import plural
from chmr_bench.data.requests import settled_name
from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.records import no_records
from chmr_bench.report.runs import DATA, REFERENCE, LoadedRuns
from chmr_bench.report.words import dataset_label, grouped, task_words
from chmr_bench.splits import check_method
from chmr_bench.types import MetricName

if TYPE_CHECKING:
    import pandas as pd

ANY = -1
"""Stands for no seed in the columns ``split_key`` and ``seed_key``."""

MOST = 3
"""Datasets, rows or reasons that are named one by one, at most."""


@dataclass(frozen=True)
class Query:
    """What is to be compared.

    Attributes
    ----------
    models :
        Names of models, or labels as the tables print them; the first is the baseline.
    datasets :
        Their names; empty = every real one that any of the models has a record on.
    split :
        A method, "" = reference where there is one, else the only one there is.
    tasks :
        Columns of a user's table; empty = those that most of the models have.
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    split: str = ""
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """One dataset and split method, and the runs of every model there.

    Attributes
    ----------
    runs :
        Runs with a score, as of `runs_frame`, and ``asked``: the name the model was asked for by;
        ``split_key`` and ``seed_key``: the seeds of split and run, `ANY` for none.
    metric :
        None where no model has a score.
    n_failed :
        Failed runs by model, where there are any.
    unscored :
        Model -> split seeds of runs without a score, no task of which can be evaluated.
    n_damaged :
        Damaged records of the named models, which are in no comparison.
    on_record :
        Named model without a run here -> labels of other rows of that model, if any.
    notes :
        What was left out, and why; and who may have seen labels.
    """

    name: str
    runs: pd.DataFrame
    split: str = ""
    metric: MetricName | None = None
    synthetic: bool = False
    n_failed: Mapping[str, int] = field(default_factory=dict)
    unscored: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    n_damaged: int = 0
    on_record: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def marked_name(self) -> str:
        """Return the dataset's name, marked where it is simulated."""
        return dataset_label(self.name, synthetic=self.synthetic)

    def of(self, model: str) -> pd.DataFrame:
        """Return a model's runs; no line where it has none."""
        return of_model(self.runs, model)


def choose(loaded: LoadedRuns, query: Query) -> tuple[list[Selection], list[str]]:
    """Return the runs to compare, in the order asked for, and simulated datasets left out.

    Runs with something masked on purpose are not among them: `report.curves` pairs those.

    Raises
    ------
    UsageError
        Fewer than two models, one twice, or a name that several rows of a dataset have.
    UnknownNameError
        No record of such a model or dataset, or no such split method.
    """
    if len(query.models) < 2 or len(set(query.models)) < len(query.models):
        raise UsageError(f"name two models or more, each once, not {' '.join(query.models)!r}")
    runs = comparable(loaded)
    if runs.empty:
        raise no_records(loaded.store.root)
    asked = named(runs, query.models)
    if query.split and query.split not in set(runs["split"]):
        check_method(query.split)
    names = _datasets(runs, asked, query)
    made = asked[asked["synthetic"].astype(bool)]["dataset"]
    left_out = [] if query.datasets else sorted(set(made).difference(names))
    ids = set(asked["model"])
    damaged = [p.record for p in loaded.problems if p.record and p.record.model.id in ids]
    selections = []
    for name in names:
        chosen = _selection(name, asked, query)
        place = (name, chosen.split)
        others = {m: _labels(instead(runs, m), chosen) for m in query.models if chosen.of(m).empty}
        selections.append(
            replace(
                chosen,
                n_damaged=sum(place == (r.dataset.name, r.split.name) for r in damaged),
                on_record={m: labels for m, labels in others.items() if labels},
            )
        )
    return selections, left_out


def comparable(loaded: LoadedRuns) -> pd.DataFrame:
    """Return the runs that may be compared: those with nothing masked on purpose."""
    runs = loaded.frame[loaded.frame["missing"].isna()]
    seeds = runs[["split_seed", "seed"]].map(lambda seed: ANY if seed is None else int(seed))
    return runs.assign(split_key=seeds["split_seed"], seed_key=seeds["seed"])


def named(runs: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Return the runs of the named models, with the name in ``asked``.

    A label stands for its row; where no row of a dataset is called so, a model's name stands for
    the model as it comes, nothing set.

    Raises
    ------
    UnknownNameError
        No record of such a model or label.
    """
    import pandas as pd

    known, parts = {*runs["row"], *runs["model"]}, []
    for model in models:
        if model not in known:
            raise UnknownNameError("model", model, known, "among the records")
        labelled = runs["row"] == model
        elsewhere = ~runs["dataset"].isin(runs["dataset"][labelled])
        parts.append(runs[labelled | (elsewhere & _as_it_comes(runs, model))].assign(asked=model))
    return pd.concat(parts)


def _as_it_comes(runs: pd.DataFrame, model: str) -> pd.Series[bool]:
    plain = (runs["overrides"] == "{}") & (runs["own_profiles"] == "")
    return plain & (runs["model"] == model)


def instead(runs: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the runs of the same model that `model` does not stand for, by label."""
    labelled = runs["row"] == model
    same = runs["model"].isin({model, *runs["model"][labelled]})
    return runs[same & ~labelled & ~_as_it_comes(runs, model)].sort_values("row", kind="stable")


def _labels(runs: pd.DataFrame, chosen: Selection) -> tuple[str, ...]:
    here = runs[runs["dataset"] == chosen.name]
    if chosen.split:
        here = here[here["split"] == chosen.split]
    return tuple(here["row"].unique())


def _datasets(runs: pd.DataFrame, asked: pd.DataFrame, query: Query) -> list[str]:
    """Return the datasets asked for; else the real ones with a record, in the order registered."""
    if query.datasets:
        known = {*runs["dataset"], *registry().datasets}
        wanted = [name if name in known else settled_name(name) for name in query.datasets]
        for name in wanted:
            if name not in known:
                raise UnknownNameError("dataset", name, known)
        return list(dict.fromkeys(wanted))
    real = asked[~asked["synthetic"].astype(bool)]
    order = {name: i for i, name in enumerate(registry().datasets)}
    names = (asked if real.empty else real)["dataset"].unique()
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _selection(name: str, asked: pd.DataFrame, query: Query) -> Selection:
    here = asked[asked["dataset"] == name]
    if here.empty:
        return Selection(name, here, split=query.split)
    method = _method(name, sorted(set(here["split"])), query)
    here = here[here["split"] == method]
    if here.empty:
        return Selection(name, here, method, notes=(f"no record on split {method}",))
    kept, notes = _one_content(name, here, query)
    _refuse_ambiguous(name, kept)
    scored = kept[kept["score"].notna()]
    without = kept[kept["score"].isna() & kept["metric"].notna()]
    failed = kept[kept["failed"]]["asked"].value_counts(sort=False)
    return Selection(
        name,
        scored,
        method,
        scored["metric"].iloc[0] if len(scored) else None,
        synthetic=bool(kept["synthetic"].iloc[0]),
        n_failed={str(m): int(n) for m, n in failed.items()},
        unscored={str(m): tuple(of["split_key"]) for m, of in without.groupby("asked", sort=False)},
        notes=notes + _labels_seen(scored),
    )


def _labels_seen(runs: pd.DataFrame) -> tuple[str, ...]:
    """Return the note on models whose weights may have learnt from labels of a benchmark."""
    models = runs[runs["labels_seen"] != ""]["asked"].unique()
    words = f"labels possibly seen, so a rank says nothing: {', '.join(models)}"
    return (words,) if len(models) else ()


def _method(name: str, known: Sequence[str], query: Query) -> str:
    """Return the split method to compare on."""
    if query.split:
        return query.split
    if REFERENCE in known or len(known) == 1:
        return REFERENCE if REFERENCE in known else known[0]
    raise UsageError(
        f"dataset {name!r} has records on the splits {', '.join(known)}; choose one with "
        "--split METHOD"
    )


def _one_content(
    name: str, here: pd.DataFrame, query: Query
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the runs on one content and metric: that which most models have, or the newest."""
    here = here.assign(judged_by=here["metric"].fillna(here["dataset_metric"]))
    if query.tasks and (here["origin"] == "file").all():
        wanted = set(query.tasks), {part for text in query.tasks for part in text.split(",")}
        asked = here[[set(json.loads(tasks)) in wanted for tasks in here["table_tasks"]]]
        if asked.empty:
            known = "; ".join(map(task_words, here["table_tasks"].unique()))
            raise UsageError(
                f"dataset {name!r} has no record on the tasks {', '.join(query.tasks)}; on record "
                f"are: {known}"
            )
        here = asked
    groups: list[tuple[Any, pd.DataFrame]] = [*here.groupby([*DATA[:3], "judged_by"])]
    _, best = max(groups, key=lambda item: (item[1]["asked"].nunique(), item[1]["created"].max()))
    left = here.drop(best.index)
    if left.empty:
        return best, ()
    tasks, others = (list(map(task_words, runs["table_tasks"].unique())) for runs in (best, left))
    if set(others) - set(tasks):
        what = f"on {tasks[0]}; {plural(len(left), 'run')} on {'; '.join(others)} left out"
        return best, (f"{what}: --tasks compares these",)
    what = f"{plural(len(left), 'run')} on other content or metric of that name left out"
    return best, (what,)


def _refuse_ambiguous(name: str, kept: pd.DataFrame) -> None:
    for model, labels in kept.groupby("asked", sort=False)["row"].unique().items():
        if len(labels) > 1:
            known = ", ".join(map(repr, sorted(labels)))
            raise UsageError(
                f"dataset {name!r} has several rows of {model}: {known}; name one of these instead"
            )


# ------------------------------------------------------------------------- what models share


def of_model(runs: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return a model's runs; no line where it has none."""
    return runs[runs["asked"] == model]


def shared(runs: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Return the models' runs on the splits and seeds that all of them have.

    A model that draws nothing stands for every seed. A split without a common seed is left out.
    """
    mine = runs[runs["asked"].isin(models)]
    kept = [
        there.index[_is_common(there)]
        for _, there in mine.reset_index().groupby("split_key", sort=False)
        if there["asked"].nunique() == len(models)
    ]
    return mine.iloc[[i for index in kept for i in index]]


def _is_common(there: pd.DataFrame) -> pd.Series[bool]:
    """Return which runs of one split are of a seed that every model has which draws any."""
    seeds = there.groupby("asked")["seed_key"].agg(set)
    drawn = [of for of in seeds if of != {ANY}]
    common = set.intersection(*drawn) if drawn else set()
    fixed = there["asked"].map(seeds).map(lambda of: of == {ANY}) & (bool(common) or not drawn)
    return there["seed_key"].isin(common) | fixed


def split_means(runs: pd.DataFrame) -> pd.Series[float]:
    """Return one model's mean over seeds on each split, by split seed."""
    return runs.groupby("split_key", sort=False)["score"].mean()


def score(runs: pd.DataFrame) -> float | None:
    """Return one model's mean over seeds, then over splits; None where there is no run."""
    return None if runs.empty else float(split_means(runs).mean())


def one_pretraining(runs: pd.DataFrame) -> bool:
    """Return whether several runs begin with the same weights: their spread is not that of one."""
    return len(runs) > 1 and bool(runs["weights"].notna().all()) and runs["weights"].nunique() == 1


def unshared(runs: pd.DataFrame, models: Sequence[str]) -> list[str]:
    """Return in words which splits and seeds only some of the models have, a line a model."""
    kept = set(_keys(shared(runs, models)))
    keys = [key for model in models for key in _keys(of_model(runs, model))]
    splits = grouped((model, split) for model, split, _ in keys)
    everywhere = set.intersection(*map(set, splits.values()))
    whose = "alone" if len(models) == 2 else "but not of every model"
    lone = grouped((model, split) for model, split, _ in keys if split not in everywhere)
    lines = [f"splits {_listed(own)} of {m} {whose}, not compared" for m, own in lone.items()]
    rest = [key for key in keys if key[1] in everywhere and key not in kept]
    seeds = grouped(((model, split), seed) for model, split, seed in rest)
    places = grouped(((model, _listed(own)), split) for (model, split), own in seeds.items())
    for (model, own), where in places.items():
        on = f" on split{'s' * (len(where) > 1)} {_listed(where)}" if len(everywhere) > 1 else ""
        lines.append(f"seeds {own} of {model} {whose}{on}, not compared")
    return lines


def _keys(runs: pd.DataFrame) -> list[tuple[str, int, int]]:
    return list(zip(runs["asked"], runs["split_key"], runs["seed_key"], strict=True))


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join("none" if seed == ANY else str(seed) for seed in sorted(seeds))


# ---------------------------------------------------------------- where nothing can be compared


def refusal(loaded: LoadedRuns, query: Query, reasons: Sequence[str]) -> UsageError:
    """Return the error that says what is on record, where no model could be compared anywhere."""
    on_split = f" on split {query.split}" if query.split else ""
    runs = comparable(loaded)
    known = "; ".join(_on_record(runs, model, query.datasets) for model in query.models)
    why = f". {'; '.join(_some(reasons))}" if reasons else ""
    return UsageError(
        f"nothing to compare{on_split}: {query.models[0]!r} has no dataset, split and seed in "
        f"common with another of the models. On record: {known}{why}. Choose a split of both with "
        "--split METHOD, name rows as the tables call them, or run the models on the same splits "
        "and seeds"
    )


def _on_record(runs: pd.DataFrame, model: str, datasets: Collection[str]) -> str:
    """Return the splits and datasets on which a model is on record, or what else is.

    Where datasets are named, of these alone.
    """
    own = named(runs, [model])
    if datasets:
        own, runs = (of[of["dataset"].isin(datasets)] for of in (own, runs))
    scored = own[own["score"].notna()]
    if len(own):
        return f"{model!r} on {_places(scored)}" if len(scored) else f"{model!r} without a score"
    others = instead(runs, model).groupby("row", sort=False)
    rows = _some([f"{label!r} on {_places(of)}" for label, of in others])
    if not rows:
        return f"no run of {model!r} there"
    return f"not {model!r}, but {' and '.join(rows)}"


def _places(runs: pd.DataFrame) -> str:
    """Return splits with their datasets, in words."""
    return ", ".join(
        f"{split} ({', '.join(_some(list(names.unique())))})"
        for split, names in runs.groupby("split")["dataset"]
    )


def _some(items: Sequence[str]) -> list[str]:
    more = len(items) - MOST
    return [*items[:MOST], *([f"{more} more"] if more > 0 else [])]

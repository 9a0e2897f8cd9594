"""The ensemble of rows on record, as the command line asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from chmr_bench.api.options import Options, as_list, datasets_of, store_of
from chmr_bench.api.requests import suite_datasets
from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.splits import check_method

if TYPE_CHECKING:
    import pandas as pd

    from chmr_bench.records import RecordStore
    from chmr_bench.runner.ensembling import Ensemble, Members

REFERENCE = "reference"
Place: TypeAlias = tuple[str, str]
"""A row, and the dataset it is on."""
COMMAND = ("chmr-bench", "ensemble")


@dataclass(frozen=True)
class Ensembles:
    """The ensembles that a command made, and what is in none.

    Attributes
    ----------
    ensembles :
        The seeds of one dataset and split stand together.
    left_out :
        Row and dataset -> why it is in no ensemble there.
    """

    ensembles: tuple[tuple[Ensemble, ...], ...]
    left_out: Mapping[Place, str]


def ensembles_of(options: Options) -> Ensembles:
    """Return the ensemble of each dataset and split that has runs of two rows, and store them.

    Raises
    ------
    UsageError
        There is no record, or nowhere are there two rows that can be averaged.
    """
    from chmr_bench.report.runs import load_runs
    from chmr_bench.runner.ensembling import ensembles
    from chmr_bench.runner.recorded import open_split

    store = store_of(options["out"])
    runs, left_out = _usable(load_runs(store), options)
    datasets, made = datasets_of(options), []
    for _, table in runs.groupby("table", sort=False):
        members, without = _members(table)
        left_out |= without
        if members is None:
            continue
        first = next(iter(members.rows.values()))[0].record
        loaded, _ = open_split(first, datasets)
        made.append(tuple(ensembles(members, loaded, COMMAND)))
    if not made:
        reasons = "; ".join(left_out_words(left_out))
        raise UsageError(
            "an ensemble needs runs of two rows on one dataset and split, with predictions of the "
            f"validation rows{f' ({reasons})' if reasons else ''}; 'chmr-bench run' makes them"
        )
    _stored(made, store, Path(options["out"]))
    return Ensembles(tuple(made), left_out)


def left_out_words(left_out: Mapping[Place, str]) -> list[str]:
    """Return each reason with its rows, and where they are left out."""
    from chmr_bench.report.words import grouped

    rows = grouped(((why, row), dataset) for (row, dataset), why in left_out.items())
    reasons = grouped((why, f"{row} ({', '.join(of)})") for (why, row), of in rows.items())
    return [f"{', '.join(of)}: {why}" for why, of in reasons.items()]


def _usable(loaded: Any, options: Options) -> tuple[pd.DataFrame, dict[Place, str]]:
    """Return the runs that may be averaged, each with its `stored`; and why other rows are not."""
    from chmr_bench.runner.ensembling import NAME

    runs = loaded.frame
    plain = ~runs["failed"] & runs["missing"].isna() & (runs["own_profiles"] == "")
    runs = runs[plain & (runs["model"] != NAME)]
    names = [*suite_datasets(options), *as_list(options.get("dataset"))]
    runs = runs[runs["dataset"].isin(names)] if names else runs
    runs = runs[_on_split(runs, options.get("split") or "")]
    wanted = as_list(options.get("model"))
    for name in wanted:
        if name not in {*runs["model"], *runs["row"]}:
            hint = "(of those with runs on record there)"
            raise UnknownNameError("row", name, {*runs["row"]}, hint)
    if wanted:  # a name is that of a row; only where none is called so, of a model
        models = {*wanted} - {*runs["row"]}
        runs = runs[runs["row"].isin(wanted) | runs["model"].isin(models)]
    runs = runs.assign(stored=[loaded.stored[identity] for identity in runs["identity"]])
    reasons = [_why_not(run) for _, run in runs.iterrows()]
    places = zip(runs["row"], runs["dataset"], strict=True)
    left_out = {place: why for place, why in zip(places, reasons, strict=True) if why}
    return runs.loc[[not why for why in reasons]], left_out


def _on_split(runs: pd.DataFrame, method: str) -> pd.Series[bool]:
    """Return which runs are on the split, or, where none is named, on each dataset's own.

    That is the published one where a dataset has runs on it, else any.
    """
    if method and method not in set(runs["split"]):
        check_method(method)
    published = runs["split"] == REFERENCE
    has_published = published.groupby(runs["dataset"]).transform("any")
    return runs["split"] == method if method else published | ~has_published


def _why_not(run: Any) -> str:
    """Return why a run cannot be averaged, "" where it can."""
    if run["labels_seen"]:
        return "it may have learnt from labels of the benchmark"
    if not (run["stored"].content.get("predictions") or {}).get("n_valid"):
        return "no predictions of the validation rows are stored; remove the runs, and run again"
    return ""


def _members(table: pd.DataFrame) -> tuple[Members | None, dict[Place, str]]:
    """Return the runs of one dataset and split by row and seed, and why other rows are left out.

    The seeds are those that more than half of the rows with seeds have; who lacks one is left out.
    A deterministic row serves all of them. None where no two rows are left.
    """
    from chmr_bench.runner.ensembling import Members

    by_row: dict[str, dict[int | None, Any]] = {}
    for row, seed, stored in zip(table["row"], table["seed"], table["stored"], strict=True):
        by_row.setdefault(row, {})[None if seed is None else int(seed)] = stored
    seeds = tuple(sorted(_seeds(map(set, by_row.values())))) or (None,)
    whole, left_out = {}, {}
    for row, own in sorted(by_row.items()):
        if None in own or set(seeds) <= set(own):
            whole[row] = tuple(own[None] if None in own else own[seed] for seed in seeds)
        else:
            lacks = ", ".join(str(seed) for seed in seeds if seed not in own)
            left_out[row, table["dataset"].iloc[0]] = (
                f"no run of seed {lacks}, which most rows have"
            )
    return (Members(whole, seeds) if len(whole) > 1 else None), left_out


def _seeds(of: Iterable[set[int | None]]) -> set[int]:
    """Return the seeds that more than half of the rows that have any have."""
    drawn = [own for own in of if None not in own]
    counts = Counter(seed for own in drawn for seed in own if seed is not None)
    return {seed for seed, n in counts.items() if 2 * n > len(drawn)}


def _stored(made: list[tuple[Ensemble, ...]], store: RecordStore, out: Path) -> None:
    """Store the runs, pack them and write the tables, as `run` does."""
    from chmr_bench.report import leaderboard

    store.prepare()
    for ensemble in (one for of_table in made for one in of_table):
        log = "\n".join(ensemble.record.remarks)
        store.write(ensemble.record, ensemble.predictions, ensemble.replicates, log)
    store.pack()
    leaderboard.build(store, out)

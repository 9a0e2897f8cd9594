"""The section on own profiles: what they add on the molecules that an atlas has measured.

It is made of the tables of masked modalities of datasets called ``NAME+ATLAS``: everything masked
is the same model on structure alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sections import MASKED, NONE, RECORDS, holm_words, left_after_holm, markdown, tables_in

from chmr_bench.records import Record, RecordStore
from chmr_bench.report.digits import difference_text
from chmr_bench.statistics import corrected_resampled

STORED = MASKED
WORLD = "pretrain+finetune+test"
Run: TypeAlias = tuple[int | None, int | None]
"""The seeds of a run's split and of the run."""
MODEL, WEAKER, ENCODER = "cells.counts", "cells.mlp", "chmr.cell-finetuned"
"""The networks whose gain is told: on counts and descriptors, on bits alone, and CHMR's."""
FAMILIES_OF = ("toxcast+wong2024", "toxcast+nci60", "toxcast+yeast-cgm")
"""The datasets whose tasks are told apart by assay family: what their names begin with."""
ALONE = "- Bold: the interval excludes 0, each family for itself."
WHAT = ("the gains", "those over permuted profiles")
"""What is corrected for the number of rows."""
HEADS = (
    *("molecules", "split", "test", "runs", "structure alone", "+ profiles", "gain"),
    "over permuted",
)
SPLITS = {"published": " on the published split", "10 strict": ""}
"""What is said of the split that a gain was measured on."""
NOTES = (
    "Points of ROC-AUC of `{model}`, with 95 % intervals: over the published split paired over "
    "seeds and test molecules, over drawn ones by the corrected resampled t-test. Bold: the "
    "interval excludes 0, each row for itself.",
    "gain: over the same network with every profile masked. over permuted: over the same network "
    "fitted on the profiles of other molecules.",
)


class Row(NamedTuple):
    """A row of the table, what it is sorted by, its two gains as text and their p."""

    key: tuple[str, str, str]
    cells: tuple[object, ...]
    gains: list[str]
    p: list[float | None]


def section(model: str = MODEL, stages: str = WORLD) -> str:
    """Return the table of one model, a row a dataset, atlas and kind of split."""
    rows = _rows(model, stages)
    if not rows:
        return NONE
    notes = (*(note.format(model=model) for note in NOTES), *_corrected(rows))
    table = markdown(HEADS, [row.cells for row in rows], left=["split"])
    return "\n".join([table, "", *(f"- {note}" for note in notes)])


def weaker() -> str:
    """Return the same of a network on bits alone."""
    return section(WEAKER)


def encoder() -> str:
    """Return the same of CHMR's networks, profiles masked or permuted while they are fitted.

    What was learnt from another atlas before is left as it is.
    """
    return section(ENCODER, "finetune")


def adds() -> str:
    """Return a sentence a dataset: what profiles add beyond structure, be it nothing."""
    rows = _rows(MODEL, WORLD)
    left = [set(left_after_holm(p)) for p in _strict_p(rows)]
    sentences = []
    for name in sorted({row.key[0] for row in rows}):
        own = [row for row in rows if row.key[0] == name]
        sentences.append(f"- **{name}**: {_sentence(own, left)}.")
    return "\n".join(sentences) or NONE


def _sentence(rows: Sequence[Row], left: Sequence[set[tuple[str, ...]]]) -> str:
    """Return what is shown of a dataset's gains, and what of it is left after correction."""
    of: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        where = f"`{row.key[1]}`{SPLITS.get(row.key[2], f' on {row.key[2]} splits')}"
        sign, text = _shown(row.gains[0]), row.gains[0].replace("*", "")
        of[sign].append(f"{text} with {where}")
        of[f"permuted {_shown(row.gains[1])}"].append(where)
        for i, corrected in enumerate(left):
            if _shown(row.gains[i]) == "+" and row.key in corrected:
                of[f"left {i}"].append(where)
    parts = []
    if of["+"]:
        kept = f"left after the correction with {_listed(of['left 0'])}"
        parts.append(f"profiles add to structure {_listed(of['+'])}")
        parts.append(kept if of["left 0"] else "nothing of it is left after the correction")
    parts += [f"with profiles it is worse: {_listed(of['-'])}"] if of["-"] else []
    if of["0"]:
        none = "nothing" if parts else "profiles add nothing to structure"
        parts.append(f"{none} that is shown: {_listed(of['0'])}")
    over = f"ahead of permuted profiles with {_listed(of['permuted +'])}"
    over += f", after the correction with {_listed(of['left 1'])}" if of["left 1"] else ""
    parts.append(over if of["permuted +"] else "no gain over permuted profiles is shown")
    return "; ".join(parts)


def _shown(gain: str) -> str:
    """Return the sign of a gain whose interval excludes 0, or "0"."""
    return gain.strip("*")[0] if gain.startswith("*") else "0"


def _listed(words: Sequence[str]) -> str:
    """Return the words with commas, and "and" before the last."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _strict_p(rows: Sequence[Row]) -> list[dict[tuple[str, ...], float]]:
    """Return the rows over strict splits -> p, of either gain."""
    strict = [row for row in rows if row.key[2].endswith("strict")]
    return [{row.key: p for row in strict if (p := row.p[i]) is not None} for i in range(len(WHAT))]


def _corrected(rows: Sequence[Row]) -> Iterator[str]:
    """Yield which gains over strict splits are left after Holm's correction for their number."""
    for what, known in zip(WHAT, _strict_p(rows), strict=True):
        p = {"+".join(key[:2]): value for key, value in known.items()}
        if len(p) > 1:
            yield f"After {holm_words(p, f'rows over strict splits, of {what}')}"


def _rows(model: str, stages: str) -> list[Row]:
    """Return the rows of a model, by dataset, atlas and kind of split."""
    rows = (_row(table, model, stages) for table in tables_in(STORED))
    return sorted((row for row in rows if row), key=lambda row: row.key)


def _row(table: Mapping[str, Any], model: str, stages: str) -> Row | None:
    """Return the row of a table of masked modalities; None where it is of something else."""
    (name, *others), split = table["datasets"], table["split"]
    setting = [table[what] for what in ("stages", "modalities", "mechanism", "metric")]
    if "+" not in name or others or setting != [stages, "all", "random", "roc_auc"]:
        return None
    points = {
        (row["shuffled"], point["rate"]): point
        for row in table["rows"]
        if row["model"] == model
        for point in row["points"]
    }
    own, bare, permuted = (points.get(key) for key in ((False, 0), (False, 1), (True, 0)))
    if not own or not bare:
        return None
    drawn = split.get("n_splits", 1)
    test = f"{split['n_test']:,}" if "n_test" in split else "-"
    scores = (f"{100 * point['score']:.1f}" for point in (bare, own))
    gains = [_gain(point) for point in (bare, permuted)]
    kind = "published" if split["name"] == "reference" else f"{drawn} {split['name']}"
    whole, _, atlas = name.partition("+")
    p = [point and point["change_p"] for point in (bare, permuted)]
    cells = (name, kind, test, own["n_runs"], *scores, *gains)
    return Row((whole, atlas, kind), cells, gains, p)


def _gain(point: dict[str, Any] | None) -> str:
    """Return how much better the model is with its own profiles than at that point."""
    if not point or point["change"] is None:
        return "-"
    ends = (-100 * point[key] for key in ("change", "change_high", "change_low"))
    return difference_text(*ends)


def families() -> str:
    """Return the gain by assay family, over the strict splits of each dataset."""
    gains = {name: _families_of(name) for name in FAMILIES_OF}
    counts: dict[str, float] = {}
    for of in gains.values():
        counts = {family: gain.n_tasks for family, gain in of["bare"].items()} | counts
    if not counts:
        return NONE
    heads = [head for name in gains for head in (f"{name}: tasks", "gain", "over permuted")]
    rows = [
        (family, *(cell for of in gains.values() for cell in _family_cells(of, family)))
        for family in sorted(counts, key=lambda f: -counts[f])
    ]
    notes = [ALONE]
    for name, of in gains.items():
        notes += [_left_of(name, what, of[kind]) for what, kind in zip(WHAT, of, strict=True)]
        notes += _without(name)
    return "\n".join([markdown(("assays", *heads), rows), "", *notes])


def _families_of(dataset: str) -> dict[str, dict[str, FamilyGain]]:
    """Return the gains by family, over structure alone and over permuted profiles."""
    runs: dict[str, dict[Run, Record]] = defaultdict(dict)
    for kind, record in _strict(dataset):
        runs[kind][record.split.seed, record.seed] = record
    return {kind: _by_family(runs["own"], runs[kind]) for kind in ("bare", "permuted")}


def _family_cells(of: Mapping[str, Mapping[str, FamilyGain]], family: str) -> Iterator[str]:
    """Yield the number of tasks of a family with a score and its two gains."""
    yield f"{of['bare'][family].n_tasks:.0f}" if family in of["bare"] else "-"
    for gains in of.values():
        yield gains[family].text if family in gains else "-"


def _left_of(dataset: str, what: str, gains: Mapping[str, FamilyGain]) -> str:
    """Return which families' gains are left after Holm's correction for their number."""
    p = {family: gains[family].p for family in sorted(gains)}
    return f"- {dataset}: after {holm_words(p, f'families, of {what}')}"


def _without(dataset: str) -> Iterator[str]:
    """Yield what is lost with the read-outs of one modality masked everywhere."""
    for table in tables_in(STORED):
        drawn = (table["split"] or {}).get("n_splits")
        if table["datasets"] != [dataset] or table["modalities"] == "all" or not drawn:
            continue
        for row in (row for row in table["rows"] if row["model"] == MODEL):
            lost = next(point for point in row["points"] if point["rate"] == 1)
            without = f"without {table['modalities']}, of all tasks"
            yield f"- {dataset}: {without}: {_gain(lost)} is lost."


@cache
def _store() -> RecordStore:
    """Return the records; what they hold of tasks is read once for all datasets."""
    return RecordStore(RECORDS)


def _strict(dataset: str) -> Iterator[tuple[str, Record]]:
    """Yield the runs, and whether on own profiles, on none or on permuted ones."""
    for record in _store().of(dataset, MODEL):
        missing = record.missing or {}
        if record.split.name != "strict" or record.metrics is None:
            continue
        if not missing:
            yield "own", record
        elif missing["mechanism"] != "random":
            continue
        elif missing["stages"] == WORLD.split("+") and not missing["modalities"]:
            if missing["shuffled"] and not missing["rate"]:
                yield "permuted", record
            elif missing["rate"] == 1:
                yield "bare", record


class FamilyGain(NamedTuple):
    """The gain as text, its tasks with a score on a split, and p; NaN = no test was made."""

    text: str
    n_tasks: float
    p: float


def _by_family(own: dict[Run, Record], others: dict[Run, Record]) -> dict[str, FamilyGain]:
    """Return assay family -> its gain."""
    pairs_of: dict[str, dict[Any, list[float]]] = defaultdict(lambda: defaultdict(list))
    shared = own.keys() & others.keys()
    for run in sorted(shared, key=str):
        here, there = (_scores(runs[run]) for runs in (own, others))
        for task in here.keys() & there.keys():
            pairs_of[task.partition("_")[0]][run].append(here[task] - there[task])
    sizes = (np.mean([getattr(own[run].split, k) for run in shared]) for k in ("n_train", "n_test"))
    n_train, n_test = map(float, sizes)
    result = {}
    for family, of in pairs_of.items():
        splits: dict[Any, list[float]] = defaultdict(list)
        for (split, _), gains in of.items():
            splits[split].append(float(np.mean(gains)))
        n = float(np.mean([len(gains) for gains in of.values()]))
        text, p = "-", math.nan
        if len(splits) > 1:
            means = np.array([np.mean(gains) for gains in splits.values()])
            found = corrected_resampled(means, n_train, n_test)
            ends = {"change_low": -found.high, "change_high": -found.low}
            text, p = _gain({"change": -found.mean, **ends}), found.p
        result[family] = FamilyGain(text, n, p)
    return result


def _scores(record: Record) -> dict[str, float]:
    """Return task -> ROC-AUC, of those that could be scored."""
    metrics = record.metrics
    return {t.task: t.score for t in metrics.per_task if t.score is not None} if metrics else {}

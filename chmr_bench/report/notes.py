"""The lines that stand under tables and boards: what was left out, leaked, and learnt from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from chmr_bench.plugins import registry
from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.boards import FilledBoard
from chmr_bench.report.digits import NONE

FEWER = "*"
NOT_AUDITED = "not audited"
TASKS_NAMED = 20
TIME_NOTE = (
    "Wall clock of each run as it was made, beside whatever else the machine was doing: an order "
    "of magnitude, no comparison; what an earlier run had left (embeddings, linear heads) was not "
    "computed again. `make bench` measures ratios side by side."
)

# ------------------------------------------------------------------------------------- one dataset


def table_notes(table: Table) -> list[str]:
    """Return the notes of a dataset's table."""
    notes = []
    if table.n_dropped:
        rows = "1 row of the source was" if table.n_dropped == 1 else None
        rows = rows or f"{table.n_dropped} rows of the source were"
        notes.append(
            f"{rows} left out on the user's order (--on-invalid drop); every score here is without."
        )
    others = [name for name in table.facts["split_names"] if name != table.facts["split"]]
    if others:
        notes.append(
            f"Asked for as {', '.join(others)} split too: the same rows of train, valid and test."
        )
    notes += _not_evaluable(table)
    notes += _clean_rows(table)
    notes += [*pretraining_notes(table.rows), *_seen(table.rows)]
    notes += [line for row in table.rows for line in _failures(row)]
    known = _caveats(table)
    return [*notes, *([f"Known of these data: {'; '.join(known)}."] if known else [])]


def _not_evaluable(table: Table) -> list[str]:
    if not table.not_evaluable:
        return []
    reasons = [f"`{task['task']}` ({task['reason']})" for task in table.not_evaluable]
    more = len(reasons) - TASKS_NAMED
    shown = "; ".join(reasons[:TASKS_NAMED]) + (f"; {more} more in the JSON file" * (more > 0))
    return [
        f"Not evaluable: {len(reasons)} of {table.facts['n_tasks']} tasks, in no mean and in "
        f"no share: {shown}."
    ]


def _clean_rows(table: Table) -> list[str]:
    """Return what clean rows are, and how many there are."""
    audit = table.audited
    if audit is None:
        return []
    counts = {score.n_evaluable for row in table.rows for score in row.clean or ()}
    n_tasks = table.facts["n_tasks"]
    told = f"; {min(counts)} of {n_tasks} tasks can be evaluated on them" if counts else ""
    return [
        f"Clean rows: the {audit.n_clean:,} of {audit.n_test:,} test rows of which no row of train "
        f"or valid has the connectivity or the parent{told}. Leaked: the share of the others. "
        f"'{NOT_AUDITED}': `chmr-bench audit --records` has not seen a run, or saw other "
        "predictions."
    ]


def _failures(row: Row) -> list[str]:
    """Return a line a kind of failure, with how many jobs it hit."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for failure in row.failures:
        seed = "no seed" if failure.seed is None else str(failure.seed)
        seeds.setdefault((failure.phase, failure.error), []).append(seed)
    lines = []
    for (phase, error), which in seeds.items():
        jobs = "1 job" if len(which) == 1 else f"{len(which)} jobs"
        word = "" if which == ["no seed"] else ("seed " if len(which) == 1 else "seeds ")
        lines.append(f"Failed: {row.label}, {jobs} ({word}{', '.join(which)}), in {phase}: {error}")
    return lines


def _caveats(table: Table) -> tuple[str, ...]:
    """Return what a reader of a dataset's scores must know, as it is registered in that version."""
    registered = registry().datasets.get(table.name)
    if registered is None or table.facts["origin"] != "registered":
        return ()
    spec = registered.spec
    return spec.notes if spec.version == table.facts["dataset_version"] else ()


# ------------------------------------------------------------------------------------- pretraining


def pretraining_notes(rows: Iterable[Row]) -> list[str]:
    """Return a line each pretraining that differs, with the rows that start from it."""
    labels: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for words in dict.fromkeys(line["pretrained_on"] for line in row.lines):
            if words and row.label not in labels[words]:
                labels[words].append(row.label)
    return [f"Pretrained on {words}: {', '.join(names)}." for words, names in labels.items()]


def _most_seen(row: Row) -> int | None:
    """Return the most test molecules that weights of any run learnt from; None = not known."""
    return max((n for r in row.good if (n := r["n_test_seen"]) is not None), default=None)


def _seen(rows: Iterable[Row]) -> list[str]:
    """Return one line on the test molecules of a table that weights learnt from, or none."""
    counts: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        seen = _most_seen(row)
        if seen is not None:
            counts[seen].append(row.label)
    told = [f"{n} ({', '.join(names)})" for n, names in sorted(counts.items())]
    return [f"Test molecules that pretraining saw, without labels: {'; '.join(told)}."] * bool(told)


def _seen_on_drawn(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return one line on the test molecules of drawn splits that weights learnt from, or none.

    Pretraining leaves out the reference test parts; those of other splits it may have met.
    """
    most: dict[str, dict[str, int]] = defaultdict(dict)
    for dataset, found in rows.items():
        for row in found:
            if seen := _most_seen(row):
                most[row.label][dataset] = max(most[row.label].get(dataset, 0), seen)
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


# ----------------------------------------------------------------------------------------- a board


def board_notes(board: FilledBoard) -> list[str]:
    """Return the notes of a board."""
    n_complete = sum(row.average_rank is not None for row in board.rows)
    told = _drawn_notes if board.board.is_drawn else _reference_notes
    return [*told(board, n_complete), *_left_out(board)]


def _reference_notes(board: FilledBoard, n_complete: int) -> list[str]:
    n_class, n_datasets = len(board.classification), len(board.board.datasets)
    rank = f"rank: none yet, since no model covers all {n_datasets} datasets."
    if n_complete:
        models = "1 model that covers" if n_complete == 1 else f"{n_complete} models that cover"
        rank = (
            f"rank: average over the datasets of the rank among the {models} all {n_datasets}. On "
            "a dataset, two models whose 95 % intervals overlap are tied: rank = 1 + models "
            "clearly better + half of those tied."
        )
    return [
        "Each cell is the mean over seeds of the dataset's score, which is the unweighted mean "
        "over its evaluable tasks: ROC-AUC in percent unless the heading says otherwise.",
        f"mean of {n_class}: over the {n_class} classification datasets, each counting once; never "
        "over tasks.",
        rank,
        f"'{NONE}': not measured; a mean or a rank over fewer datasets than the board's is not "
        "comparable, so none is given.",
        *board.board.notes,
        *_leaked(board),
        *pretraining_notes(
            row for one in board.rows for cell in one.cells.values() for row in cell.rows.values()
        ),
    ]


def _drawn_notes(board: FilledBoard, n_complete: int) -> list[str]:
    rank = "rank: none yet, since no model has every dataset on every split on record."
    if n_complete:
        models = "1 model" if n_complete == 1 else f"{n_complete} models"
        rank = (
            f"rank: average over the datasets of the rank among the {models} with a score on every "
            "split on record of every dataset. Two models are tied where their 95 % t intervals "
            "over splits, corrected for overlapping training sets, overlap."
        )
    notes = [
        "Each cell is the mean ± s.d. over splits of the dataset's score, on each split the mean "
        "over seeds: ROC-AUC in percent unless the heading says otherwise. Every split is drawn "
        f"by its own seed (`--split {board.board.split} --split-seeds N`).",
        "mean: over the classification datasets, each counting once; its s.d. is over splits.",
        rank,
        f"'{NONE}': not measured.",
    ]
    if any(not cell.is_complete for row in board.rows for cell in row.cells.values()):
        notes.append(
            f"{FEWER} on fewer splits than there are on record (how many in brackets): not the "
            "same splits as the other rows, so in no mean and no rank."
        )
    rows = {n: [row for t in drawn for row in t.rows] for n, drawn in board.tables.items()}
    every = [row for found in rows.values() for row in found]
    return [*notes, *board.board.notes, *pretraining_notes(every), *_seen_on_drawn(rows)]


def _leaked(board: FilledBoard) -> list[str]:
    """Return how much of each dataset's test rows is leaked, where it was audited."""
    told = [
        f"{name} {100 * table.audited.leaked_share:.1f} %"
        for name, (table, *_) in board.tables.items()
        if table.audited is not None
    ]
    if not told:
        return []
    return [
        "Share of test rows whose connectivity or parent is in train or valid: "
        f"{', '.join(told)}. Each dataset's own table has the scores on the other rows."
    ]


def _left_out(board: FilledBoard) -> list[str]:
    notes = []
    for table in board.left_out:
        content = f"data {table.facts['dataset_digest'][:12]}"
        if not board.board.is_drawn:
            content += f", split {table.facts['split_digest'][:12]}"
        notes.append(
            f"{table.name} was also measured on other content ({content}); that is in a table of "
            "its own and not here."
        )
    return notes

"""Audits as tables: what test rows a model has seen, how near the others are, what labels say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chmr_bench.audit import Audit, Leak, Overlap, Pretraining, TaskLabels
from chmr_bench.report.grids import NONE, Grid
from chmr_bench.report.leaks import COLUMNS, LEVEL_WORDS, percent
from chmr_bench.report.render import section
from chmr_bench.report.words import notes
from chmr_bench.types import PARTS

CONFLICTS_SHOWN = 10
TASKS_SHOWN = 60
"""More tasks than that are in the files, not on a terminal."""


@dataclass(frozen=True)
class Audits:
    """All that one command audited, in the order asked for."""

    audits: tuple[Audit, ...]
    across: tuple[Overlap, ...] = ()
    pretraining: tuple[Pretraining, ...] = ()


def audit_grids(found: Audits, *, whole: bool) -> list[Grid]:
    """Return the tables; `whole` = with every task's labels, folded, else only of few tasks."""
    audits = found.audits
    grids = [
        _leak_grid(audits, [a.leaks for a in audits], "training"),
        _leak_grid(audits, [a.leaks_with_valid for a in audits], "training or validation"),
        _straddle_grid(audits),
        _similarity_grid(audits),
        _duplicate_grid(audits),
        *(_conflict_grid(a, whole) for a in audits if a.duplicates.conflicts),
        _label_grid(audits),
    ]
    if whole or (len(audits) == 1 and len(audits[0].tasks) <= TASKS_SHOWN):
        grids += [_task_grid(a) for a in audits]
    if len(audits) > 1:
        grids.append(_across_grid(found))
    if found.pretraining:
        grids.append(_pretraining_grid(found))
    return grids


def audit_page(found: Audits, picture: str) -> str:
    """Return the tables as a Markdown page that shows the picture of that name beside it."""
    parts = ["# Audit"]
    for grid in audit_grids(found, whole=True):
        parts.append(section("##", grid))
        if grid.title.startswith("Similarity"):
            parts.append(f"![similarity to the nearest training molecule]({picture})")
    return "\n\n".join(parts) + "\n"


def label(one: Audit) -> str:
    """Return the dataset's name, marked where it is simulated."""
    return one.subject.spec.name + ("*" if one.subject.spec.synthetic else "")


def split_label(one: Audit) -> str:
    """Return the split's name, with its seed where it draws."""
    seed = one.subject.seed
    return one.subject.method + ("" if seed is None else f" {seed}")


def _leak_grid(audits: Sequence[Audit], leaks: Sequence[Sequence[Leak]], where: str) -> Grid:
    rows = []
    for one, found in zip(audits, leaks, strict=True):
        cells = [percent(leak.leaked_rows, leak.test_rows) for leak in found]
        rows.append((label(one), split_label(one), f"{found[0].test_rows:,}", *cells))
    counts = [(label(a), a.leaks[-1].unnamed_rows) for a in audits]
    below = notes(
        "levels",
        audited=False,
        ringless=[f"{name} {n:,}" for name, n in counts if n],
        synthetic=any(a.subject.spec.synthetic for a in audits),
    )
    title = f"Test rows with a twin in {where}"
    return Grid(title, COLUMNS, tuple(rows), ("dataset", "split"), below)


def _straddle_grid(audits: Sequence[Audit]) -> Grid:
    rows = []
    for one in audits:
        cells = [
            f"{s.straddling_groups:,} of {s.groups:,} ({s.straddling_rows:,} rows)"
            for s in one.straddles
        ]
        rows.append((label(one), split_label(one), *cells))
    columns = ("dataset", "split", *LEVEL_WORDS.values())
    title = "Groups with rows in more than one of train, valid and test"
    return Grid(title, columns, tuple(rows), ("dataset", "split"))


def _similarity_grid(audits: Sequence[Audit]) -> Grid:
    bins = [f"{i / 10:.1f}-{(i + 1) / 10:.1f}" for i in range(10)]
    rows = []
    for one in audits:
        found = one.similarity
        shares = [f"{100 * count / found.n:.1f}" for count in found.counts]
        alike = f"{100 * found.identical / found.n:.1f}"
        rows.append((label(one), f"{found.median:.2f}", *shares, alike))
    return Grid(
        "Similarity of test rows to the nearest training row, % of test rows",
        ("dataset", "median", *bins, "same bits"),
        tuple(rows),
        ("dataset",),
        ("Tanimoto similarity of Morgan bits, radius 2, 2,048 bits; exact.",),
    )


def _duplicate_grid(audits: Sequence[Audit]) -> Grid:
    rows = []
    for one in audits:
        for level, found in (("SMILES", one.exact), ("connectivity", one.duplicates)):
            cells = (found.groups, found.rows, found.conflicting_groups, found.conflicting_rows)
            texts = [f"{n:,}" for n in (*cells, len(found.conflicts))]
            rows.append((label(one), level, *texts))
    columns = ("molecules in several rows", "their rows", "with differing labels", "rows of these")
    return Grid(
        "Molecules in several rows of a dataset",
        ("dataset", "same", *columns, "tasks"),
        tuple(rows),
        ("dataset", "same"),
        (
            "Rows of one SMILES contradict each other where their labels differ; stereoisomers, "
            "which share a connectivity, may well differ.",
        ),
    )


def _conflict_grid(one: Audit, whole: bool) -> Grid:
    spec, found = one.subject.spec, one.duplicates
    is_class = spec.task_type == "classification"
    spread = () if is_class else ("largest difference", "median difference")
    rows = []
    for conflict in found.conflicts[: None if whole else CONFLICTS_SHOWN]:
        cells = [conflict.task, f"{conflict.groups:,}", f"{conflict.rows:,}"]
        cells += [] if is_class else [f"{conflict.largest:.3g}", f"{conflict.median:.3g}"]
        rows.append(tuple(cells))
    columns = ("task", "molecules", "rows", *spread)
    left = len(found.conflicts) - len(rows)
    notes = [f"And {left} tasks more: --out DIR writes them all."] if left else []
    notes += [f"Differences in {spec.unit}."] if spec.unit and not is_class else []
    for example in found.examples:
        where = ", ".join(map(str, example.rows[:6])) + (", ..." if len(example.rows) > 6 else "")
        text = one.subject.dataset.smiles[example.rows[0]]
        shown = text if len(text) <= 60 else text[:57] + "..."
        ends = f"{example.low:.4g} and {example.high:.4g}"
        notes.append(f"rows {where} (from 0), {example.task}: {ends}, `{shown}`")
    title = f"{label(one)}: tasks in which rows of one connectivity differ"
    return Grid(
        title, columns, tuple(rows), ("task",), tuple(notes), folded=len(rows) > TASKS_SHOWN
    )


def _label_grid(audits: Sequence[Audit]) -> Grid:
    rows, notes = [], []
    for one in audits:
        tasks, blind, dumb = one.tasks, one.not_evaluable, one.not_teachable
        counts = [f"{sum(task.n[i] for task in tasks):,}" for i in range(len(PARTS))]
        rarer = [_minority(task) for task in tasks if task.positives is not None]
        fewest = str(sorted(rarer)[len(rarer) // 2]) if rarer else NONE
        told = (f"{len(tasks) - len(blind)} of {len(tasks)}", f"{len(dumb)}")
        rows.append((label(one), split_label(one), *counts, *told, fewest))
        notes += _reasons(one, "not evaluable in test", [(t.task, t.obstacle) for t in blind])
        notes += _reasons(one, "nothing to learn", [(t.task, t.train_obstacle) for t in dumb])
    columns = ("dataset", "split", *(f"labels in {part}" for part in PARTS))
    return Grid(
        "Labels",
        (*columns, "tasks evaluable in test", "tasks of one value in train", "median rarer class"),
        tuple(rows),
        ("dataset", "split"),
        ("Median rarer class: test rows of a task's rarer class, median over tasks.", *notes),
    )


def _minority(task: TaskLabels) -> int:
    positives = task.positives or (0, 0, 0)
    return min(positives[2], task.n[2] - positives[2])


def _reasons(one: Audit, what: str, tasks: Iterable[tuple[str, str]]) -> list[str]:
    grouped: dict[str, list[str]] = {}
    for task, reason in tasks:
        grouped.setdefault(reason, []).append(task)
    return [f"{label(one)}, {what}: {', '.join(n)}: {reason}." for reason, n in grouped.items()]


def _task_grid(one: Audit) -> Grid:
    is_class = one.subject.spec.task_type == "classification"
    heads = [f"{part} +/-" if is_class else f"{part} labels" for part in PARTS]
    rows = []
    for task in one.tasks:
        cells = [str(n) for n in task.n]
        if task.positives is not None and task.negatives is not None:
            pairs = zip(task.positives, task.negatives, strict=True)
            cells = [f"{positive}/{negative}" for positive, negative in pairs]
        rows.append(
            (task.task, *cells, "; ".join(filter(None, (task.obstacle, task.train_obstacle))))
        )
    return Grid(
        f"{label(one)}, {split_label(one)} split: labels by task",
        ("task", *heads, "obstacle"),
        tuple(rows),
        ("task", "obstacle"),
        folded=len(rows) > TASKS_SHOWN,
    )


def _across_grid(found: Audits) -> Grid:
    names = [label(a) for a in found.audits]
    shares = {(o.test_of, o.train_of): o for o in found.across}
    rows = []
    for one in found.audits:
        cells = [shares[key_of(one), key_of(other)] for other in found.audits]
        rows.append((label(one), *(percent(o.shared_rows, o.test_rows) for o in cells)))
    return Grid(
        "Test rows of each dataset (lines) whose connectivity is in training rows of (columns)",
        ("test of", *(f"train of {name}" for name in names)),
        tuple(rows),
        ("test of",),
    )


def key_of(one: Audit) -> str:
    """Return what tells datasets of one command apart: two files may have one name."""
    return f"{one.subject.spec.name} {one.subject.digest[:12]}"


def _pretraining_grid(found: Audits) -> Grid:
    titles = {key_of(a): label(a) for a in found.audits}
    shares = {(p.weights, p.dataset): p for p in found.pretraining}
    rows = []
    for weights in dict.fromkeys(p.weights for p in found.pretraining):
        cells = [shares[weights, key] for key in titles]
        texts = [percent(p.seen_rows, p.test_rows) for p in cells]
        rows.append((weights, f"{cells[0].learnt_from:,}", *texts))
    return Grid(
        "Test rows whose connectivity pretrained weights learnt from, without labels",
        ("weights", "molecules", *titles.values()),
        tuple(rows),
        ("weights",),
    )


# --------------------------------------------------------------------------------------------- JSON


def audits_json(found: Audits) -> dict[str, Any]:
    """Return all of it as plain values."""
    return {
        "datasets": [_audit_json(a) for a in found.audits],
        "across": [_named(one) for one in found.across],
        "pretraining": [_named(one) for one in found.pretraining],
    }


def _named(one: Overlap | Pretraining) -> dict[str, Any]:
    """Return a share with datasets by their names alone."""
    told = {**asdict(one), "share": one.share}
    names = {"test_of", "train_of", "dataset"} & told.keys()
    return told | {name: told[name].rpartition(" ")[0] for name in names}


def _audit_json(one: Audit) -> dict[str, Any]:
    subject = one.subject
    split = {"name": subject.method, "seed": subject.seed, "digest": subject.split.digest()}
    return {
        "name": subject.spec.name,
        "digest": subject.digest,
        "synthetic": subject.spec.synthetic,
        "split": split | {f"n_{part}": len(subject.split.part(part)) for part in PARTS},
        "levels": _levels(one.leaks),
        "levels_with_valid": _levels(one.leaks_with_valid),
        "test_rows_without_a_ring": one.leaks[-1].unnamed_rows,
        "straddling": {s.level: asdict(s) for s in one.straddles},
        "similarity": asdict(one.similarity),
        "duplicates": asdict(one.duplicates),
        "duplicates_by_smiles": asdict(one.exact),
        "tasks": [{**asdict(task), "negatives": task.negatives} for task in one.tasks],
    }


def _levels(leaks: Sequence[Leak]) -> dict[str, Any]:
    names = ("test_rows", "leaked_rows", "share")
    return {leak.level: {name: getattr(leak, name) for name in names} for leak in leaks}

"""Audits as tables: what test rows a model has seen, how near the others are, what labels say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chmr_bench.audit import Audit, Leak, Overlap, Pretraining, TaskLabels
from chmr_bench.report.aggregate import Table
from chmr_bench.report.digits import NONE
from chmr_bench.report.grids import Grid, section
from chmr_bench.report.words import dataset_label, grouped, notes, split_words
from chmr_bench.types import PARTS

LEVEL_WORDS = {
    "smiles": "same SMILES",
    "parent": "same parent",
    "connectivity": "same connectivity",
    "molecule": "same molecule in any form",
    "scaffold": "same flat scaffold",
}
CONFLICTS_SHOWN = 10
TASKS_SHOWN = 60
"""More tasks than that are in the files, not on a terminal."""


@dataclass(frozen=True)
class Audits:
    """All that one command audited, in the order asked for."""

    audits: tuple[Audit, ...]
    across: tuple[Overlap, ...] = ()
    pretraining: tuple[Pretraining, ...] = ()


def audit_grids(audited: Audits, *, whole: bool) -> list[Grid]:
    """Return the tables; `whole` = with every task's labels, folded, else only of few tasks."""
    audits = audited.audits
    grids = [
        _leak_grid(audits, [a.leaks for a in audits], "training"),
        _leak_grid(audits, [a.leaks_with_valid for a in audits], "training or validation"),
        _split_groups_grid(audits),
        _similarity_grid(audits),
        _duplicate_grid(audits),
        *(_conflict_grid(a, whole) for a in audits if a.duplicates.conflicts),
        _label_grid(audits),
    ]
    if whole or (len(audits) == 1 and len(audits[0].tasks) <= TASKS_SHOWN):
        grids += [_task_grid(a) for a in audits]
    if len(audits) > 1:
        grids.append(_across_grid(audited))
    if audited.pretraining:
        grids.append(_pretraining_grid(audited))
    return grids


def audit_page(audited: Audits, picture: str) -> str:
    """Return the tables as a Markdown page that shows the picture of that name beside it."""
    parts = ["# Audit"]
    for grid in audit_grids(audited, whole=True):
        parts.append(section("##", grid))
        if grid.title.startswith("Similarity"):
            parts.append(f"![similarity to the nearest training molecule]({picture})")
    return "\n\n".join(parts) + "\n"


def label(one: Audit) -> str:
    """Return the dataset's name, marked where it is simulated."""
    return dataset_label(one.subject.spec.name, synthetic=one.subject.spec.synthetic)


def split_label(one: Audit) -> str:
    """Return the split's name, with its seed where it draws."""
    return split_words(one.subject.method, one.subject.seed)


def percent(count: int, of: int) -> str:
    """Return ``39.2 % (643)``."""
    return f"{100 * count / of:.1f} % ({count:,})" if of else NONE


def _place(one: Audit) -> dict[str, str]:
    """Return the first two cells of a row."""
    return {"dataset": label(one), "split": split_label(one)}


def _leak_grid(audits: Sequence[Audit], leaks: Sequence[Sequence[Leak]], where: str) -> Grid:
    rows = [
        {
            **_place(one),
            "test rows": f"{levels[0].test_rows:,}",
            **{
                LEVEL_WORDS[leak.level]: percent(leak.leaked_rows, leak.test_rows)
                for leak in levels
            },
        }
        for one, levels in zip(audits, leaks, strict=True)
    ]
    counts = [(label(a), a.leaks[-1].unnamed_rows) for a in audits]
    below = notes(
        "levels",
        audited=False,
        ringless=[f"{name} {n:,}" for name, n in counts if n],
        synthetic=any(a.subject.spec.synthetic for a in audits),
    )
    return Grid.of(f"Test rows shared with {where}", rows, ("dataset", "split"), below)


def _split_groups_grid(audits: Sequence[Audit]) -> Grid:
    rows = []
    for one in audits:
        cells = {
            LEVEL_WORDS[s.level]: f"{s.straddling_groups:,} of {s.groups:,} "
            f"({s.straddling_rows:,} rows)"
            for s in one.split_groups
        }
        rows.append(_place(one) | cells)
    title = "Groups with rows in more than one of train, valid and test"
    return Grid.of(title, rows, ("dataset", "split"))


def _similarity_grid(audits: Sequence[Audit]) -> Grid:
    rows = []
    for one in audits:
        similarity = one.similarity
        bins = {
            f"{i / 10:.1f}-{(i + 1) / 10:.1f}": f"{100 * count / similarity.n:.1f}"
            for i, count in enumerate(similarity.counts)
        }
        alike = f"{100 * similarity.identical / similarity.n:.1f}"
        row = {
            "dataset": label(one),
            "median": f"{similarity.median:.2f}",
            **bins,
            "same bits": alike,
        }
        rows.append(row)
    title = "Similarity of test rows to the nearest training row, % of test rows"
    note = "Tanimoto similarity of Morgan bits, radius 2, 2,048 bits; exact."
    return Grid.of(title, rows, ("dataset",), [note])


def _duplicate_grid(audits: Sequence[Audit]) -> Grid:
    rows = [
        {
            "dataset": label(one),
            "same": level,
            "molecules in several rows": f"{duplicates.groups:,}",
            "their rows": f"{duplicates.rows:,}",
            "with differing labels": f"{duplicates.conflicting_groups:,}",
            "rows of these": f"{duplicates.conflicting_rows:,}",
            "tasks": f"{len(duplicates.conflicts):,}",
        }
        for one in audits
        for level, duplicates in (("SMILES", one.exact), ("connectivity", one.duplicates))
    ]
    title = "Molecules in several rows of a dataset"
    return Grid.of(title, rows, ("dataset", "same"), notes("duplicate"))


def _conflict_grid(one: Audit, whole: bool) -> Grid:
    spec, duplicates = one.subject.spec, one.duplicates
    is_class = spec.task_type == "classification"
    shown = duplicates.conflicts[: None if whole else CONFLICTS_SHOWN]
    rows = []
    for conflict in shown:
        row = {"task": conflict.task, "molecules": f"{conflict.groups:,}"}
        row |= {"rows": f"{conflict.rows:,}"}
        if not is_class:
            row |= {"largest difference": f"{conflict.largest:.3g}"}
            row |= {"median difference": f"{conflict.median:.3g}"}
        rows.append(row)
    below = notes(
        "conflict",
        left=len(duplicates.conflicts) - len(rows),
        unit="" if is_class else spec.unit,
        examples=duplicates.examples,
        smiles=[one.subject.dataset.smiles[example.rows[0]] for example in duplicates.examples],
    )
    title = f"{label(one)}: tasks in which rows of one connectivity differ"
    return Grid.of(title, rows, ("task",), below, folded=len(rows) > TASKS_SHOWN)


def _label_grid(audits: Sequence[Audit]) -> Grid:
    rows = []
    reasons: list[tuple[tuple[str, str, str], str]] = []
    for one in audits:
        tasks, blind, dumb = one.tasks, one.not_evaluable, one.not_teachable
        rarer = sorted(_minority(task) for task in tasks if task.positives is not None)
        counts = {f"labels in {p}": f"{sum(t.n[i] for t in tasks):,}" for i, p in enumerate(PARTS)}
        row = {
            **_place(one),
            **counts,
            "tasks evaluable in test": f"{len(tasks) - len(blind)} of {len(tasks)}",
            "tasks of one value in train": f"{len(dumb)}",
            "median rarer class": str(rarer[len(rarer) // 2]) if rarer else NONE,
        }
        rows.append(row)
        reasons += [((label(one), "not evaluable in test", t.obstacle), t.task) for t in blind]
        reasons += [((label(one), "nothing to learn", t.train_obstacle), t.task) for t in dumb]
    below = notes("label", reasons=grouped(reasons))
    return Grid.of("Labels", rows, ("dataset", "split"), below)


def _minority(task: TaskLabels) -> int:
    positives = task.positives or (0, 0, 0)
    return min(positives[2], task.n[2] - positives[2])


def _task_grid(one: Audit) -> Grid:
    word = "+/-" if one.subject.spec.task_type == "classification" else "labels"
    rows = []
    for task in one.tasks:
        cells = [str(n) for n in task.n]
        if task.positives is not None and task.negatives is not None:
            pairs = zip(task.positives, task.negatives, strict=True)
            cells = [f"{positive}/{negative}" for positive, negative in pairs]
        labels = {f"{part} {word}": cell for part, cell in zip(PARTS, cells, strict=True)}
        obstacle = "; ".join(filter(None, (task.obstacle, task.train_obstacle)))
        rows.append({"task": task.task, **labels, "obstacle": obstacle})
    title = f"{label(one)}, {split_label(one)} split: labels by task"
    return Grid.of(title, rows, ("task", "obstacle"), folded=len(rows) > TASKS_SHOWN)


def _across_grid(audited: Audits) -> Grid:
    names = [label(a) for a in audited.audits]
    shares = {(o.test_of, o.train_of): percent(o.shared_rows, o.test_rows) for o in audited.across}
    keys = [key_of(one) for one in audited.audits]
    rows = tuple(
        (name, *(shares[key, other] for other in keys))
        for name, key in zip(names, keys, strict=True)
    )
    title = "Test rows of each dataset (lines) whose molecule is in training rows of (columns)"
    return Grid(title, ("test of", *(f"train of {name}" for name in names)), rows, ("test of",))


def key_of(one: Audit) -> str:
    """Return what tells datasets of one command apart: two files may have one name."""
    return f"{one.subject.spec.name} {one.subject.digest[:12]}"


def _pretraining_grid(audited: Audits) -> Grid:
    titles = {key_of(a): label(a) for a in audited.audits}
    shares = {(p.weights, p.dataset): p for p in audited.pretraining}
    rows = []
    for weights in dict.fromkeys(p.weights for p in audited.pretraining):
        cells = [shares[weights, key] for key in titles]
        texts = [percent(p.seen_rows, p.test_rows) for p in cells]
        rows.append((weights, f"{cells[0].learnt_from:,}", *texts))
    return Grid(
        "Test rows whose molecule pretrained weights learnt from, without labels",
        ("weights", "molecules", *titles.values()),
        tuple(rows),
        ("weights",),
    )


def audited_grid(tables: Sequence[Table]) -> Grid | None:
    """Return the shares of the audited splits, a line for all seeds of a drawn one; None without.

    The audits are those of ``chmr-bench audit --records``.
    """
    groups = grouped(
        ((table.name, table.audited.split), table)
        for table in tables
        if table.audited is not None and "smiles" in table.audited.levels
    )
    if not groups:
        return None
    rows = []
    for (name, split), drawn in groups.items():
        audits = [table.audited.levels for table in drawn if table.audited is not None]
        n_test = sum(one["smiles"].test_rows for one in audits)
        row = {"dataset": name, "split": split, "test rows": f"{n_test:,}"}
        row["split"] += f", {len(audits)} of them" if len(audits) > 1 else ""
        for level, words in LEVEL_WORDS.items():
            known = [one[level].leaked_rows for one in audits if level in one]
            row[words] = percent(sum(known), n_test) if len(known) == len(audits) else NONE
        rows.append(row)
    below = notes("levels", audited=True, ringless=(), synthetic=False)
    title = "Test rows shared with training rows, those of validation not counted"
    return Grid.of(title, rows, ("dataset", "split"), below)


# --------------------------------------------------------------------------------------------- JSON


def audits_json(audited: Audits) -> dict[str, Any]:
    """Return all of it as plain values."""
    return {
        "datasets": [_audit_json(a) for a in audited.audits],
        "across": [_named(one) for one in audited.across],
        "pretraining": [_named(one) for one in audited.pretraining],
    }


def _named(one: Overlap | Pretraining) -> dict[str, Any]:
    """Return a share with datasets by their names alone."""
    content = {**asdict(one), "share": one.share}
    names = {"test_of", "train_of", "dataset"} & content.keys()
    return content | {name: content[name].rpartition(" ")[0] for name in names}


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
        "straddling": {s.level: asdict(s) for s in one.split_groups},
        "similarity": asdict(one.similarity),
        "duplicates": asdict(one.duplicates),
        "duplicates_by_smiles": asdict(one.exact),
        "tasks": [{**asdict(task), "negatives": task.negatives} for task in one.tasks],
    }


def _levels(leaks: Sequence[Leak]) -> dict[str, Any]:
    names = ("test_rows", "leaked_rows", "share")
    return {leak.level: {name: getattr(leak, name) for name in names} for leak in leaks}

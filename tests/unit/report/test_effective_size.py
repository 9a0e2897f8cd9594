"""The counts behind an interval of the tables are those of the test rows on record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chmr_bench.records import Metrics, TaskResult
from chmr_bench.report.leaderboard import collect
from chmr_bench.statistics import paired_difference


def task(n: int, n_minority: int | None, *, evaluable: bool = True) -> TaskResult:
    score = 0.5 if evaluable else None
    return TaskResult(
        task="t", score=score, low=None, high=None, n=n, n_minority=n_minority, evaluable=evaluable
    )


def metrics(*tasks: TaskResult) -> Metrics:
    return Metrics(
        metric="roc_auc",
        greater_is_better=True,
        macro=0.5,
        low=None,
        high=None,
        n_tasks=len(tasks),
        n_evaluable=len(tasks),
        per_task=list(tasks),
    )


def test_the_rarer_class_or_the_labelled_of_tasks_that_can_be_scored() -> None:
    assert metrics(task(200, 3), task(200, 0, evaluable=False)).counts == [3]
    assert metrics(task(40, None)).counts == [40]
    assert metrics(task(200, 1), task(200, 100)).counts == [1, 100]


def test_an_interval_of_the_tables_is_that_of_few_rows(results: Any) -> None:
    a = results.add("a", "bace", 0.70, half=0.05, n_tasks=1)
    results.add("b", "bace", 0.80, half=0.10, n_tasks=1)
    (table,) = collect(results.store).tables
    _, row = table.rows
    one = a.metrics.per_task[0]
    assert (row.runs.n_units, row.runs.n_effective) == (a.split.n_test, one.n_minority)
    whole = paired_difference(row.runs, table.rows[0].runs)
    assert row.behind == pytest.approx((0.1, -whole.high, -whole.low))
    assert np.isfinite(whole.high)

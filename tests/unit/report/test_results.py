"""The rows of a command's table: which runs are of one row, and what a row says of its data."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chmr_bench.records import Record, RecordStore
from chmr_bench.report.results import over_splits
from chmr_bench.report.results import rows as plain_rows


def rows(records: Iterable[Record], store: RecordStore) -> list[SimpleNamespace]:
    return [SimpleNamespace(**row) for row in plain_rows(records, store)]


def found(results: Any) -> list[SimpleNamespace]:
    return rows(results.store.records(), results.store)


def test_result_rows_are_over_seeds(results: Any) -> None:
    scores = [0.70, 0.74, 0.79]
    for seed, score in enumerate(scores):
        results.add("noise", "bace", score, seed=seed)
        results.add("raises", "bace", seed=seed, error="no")
    noise, raises = found(results)
    assert noise.n_runs == 3
    assert noise.mean == pytest.approx(statistics.fmean(scores))
    assert noise.sd == pytest.approx(statistics.stdev(scores))
    assert noise.low < statistics.fmean(scores) < noise.high
    assert (raises.n_runs, raises.n_failed, raises.mean, raises.metric) == (0, 3, None, "")


def test_rows_are_in_the_order_of_the_records(results: Any) -> None:
    for model, score in (("worse", 0.5), ("better", 0.9), ("failed", None)):
        results.add(model, "bace", score, error="" if score else "no")
    records = {record.model.id: record for record in results.store.records()}
    names = ["failed", "worse", "better"]
    assert [row.model for row in rows([records[n] for n in names], results.store)] == names


def test_one_test_row_that_tells_gives_no_interval(results: Any) -> None:
    record = results.add("noise", "bace", 0.7, n_tasks=1)
    alone = [task.model_copy(update={"n_minority": 1}) for task in record.metrics.per_task]
    metrics = record.metrics.model_copy(update={"per_task": alone})
    few = record.model_copy(update={"metrics": metrics})
    (every,), (row,) = (rows([r], results.store) for r in (record, few))
    assert (row.mean, row.low, row.high) == (every.mean, None, None)
    assert every.low is not None


def test_the_split_is_the_unit_over_several_splits(results: Any) -> None:
    for number, scores in enumerate([(0.6, 0.7), (0.7, 0.8), (0.8, 0.9)]):
        for seed, score in enumerate(scores):
            results.add("noise", "bace", score, seed=seed, drawn=("random", number))
            results.add("raises", "bace", seed=seed, error="no", drawn=("random", number))
    noise, raises = (
        SimpleNamespace(**row) for row in over_splits(results.store.records(), results.store)
    )
    assert [(r["split_seed"], r["n_runs"]) for r in noise.by_split] == [(0, 2), (1, 2), (2, 2)]
    means = [r["mean"] for r in noise.by_split if r["mean"] is not None]
    assert noise.n_splits == len(set(means)) == 3
    assert noise.mean == pytest.approx(statistics.fmean(means))
    assert noise.sd == pytest.approx(statistics.stdev(means))
    assert (noise.low, noise.high) == (min(means), max(means))
    assert (raises.n_splits, raises.n_failed, raises.mean) == (0, 3, None)


def test_two_files_of_one_name_are_two_datasets(results: Any) -> None:
    for number, score in ((1, 0.7), (2, 0.8)):
        origin = {"kind": "file", "file": f"{number}/mine.csv"}
        for seed in (0, 1):
            digest = f"{number}" * 64
            told = {"dataset__origin": origin, "dataset__digest": digest}
            results.add("noise", "mine", score, seed=seed, **told)
    results.add("noise", "bace", 0.6)
    told = {(row.dataset, row.origin, row.n_runs) for row in found(results)}
    assert told == {("mine", "1/mine.csv", 2), ("mine", "2/mine.csv", 2), ("bace", "", 1)}
    assert len({row.mean for row in found(results)}) == 3


def test_a_name_of_one_dataset_needs_no_file_beside_it(results: Any) -> None:
    results.add("noise", "mine", dataset__origin={"kind": "file", "file": "mine.csv"})
    assert [row.origin for row in found(results)] == [""]


def test_another_setting_or_metric_is_another_row(results: Any) -> None:
    results.add("noise", "bace")
    changed = {"scale": 0.5}
    results.add("noise", "bace", model__params=changed, model__overrides=changed)
    results.add("noise", "bace", metric="average_precision", seed=1)
    told = [(row.metric, dict(row.overrides)) for row in found(results)]
    assert sorted(told, key=str) == [
        ("average_precision", {}),
        ("roc_auc", changed),
        ("roc_auc", {}),
    ]


def test_replicates_that_do_not_fit_give_no_interval(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.add("noise", "bace", seed=0)
    results.add("noise", "bace", seed=1)

    def cut_short(self: Any, record: Any) -> Any:
        return np.zeros(1000 if record.seed else 3, dtype=np.float32)

    monkeypatch.setattr(type(results.store), "replicates", cut_short)
    (row,) = rows(results.store.records(), results.store)
    assert (row.n_runs, row.low, row.high) == (2, None, None)


def test_runs_on_simulated_data_say_so(results: Any) -> None:
    results.add("noise", "planted", dataset__synthetic=True)
    (row,) = found(results)
    assert (row.dataset, row.synthetic) == ("planted", True)


def test_the_tasks_of_a_regression_stand_on_their_own(results: Any) -> None:
    for seed, score in ((0, 0.4), (1, 0.6)):
        results.add("noise", "biogen3k", score, seed=seed, metric="mae", n_tasks=2)
    results.add("noise", "bace", 0.7, n_tasks=2)
    by_name = {row.dataset: row for row in found(results)}
    told = [(one["task"], one["score"]) for one in by_name["biogen3k"].tasks]
    assert told == [("task0", pytest.approx(0.5)), ("task1", pytest.approx(0.5))]
    assert by_name["bace"].tasks == []

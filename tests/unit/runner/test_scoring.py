"""Scores rest on labelled cells alone, whichever cells of the predictions were kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from chmr_bench import sweep
from chmr_bench.contracts import Dataset
from chmr_bench.errors import DataError, PredictionError
from chmr_bench.plugins import registry
from chmr_bench.records import RecordStore
from chmr_bench.records.predictions import as_stored
from chmr_bench.runner import DatasetRequest
from chmr_bench.runner.scoring import constant_targets, hard_labels, score, score_only
from chmr_bench.types import MetricName
from chmr_bench.verify.runs import check_all

pytestmark = pytest.mark.usefixtures("quick")


def test_cells_that_were_not_kept_change_no_score() -> None:
    generator = np.random.default_rng(1)
    spec = registry().dataset("quick-sparse").spec
    y = np.where(generator.random((60, 3)) < 0.3, generator.integers(0, 2, (60, 3)), np.nan)
    dataset = Dataset(("C",) * 60, y, spec.task_names)
    rows, labelled = np.arange(60), ~np.isnan(y)
    y_pred = generator.random((60, 3))
    whole = as_stored(y_pred, rows, spec.task_names, "classification")
    kept = as_stored(y_pred, rows, spec.task_names, "classification", labelled)
    assert (whole.cells, kept.cells) == ("all", "labelled")
    metrics, replicates = score(spec, dataset, kept, rows)
    expected, same = score(spec, dataset, whole, rows)
    assert metrics == expected
    np.testing.assert_array_equal(replicates, same)
    assert score_only(spec, dataset, kept) == score_only(spec, dataset, whole)
    kept.values[np.argwhere(labelled)[0][0], np.argwhere(labelled)[0][1]] = np.nan
    with pytest.raises((DataError, PredictionError)):
        score(spec, dataset, kept, rows)


def test_a_run_on_sparse_labels_keeps_few_cells_and_verifies(
    tmp_path: Path, session: sweep.Session
) -> None:
    store, datasets = RecordStore(tmp_path), session.datasets
    store.prepare()
    asked = sweep.Request(("quick.noise",), (DatasetRequest(name="quick-sparse"),))
    (outcome,) = sweep.execute(sweep.plan(asked, store, session), store, session).outcomes
    info = outcome.record.predictions
    assert info is not None
    assert info.cells == "labelled"
    kept = store.predictions(outcome.record)
    y = datasets.load(DatasetRequest(name="quick-sparse")).dataset.y[kept.rows]
    np.testing.assert_array_equal(np.isnan(kept.values), np.isnan(y))
    assert [check.state for check in check_all(store, datasets, "verify")] == ["ok"]
    assert [check.state for check in check_all(store, datasets, "score")] == ["ok"]


def test_clusters_widen_the_replicates_and_leave_the_score() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(30), 2)
    y = rng.normal(size=(30, 1))[rows]
    dataset = Dataset(tuple("C" * 60), y, ("t",))
    stored = as_stored(y + rng.normal(size=(30, 1))[rows], np.arange(60), ("t",), "regression")
    spec = cast(Any, SimpleNamespace(metric="mae", name="d"))
    alone, plain = score(spec, dataset, stored, np.arange(60))
    pairs, wide = score(spec, dataset, stored, rows)
    assert alone.macro == pairs.macro == pytest.approx(float(np.abs(y - stored.values).mean()))
    assert wide.std() == pytest.approx(np.sqrt(2) * plain.std(), rel=0.15)


def test_a_run_draws_rows_of_one_molecule_together(
    tmp_path: Path, home: Path, session: sweep.Session
) -> None:
    chains = ["C" * n + "O" for n in range(1, 41)]
    lines = [f"{smiles},{i * 7 % 13}" for i, smiles in enumerate(chains) for _ in range(2)]
    table = tmp_path / "pairs.csv"
    table.write_text("\n".join(["smiles,t", *lines]) + "\n")
    store, datasets = RecordStore(tmp_path / "out"), session.datasets
    store.prepare()
    request = DatasetRequest(file=str(table), smiles="smiles", tasks=("t",))
    asked = sweep.Request(("quick.noise",), (request,), split="strict")
    (outcome,) = sweep.execute(sweep.plan(asked, store, session), store, session).outcomes
    opened = datasets.load(request)
    stored = store.predictions(outcome.record)
    twins = np.unique(stored.rows // 2, return_inverse=True)[1]
    assert len(set(twins.tolist())) == len(stored.rows) / 2
    _, together = score(opened.spec, opened.dataset, stored, twins)
    _, alone = score(opened.spec, opened.dataset, stored, np.arange(len(stored.rows)))
    on_record = store.replicates(outcome.record)
    np.testing.assert_allclose(on_record, together, rtol=1e-5)
    assert on_record.std() > 1.1 * alone.std()
    assert [check.state for check in check_all(store, datasets, "verify")] == ["ok"]


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_a_constant_target_is_remarked_on(metric: MetricName) -> None:
    spec = replace(registry().dataset("quick-small").spec, metric=metric)
    y = np.array([[7.5, 1.0, 2.0], [7.5, 2.0, np.nan], [np.nan, 3.0, np.nan]])
    dataset = Dataset(("C",) * 3, y, ("same", "differ", "alone"))
    predictions = as_stored(np.ones((3, 3)), np.arange(3), dataset.task_names, "regression")
    (remark,) = constant_targets(score_only(spec, dataset, predictions), y)
    assert remark.startswith("all 2 test labels of 'same' are 7.5: that constant has no error")


def test_classes_in_the_place_of_probabilities_are_remarked_on() -> None:
    (remark,) = hard_labels(np.array([[0.0, 1.0], [1.0, np.nan]]))
    assert remark.startswith("all predictions are 0 or 1")
    for fine in ([[0.2, 1.0]], [[1.0, 1.0]], [[1.0]], [[np.nan]]):
        assert list(hard_labels(np.array(fine))) == []


def test_a_task_without_a_score_is_not_remarked_on() -> None:
    y = np.full((4, 1), 3.0)
    spec = replace(registry().dataset("quick-small").spec, metric="r2")
    predictions = as_stored(np.ones((4, 1)), np.arange(4), ("same",), "regression")
    metrics = score_only(spec, Dataset(("C",) * 4, y, ("same",)), predictions)
    assert metrics.per_task[0].reason == "all labels in test are equal"
    assert list(constant_targets(metrics, y)) == []

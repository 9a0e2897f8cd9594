"""The one table of runs: a line a run, with what tables group by."""

from __future__ import annotations

import json
from typing import Any

from chmr_bench.report.columns import JSON_PATHS, PATHS
from chmr_bench.report.runs import frame_of, load_runs, runs_frame


def test_a_line_a_run_with_its_scores_and_settings(results: Any) -> None:
    first = results.add("forest", "bace", 0.7, seed=0)
    results.add("forest", "bace", 0.8, seed=1)
    runs = runs_frame(results.store)
    assert {*PATHS, *JSON_PATHS, "row", "row_key", "table", "split", "kind"} <= {*runs.columns}
    assert runs["identity"].nunique() == 2
    line = runs.set_index("identity").loc[first.identity]
    assert (line["model"], line["dataset"], line["seed"], line["score"]) == (
        "forest",
        "bace",
        0,
        0.7,
    )
    assert json.loads(line["params"]) == first.model.params
    assert line["missing"] is None
    assert runs.groupby(["table", "row_key"]).ngroups == 1


def test_a_failed_run_is_a_line_of_its_fellows_table(results: Any) -> None:
    results.add("forest", "bace", 0.7, seed=0)
    results.add("forest", "bace", seed=1, error="boom")
    runs = runs_frame(results.store)
    assert runs["failed"].tolist() == [False, True]
    assert runs["table"].nunique() == 1
    assert runs.loc[runs["failed"], "error"].tolist() == ["boom"]


def test_an_empty_store_gives_an_empty_frame_with_all_columns(results: Any) -> None:
    runs = runs_frame(results.store)
    assert len(runs) == 0
    assert {"row", "table", "kind", "split", "failed"} <= {*runs.columns}


def test_what_is_damaged_is_a_problem_and_no_line(results: Any) -> None:
    record = results.add("forest", "bace", 0.7, seed=0)
    (results.store.path_of(record) / "predictions.parquet").unlink()
    loaded = load_runs(results.store)
    assert len(loaded.frame) == 0
    assert [p.record.identity for p in loaded.problems if p.record] == [record.identity]


def test_the_tasks_of_a_packed_run_are_those_of_a_loose_one(results: Any) -> None:
    content = results.add("forest", "bace", 0.7, n_tasks=3, not_evaluable=1).model_dump(mode="json")
    tasks = content["metrics"]["per_task"]
    columns = {n: [task[n] for task in tasks] for n in ("task", "n", "n_minority", "evaluable")}
    reasons = {str(i): task["reason"] for i, task in enumerate(tasks) if task["reason"]}
    packed = {"sha256": "0" * 64, "tasks": {**columns, "reason": reasons}}
    short = {**content, "metrics": {**content["metrics"], "per_task": packed}}
    names = ["n_effective", "not_evaluable"]
    loose = frame_of([content])[names].to_dict("records")
    assert frame_of([short])[names].to_dict("records") == loose
    (task,) = json.loads(loose[0]["not_evaluable"])
    assert task["reason"] == "one class in test (all 0)"

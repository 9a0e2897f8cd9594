"""Records to rows: means, intervals, what is counted and what is listed."""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

import numpy as np
import pytest

from chmr_bench.plugins import registry
from chmr_bench.report.aggregate import Table
from chmr_bench.report.evidence import Collected
from chmr_bench.report.grids import table_notes
from chmr_bench.report.leaderboard import collect
from chmr_bench.report.results import rows


def only_table(results: Any) -> Table:
    collected = collect(results.store)
    assert collected.problems == ()
    (table,) = collected.tables
    return table


def test_mean_and_sd_over_seeds_and_interval_of_the_mean(results: Any) -> None:
    for seed, score in enumerate([0.70, 0.72, 0.77]):
        results.add("forest", "bace", score, seed=seed, half=0.04)
    (row,) = only_table(results).rows
    assert row.score == pytest.approx(0.73)
    assert row.sd == pytest.approx(np.std([0.70, 0.72, 0.77], ddof=1))
    replicates = [results.store.replicates(r) for r in results.store.records()]
    expected = np.percentile(np.mean(replicates, axis=0), [2.5, 97.5])
    assert [row.low, row.high] == pytest.approx(expected.tolist(), abs=1e-6)
    assert row.seeds == [0, 1, 2]
    assert (row.n_evaluable, row.share_080) == (3, 0.0)


def test_a_single_run_has_no_sd(results: Any) -> None:
    results.add("mean", "bace", 0.5, seed=None)
    (row,) = only_table(results).rows
    assert (row.sd, row.seeds, len(row.good)) == (None, [], 1)


def test_best_first_and_the_paired_difference_to_it(results: Any) -> None:
    results.add("a", "bace", 0.70, half=0.05)
    results.add("b", "bace", 0.80, half=0.05)
    first, second = only_table(results).rows
    assert (first.label, second.label) == ("b", "a")
    assert first.behind == (0.0, 0.0, 0.0)
    # The made-up replicates move together, so the paired interval is a point though both are wide.
    assert second.behind == pytest.approx((0.10, 0.10, 0.10), abs=1e-6)


def test_the_difference_to_the_best_is_over_the_seeds_that_both_have(results: Any) -> None:
    for seed, score in ((0, 0.70), (1, 0.80), (2, 0.90)):
        results.add("a", "bace", score, seed=seed)
    results.add("b", "bace", 0.75, seed=0)
    results.add("c", "bace", 0.60, seed=7)
    best, fewer, other = only_table(results).rows
    assert [row.label for row in (best, fewer, other)] == ["a", "b", "c"]
    assert fewer.behind[0] == pytest.approx(-0.05, abs=1e-6)  # ahead where both were run
    assert other.behind is None


def test_lower_is_better_for_an_error(results: Any) -> None:
    results.add("a", "biogen3k", 0.60, metric="mae")
    results.add("b", "biogen3k", 0.45, metric="mae")
    table = only_table(results)
    assert not table.greater_is_better
    assert [r.label for r in table.rows] == ["b", "a"]
    assert table.rows[1].behind == pytest.approx((0.15, 0.15, 0.15), abs=1e-6)
    assert table.rows[1].share_080 is None


def test_failed_runs_are_counted_and_never_averaged(results: Any) -> None:
    results.add("forest", "bace", 0.7, seed=0)
    results.add("forest", "bace", seed=1, error="out of\n memory")
    results.add("gp", "bace", seed=0, error="boom")
    forest, gp = only_table(results).rows
    assert (forest.score, len(forest.good), len(forest.failures)) == (0.7, 1, 1)
    assert forest.failures[0]["error"] == "ValueError: out of memory"
    assert (gp.label, gp.score, gp.good, gp.behind) == ("gp", None, [], None)
    assert [(f["seed"], f["phase"]) for f in gp.failures] == [(0, "fit")]


def test_a_dataset_where_everything_failed_is_still_a_table(results: Any) -> None:
    results.add("forest", "bace", error="boom")
    table = only_table(results)
    assert table.metric is None
    assert [len(r.failures) for r in table.rows] == [1]


def test_tasks_that_cannot_be_evaluated_are_listed(results: Any) -> None:
    results.add("forest", "toxcast", 0.7, n_tasks=5, not_evaluable=2)
    table = only_table(results)
    assert [t["task"] for t in table.not_evaluable] == ["flat0", "flat1"]
    assert table.rows[0].n_evaluable == 3


def test_a_run_without_any_evaluable_task_has_no_score(results: Any) -> None:
    results.add("forest", "bace", None)
    (row,) = only_table(results).rows
    assert (row.score, row.low, row.n_evaluable, row.good) == (None, None, 0, [])


def keys(collected: Collected) -> list[tuple[str, str, str, int]]:
    return [(t.kind, t.name, t.split_name, len(t.rows)) for t in collected.tables]


def test_other_data_splits_and_metrics_are_tables_of_their_own(results: Any) -> None:
    results.add("forest", "bace")
    results.add("forest", "bace", dataset__digest="11" * 32)
    results.add("forest", "bace", drawn=("random", 3))
    results.add("forest", "mine", dataset__origin={"kind": "file", "file": "mine.csv"})
    results.add("forest", "mine", dataset__origin={"kind": "file"}, metric="mae", seed=1)
    results.add("forest", "mine", seed=2)  # a registered dataset of the same name
    results.add("forest", "planted", dataset__synthetic=True)
    collected = collect(results.store)
    assert keys(collected) == [
        ("benchmark", "bace", "reference", 1),
        ("benchmark", "bace", "reference", 1),
        ("benchmark", "bace", "random (seed 3)", 1),
        ("benchmark", "mine", "reference", 1),
        ("user", "mine", "reference", 1),
        ("user", "mine", "reference", 1),
        ("synthetic", "planted", "reference", 1),
    ]
    assert len(collected.runs.frame) == 7


@pytest.mark.parametrize("way", ["gone", "cut short", "another"])
def test_a_damaged_record_is_in_no_table_and_is_named(results: Any, way: str) -> None:
    record = results.add("forest", "bace", 0.7, seed=0)
    results.add("forest", "bace", 0.8, seed=1)
    file = results.store.path_of(record) / "predictions.parquet"
    if way == "gone":
        file.unlink()
    elif way == "cut short":
        file.write_bytes(file.read_bytes()[:100])
    else:
        with file.open("wb") as stream:
            np.save(stream, np.zeros(10, dtype=np.float32))
    collected = collect(results.store)
    (row,) = collected.tables[0].rows
    assert (row.score, row.seeds) == (pytest.approx(0.8), [1])
    (problem,) = collected.problems
    assert "damaged" in problem.reason
    assert file.name in problem.reason
    assert "run the command that made it" in problem.reason
    assert str(results.root) not in problem.reason
    assert not problem.path.is_absolute()


def test_a_number_that_is_none_leaves_the_other_records_their_table(results: Any) -> None:
    record = results.add("forest", "bace", 0.7, seed=0)
    results.add("forest", "bace", 0.8, seed=1)
    file = results.store.path_of(record) / "result.json"
    file.write_text(file.read_text().replace('"macro": 0.7', '"macro": NaN'))
    collected = collect(results.store)
    assert collected.tables[0].rows[0].seeds == [1]
    assert "metrics.macro" in collected.problems[0].reason


def test_one_split_under_two_names_is_one_table(results: Any) -> None:
    """A run is stored once, by the name its split was first asked for."""
    results.add("knn", "bace", 0.7, split__name="scaffold")
    results.add("forest", "bace", 0.8)
    table = only_table(results)
    assert (table.split_name, table.facts["split_names"]) == (
        "reference",
        ("reference", "scaffold"),
    )
    assert [r.label for r in table.rows] == ["forest", "knn"]


def test_a_split_nobody_calls_reference_has_the_first_of_its_names(results: Any) -> None:
    results.add("knn", "bace", split__name="scaffold")
    results.add("forest", "bace", split__name="deepchem:scaffold")
    assert only_table(results).split_name == "deepchem:scaffold"


def test_a_pinned_split_is_the_reference_whatever_it_was_called(results: Any) -> None:
    pinned = registry().datasets["bace"].spec.split_digests
    digest = hashlib.sha256("\n".join(pinned).encode()).hexdigest()
    results.add("knn", "bace", split__name="scaffold", split__digest=digest)
    results.add("knn", "hiv", split__name="scaffold", split__digest=digest)
    names = {t.name: t.split_name for t in collect(results.store).tables}
    assert names == {"bace": "reference", "hiv": "scaffold"}


def test_one_run_in_two_folders_counts_once(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    folder = results.store.path_of(record)
    copy = folder.with_name(folder.name.replace("reference", "scaffold"))
    shutil.copytree(folder, copy)
    file = copy / "result.json"
    file.write_text(file.read_text().replace('"name": "reference"', '"name": "scaffold"'))
    collected = collect(results.store)
    assert len(collected.runs.frame) == 1
    assert "the same run as reference-s0" in collected.problems[0].reason


def test_garbage_in_the_records_folder_is_listed(results: Any) -> None:
    results.add("forest", "bace")
    record = results.store.records()[0]
    results.store.path_of(record).with_name("junk").mkdir()
    collected = collect(results.store)
    assert len(collected.tables) == 1
    (problem,) = collected.problems
    assert problem.path.as_posix().endswith("bace/forest/junk")
    assert not problem.path.is_absolute()
    assert str(results.root) not in problem.reason


def test_remarks_of_records_stand_below_the_table_and_in_rows(results: Any) -> None:
    results.add("even", "bace", 0.7, remarks=["it is odd"])
    results.add("like", "bace", 0.7, remarks=["it is odd"])
    notes = table_notes(only_table(results))
    assert sum("Remark on even, like: it is odd" in note for note in notes) == 1
    found = rows(results.store.records(), results.store)
    assert [row["remarks"] for row in found] == [["it is odd"]] * 2

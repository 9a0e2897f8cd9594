"""The rows of a sweep's table: which runs are of one row, and what a row says of its data."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import sweep
from chmr_bench.records import RecordStore
from chmr_bench.runner import DatasetRequest
from chmr_bench.sweep import Request, Session, Setting, Summary
from chmr_bench.sweep.results import over_splits, rows

pytestmark = pytest.mark.usefixtures("quick")

SMALL = DatasetRequest(name="quick-small")


def request(*models: str, **more: Any) -> Request:
    values: dict[str, Any] = {"datasets": (SMALL,), "seeds": (0,)}
    return Request(models=tuple(f"quick.{m}" for m in models), **(values | more))


def do(asked: Request, store: RecordStore, session: Session) -> Summary:
    return sweep.execute(sweep.plan(asked, store, session), store, session)


def test_result_rows_are_over_seeds(store: RecordStore, session: Session) -> None:
    summary = do(request("noise", "raises", seeds=(0, 1, 2)), store, session)
    noise, raises = rows([o.record for o in summary.outcomes], store)
    scores = [o.record.metrics.macro for o in summary.outcomes if o.record.metrics]
    assert noise.n_runs == 3
    assert noise.mean == pytest.approx(statistics.fmean(s for s in scores if s is not None))
    assert noise.sd == pytest.approx(statistics.stdev(s for s in scores if s is not None))
    assert noise.low is not None
    assert noise.high is not None
    assert noise.mean is not None
    assert noise.low < noise.mean < noise.high
    assert (raises.n_runs, raises.n_failed, raises.mean) == (0, 3, None)


def test_one_test_row_that_tells_gives_no_interval(store: RecordStore, session: Session) -> None:
    record = do(request("noise"), store, session).outcomes[0].record
    assert record.metrics is not None
    alone = [task.model_copy(update={"n_minority": 1}) for task in record.metrics.per_task[:1]]
    metrics = record.metrics.model_copy(update={"per_task": alone, "n_effective": None})
    (whole,), (row,) = (
        rows([r], store) for r in (record, record.model_copy(update={"metrics": metrics}))
    )
    assert (row.mean, row.low, row.high) == (whole.mean, None, None)
    assert whole.low is not None


def test_the_split_is_the_unit_over_several_splits(store: RecordStore, session: Session) -> None:
    data = (DatasetRequest(name="quick-data"),)
    asked = request(
        "noise", "raises", datasets=data, split="random", split_seeds=(0, 1, 2), seeds=(0, 1)
    )
    records = [o.record for o in do(asked, store, session).outcomes]
    noise, raises = over_splits(records, store)
    assert [(r.split_seed, r.n_runs) for r in noise.by_split] == [(0, 2), (1, 2), (2, 2)]
    means = [r.mean for r in noise.by_split if r.mean is not None]
    assert noise.n_splits == len(set(means)) == 3
    assert noise.mean == pytest.approx(statistics.fmean(means))
    assert noise.sd == pytest.approx(statistics.stdev(means))
    assert (noise.low, noise.high) == (min(means), max(means))
    assert (raises.n_splits, raises.n_failed, raises.mean) == (0, 3, None)


def two_tables(folder: Path) -> tuple[DatasetRequest, DatasetRequest]:
    """Write two files of one name with the same molecules and other labels."""
    requests = []
    for place, flip in (("a", 0), ("b", 1)):
        (folder / place).mkdir()
        file = folder / place / "mine.csv"
        rows = [f"C1{'C' * (i + 2)}1,{(i + flip) % 3 // 2}" for i in range(40)]
        file.write_text("\n".join(["smiles,active", *rows, ""]))
        requests.append(DatasetRequest(file=str(file), smiles="smiles", tasks=("active",)))
    return requests[0], requests[1]


def test_two_files_of_one_name_are_two_datasets(
    store: RecordStore, session: Session, tmp_path: Path
) -> None:
    both = two_tables(tmp_path)
    plan = sweep.plan(request("noise", datasets=both, seeds=(0, 1)), store, session)
    files = [one.file for one in both]
    assert [item.origin for item in plan.items] == [files[0]] * 2 + [files[1]] * 2
    summary = sweep.execute(plan, store, session)
    found = rows([o.record for o in summary.outcomes], store)
    assert [(row.dataset, row.origin, row.n_runs) for row in found] == [
        ("mine", files[0], 2),
        ("mine", files[1], 2),
    ]
    assert found[0].mean != found[1].mean
    assert found[0].dataset_digest != found[1].dataset_digest


def test_a_name_of_one_dataset_needs_no_file_beside_it(
    store: RecordStore, session: Session, tmp_path: Path
) -> None:
    mine, _ = two_tables(tmp_path)
    plan = sweep.plan(request("noise", datasets=(mine, SMALL)), store, session)
    assert [item.origin for item in plan.items] == ["", ""]
    summary = sweep.execute(plan, store, session)
    assert [row.origin for row in rows([o.record for o in summary.outcomes], store)] == ["", ""]


def test_another_setting_is_another_row(store: RecordStore, session: Session) -> None:
    plain = do(request("noise"), store, session).outcomes
    changed = do(request("noise", settings=(Setting("scale", 0.5),)), store, session).outcomes
    found = rows([o.record for o in (*plain, *changed)], store)
    assert [dict(row.overrides) for row in found] == [{}, {"scale": 0.5}]


def test_another_metric_is_another_row(store: RecordStore, session: Session) -> None:
    (outcome,) = do(request("noise"), store, session).outcomes
    told = outcome.record.dataset.model_copy(update={"metric": "average_precision"})
    other = outcome.record.model_copy(update={"dataset": told})
    assert len(rows([outcome.record, other], store)) == 2


def test_replicates_that_do_not_fit_give_no_interval(store: RecordStore, session: Session) -> None:
    summary = do(request("noise", seeds=(0, 1)), store, session)
    record = summary.outcomes[0].record
    np.save(store.path_of(record) / "bootstrap.npy", np.zeros(3, dtype=np.float32))
    (row,) = rows([o.record for o in summary.outcomes], store)
    assert row.n_runs == 2
    assert (row.low, row.high) == (None, None)


def test_jobs_on_simulated_data_say_so(store: RecordStore, session: Session) -> None:
    made = DatasetRequest(name="quick-made")
    plan = sweep.plan(request("noise", "values", datasets=(made, SMALL)), store, session)
    assert {item.dataset for item in plan.items if item.synthetic} == {"quick-made"}
    assert [item.state for item in plan.items if item.synthetic] == ["new", "impossible"]
    (row,) = rows([o.record for o in sweep.execute(plan, store, session).outcomes[:1]], store)
    assert (row.dataset, row.synthetic) == ("quick-made", True)

"""One job: what a model sees, what becomes of its predictions, and of its failures."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import FeatureRequest
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, PredictionError, SettingError
from chmr_bench.plugins import registry
from chmr_bench.runner import DatasetRequest, Finished, Job, SplitRequest, Workspace, run_job
from chmr_bench.runner.checking import check_predictions
from chmr_bench.runner.job import key_of
from chmr_bench.runner.logs import captured, short_path, short_traceback
from chmr_bench.settings import build_config

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(FetchOptions(offline=True), n_jobs=1)


def make_job(
    workspace: Workspace,
    model: str,
    seed: int | None = 0,
    dataset: str = "quick-data",
    **config: Any,
) -> Job:
    opened = workspace.open(DatasetRequest(name=dataset))
    registered = registry().model(model)
    split = SplitRequest("reference")
    settled = build_config(registered.spec, config, dataset)
    return Job(registered, settled, opened, split, workspace.split_digest(opened, split), seed)


def finish(workspace: Workspace, model: str, seed: int | None = 0, **config: Any) -> Finished:
    return run_job(make_job(workspace, model, seed, **config), workspace)


# ------------------------------------------------------------------------------------- what is well


def test_a_job_gives_a_record_with_scores_of_the_stored_predictions(workspace: Workspace) -> None:
    done = finish(workspace, "quick.noise")
    record = done.record
    assert record.status == "ok"
    assert record.error is None
    assert done.predictions is not None
    assert done.replicates is not None
    assert done.predictions.values.dtype == np.float16
    np.testing.assert_array_equal(done.predictions.rows, np.arange(20))
    assert done.replicates.shape == (1000,)
    assert record.metrics is not None
    scores = [t.score for t in record.metrics.per_task if t.score is not None]
    assert record.metrics.macro == pytest.approx(np.mean(scores))
    assert (record.metrics.n_tasks, record.metrics.n_evaluable) == (3, 2)
    assert record.metrics.per_task[2].reason == "one class in test (all 1)"
    assert record.metrics.low is not None
    assert record.metrics.low <= record.metrics.macro <= (record.metrics.high or 0)


def test_scores_are_of_the_stored_precision(workspace: Workspace) -> None:
    from sklearn.metrics import roc_auc_score

    done = finish(workspace, "quick.noise")
    assert done.predictions is not None
    assert done.record.metrics is not None
    y = workspace.open(DatasetRequest(name="quick-data")).dataset.y[:20, 0]
    expected = roc_auc_score(y, done.predictions.values[:, 0].astype(float))
    assert done.record.metrics.per_task[0].score == pytest.approx(expected)


def test_the_record_names_what_it_rests_on(workspace: Workspace) -> None:
    job = make_job(workspace, "quick.noise", seed=3)
    record = run_job(job, workspace, command=["chmr-bench", "run"]).record
    assert record.identity == job.identity == key_of(record).identity()
    assert (record.split.n_train, record.split.n_valid, record.split.n_test) == (20, 20, 20)
    assert record.plugin.model_dump() == {
        "name": "quick",
        "distribution": "quick-fixture",
        "version": "1.0",
    }
    assert record.seed == 3
    assert record.command == ["chmr-bench", "run"]
    assert record.timing.total >= record.timing.fit
    assert record.resources.peak_memory_mb is not None
    assert record.dataset.digest == job.opened.digest
    json.dumps(record.model_dump(mode="json"), allow_nan=False)


def test_same_seed_same_predictions_other_seed_others(workspace: Workspace) -> None:
    first, again, other = (finish(workspace, "quick.noise", seed) for seed in (1, 1, 2))
    assert first.predictions is not None
    assert again.predictions is not None
    assert other.predictions is not None
    assert first.predictions.digest() == again.predictions.digest() != other.predictions.digest()


def test_a_deterministic_model_has_no_seed(workspace: Workspace) -> None:
    record = finish(workspace, "quick.mean", None).record
    assert record.seed is None
    assert record.model.deterministic


def test_a_forgetful_model_is_seeded_all_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import quick_models  # type: ignore[import-not-found]

    def predict(self: Any, inputs: Any) -> Any:
        return np.random.random((len(inputs), 3))  # noqa: NPY002 - what must not matter

    monkeypatch.setattr(quick_models.Noise, "predict", predict)
    first, again = (finish(workspace, "quick.noise", 5) for _ in range(2))
    assert first.predictions is not None
    assert again.predictions is not None
    assert first.predictions.digest() == again.predictions.digest()


def test_a_model_sees_train_and_valid_labels_only_and_cannot_spoil_them(
    workspace: Workspace,
) -> None:
    before = workspace.open(DatasetRequest(name="quick-data")).dataset.y.copy()
    assert finish(workspace, "quick.peeks").record.status == "ok"
    after = workspace.open(DatasetRequest(name="quick-data")).dataset.y
    np.testing.assert_array_equal(before, after)


# ---------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("model", "phase", "kind", "message"),
    [
        ("quick.raises", "fit", "RuntimeError", "this model always fails"),
        ("quick.exits", "fit", "SystemExit", "3"),
        ("quick.nan", "predict", "PredictionError", "60 of 60 predictions are not finite"),
        ("quick.shape", "predict", "PredictionError", r"shape \(19, 3\), expected"),
        ("quick.logits", "predict", "PredictionError", "expected probabilities"),
        ("quick.lacking", "load", "MissingDependencyError", "no_such_module_anywhere"),
    ],
)
def test_a_failure_is_a_record_with_its_phase(
    workspace: Workspace, model: str, phase: str, kind: str, message: str
) -> None:
    done = finish(workspace, model)
    error = done.record.error
    assert done.record.status == "failed"
    assert done.predictions is None
    assert done.record.metrics is None
    assert error is not None
    assert (error.phase, error.type) == (phase, kind)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(error.message)
    assert kind in done.log


def test_the_traceback_names_the_model_and_no_folder_of_this_machine(workspace: Workspace) -> None:
    error = finish(workspace, "quick.raises").record.error
    assert error is not None
    assert "quick_models.py" in error.traceback
    assert str(Path(__file__).resolve().parents[3]) not in error.traceback


def test_ctrl_c_is_not_a_failure(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import quick_models

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(quick_models.Noise, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finish(workspace, "quick.noise")


@pytest.mark.parametrize(
    ("y_pred", "message"),
    [
        (np.zeros(4), "shape"),
        (np.zeros((4, 3)), "shape"),
        ([["a", "b"]] * 4, "not numbers"),
        (None, "shape|not numbers"),
        (np.full((4, 2), np.inf), "not finite"),
        (np.array([[0, 0], [0, np.nan], [0, 0], [0, 0]]), "test row 1, task 1"),
        (np.full((4, 2), -0.1), "from -0.1 to -0.1"),
        (np.full((4, 2), 1.1), "probabilities"),
    ],
)
def test_predictions_that_cannot_be(y_pred: Any, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        check_predictions(y_pred, (4, 2), probabilities=True)


def test_rounding_beyond_the_unit_interval_is_forgiven() -> None:
    values = check_predictions(np.array([[1 + 1e-9, -1e-9]]), (1, 2), probabilities=True)
    np.testing.assert_array_equal(values, [[1.0, 0.0]])


def test_values_of_a_regression_may_be_anything_finite() -> None:
    values = check_predictions(np.array([[7.0, -3.0]]), (1, 2), probabilities=False)
    np.testing.assert_array_equal(values, [[7.0, -3.0]])


# ---------------------------------------------------------------------------------- the workspace


def test_datasets_and_splits_are_opened_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workspace.open(DatasetRequest(name="quick-data"))
    split = workspace.split(opened, SplitRequest("reference"))

    def never(*_: Any, **__: Any) -> None:
        raise RuntimeError("opened twice")

    monkeypatch.setattr("chmr_bench.data.datasets.open_dataset", never)
    monkeypatch.setattr("chmr_bench.splits.make_split", never)
    assert workspace.open(DatasetRequest(name="quick-data")) is opened
    assert workspace.split(opened, SplitRequest("reference")) is split


def test_a_split_is_made_on_the_cores_of_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    from chmr_bench import splits

    seen = []
    real = splits.make_split

    def told(*arguments: Any, **more: Any) -> Any:
        seen.append(more["n_jobs"])
        return real(*arguments, **more)

    monkeypatch.setattr(splits, "make_split", told)
    space = Workspace(FetchOptions(offline=True), n_jobs=3)
    space.split(space.open(DatasetRequest(name="quick-data")), SplitRequest("reference"))
    assert seen == [3]


def test_features_are_computed_once_and_let_go_with_the_dataset(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def featurise(spec: Any, settings: Any, smiles: Any, **_: Any) -> Any:
        from chmr_bench.contracts import MatrixBlock

        calls.append((spec.name, len(smiles)))
        return MatrixBlock(np.zeros((len(smiles), 2)), np.ones(len(smiles), dtype=bool))

    monkeypatch.setattr("chmr_bench.features.cache.featurise", featurise)
    spec = registry().model("quick.noise").spec
    needs = {"bits": FeatureRequest("morgan"), "same": FeatureRequest("morgan", {"radius": 2})}
    first = workspace.open(DatasetRequest(name="quick-data"))
    inputs = workspace.inputs(first, spec, needs)
    assert set(inputs.blocks) == {"bits", "same"}
    assert calls == [("morgan", 60)]
    workspace.inputs(first, spec, {"bits": FeatureRequest("morgan", {"radius": 3})})
    workspace.inputs(workspace.open(DatasetRequest(name="quick-small")), spec, needs)
    workspace.inputs(first, spec, needs)
    assert calls == [("morgan", 60), ("morgan", 60), ("morgan", 30), ("morgan", 60)]


def test_keys_come_with_the_feature_connectivity(workspace: Workspace) -> None:
    spec = registry().model("quick.noise").spec
    opened = workspace.open(DatasetRequest(name="quick-small"))
    without = workspace.inputs(opened, spec, {})
    inputs = workspace.inputs(opened, spec, {"keys": FeatureRequest("connectivity")})
    assert without.keys == ()
    assert inputs.keys[0] == "VNWKTOKETHGBQD"  # methane
    assert dict(inputs.blocks) == {}


def test_cell_blocks_reach_only_models_that_read_them(workspace: Workspace) -> None:
    import dataclasses

    from chmr_bench.contracts import MatrixBlock

    opened = workspace.open(DatasetRequest(name="quick-small"))
    block = MatrixBlock(np.zeros((30, 4)), np.ones(30, dtype=bool))
    data = dataclasses.replace(opened.dataset, blocks={"morphology": block})
    opened = dataclasses.replace(opened, dataset=data)
    spec = registry().model("quick.noise").spec
    assert workspace.inputs(opened, spec, {}).blocks == {}
    reader = dataclasses.replace(spec, reads=("morphology", "expression"))
    assert set(workspace.inputs(opened, reader, {}).blocks) == {"morphology"}


def test_the_pinned_split_digest_is_that_of_the_split(workspace: Workspace) -> None:
    import dataclasses

    from chmr_bench.contracts import part_digest
    from chmr_bench.types import PARTS

    opened = workspace.open(DatasetRequest(name="quick-data"))
    made = workspace.split(opened, SplitRequest("reference"))
    pins = tuple(part_digest(made.part(p)) for p in PARTS)
    pinned = dataclasses.replace(opened, spec=dataclasses.replace(opened.spec, split_digests=pins))
    fresh = Workspace(FetchOptions(offline=True))
    assert fresh.split_digest(pinned, SplitRequest("reference")) == made.digest()
    wrong = dataclasses.replace(
        opened, spec=dataclasses.replace(opened.spec, split_digests=(pins[0], pins[1], "0" * 64))
    )
    with pytest.raises(DataError, match="pinned is"):
        fresh.split(wrong, SplitRequest("reference"))


def test_a_dataset_without_a_reference_split_says_what_to_choose(workspace: Workspace) -> None:
    import dataclasses

    opened = workspace.open(DatasetRequest(name="quick-data"))
    bare = dataclasses.replace(opened, spec=dataclasses.replace(opened.spec, split_rule=""))
    with pytest.raises(SettingError, match="--split scaffold"):
        workspace.split(bare, SplitRequest("reference"))


def test_a_users_table_is_opened_and_told_in_the_record(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"{'C' * (i + 1)},{i % 2}" for i in range(12)] + ["not a molecule,1"]
    file.write_text("smiles,active\n" + "\n".join(rows) + "\n")
    request = DatasetRequest(file=str(file), smiles="smiles", tasks=("active",), on_invalid="drop")
    opened = workspace.open(request)
    registered = registry().model("quick.noise")
    split = SplitRequest("random", 1)
    digest = workspace.split_digest(opened, split)
    job = Job(registered, build_config(registered.spec, {}, ""), opened, split, digest, 0)
    record = run_job(job, workspace).record
    assert record.status == "ok"
    assert record.dataset.dropped == 1
    assert record.dataset.dropped_rows[0].row == 14
    assert record.dataset.n_molecules == 12
    assert workspace.open(DatasetRequest.of_record(record)).digest == record.dataset.digest


# --------------------------------------------------------------------------------------------- logs


def test_warnings_and_log_lines_are_captured_and_the_old_ways_restored() -> None:
    before = warnings.showwarning
    handlers = list(logging.getLogger("chmr_bench").handlers)
    with captured() as stream:
        warnings.simplefilter("always")
        warnings.warn("look out", UserWarning, stacklevel=1)
        logging.getLogger("chmr_bench.model.x").info("a line")
    text = stream.getvalue()
    assert "UserWarning: look out (tests/unit/test_runner.py:" in text or "look out" in text
    assert "chmr_bench.model.x: a line" in text
    assert warnings.showwarning is before
    assert logging.getLogger("chmr_bench").handlers == handlers


def test_short_paths_begin_at_the_package() -> None:
    import chmr_bench.runner.run as module

    assert short_path(module.__file__) == "chmr_bench/runner/run.py"
    assert short_path("/some/where/deep/file.py") == "deep/file.py"


def test_short_tracebacks_keep_the_last_frames() -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("the bottom")
        deep(n - 1)

    try:
        deep(30)
    except ValueError as error:
        lines = short_traceback(error).splitlines()
    assert 1 <= len(lines) <= 8
    assert 'raise ValueError("the bottom")' in lines[-1]

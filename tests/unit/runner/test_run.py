"""One job: what a model sees, what becomes of its predictions, and of its failures."""

from __future__ import annotations

import dataclasses
import json
import logging
import warnings
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import (
    FeatureRequest,
    FitContext,
    Inputs,
    MatrixBlock,
    TaskInfo,
    part_digest,
)
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, PredictionError, SettingError
from chmr_bench.plugins import registry
from chmr_bench.runner import (
    DatasetRequest,
    Datasets,
    Finished,
    Job,
    LoadedDataset,
    RunOptions,
    SplitRequest,
    fitting,
    run_jobs,
)
from chmr_bench.runner.checking import check_predictions
from chmr_bench.runner.clock import Clock, Listener
from chmr_bench.runner.fitting import FitTask
from chmr_bench.runner.job import key_of
from chmr_bench.runner.logs import captured
from chmr_bench.settings import build_config
from chmr_bench.types import PARTS
from chmr_bench.worker import short_path, short_traceback

pytestmark = pytest.mark.usefixtures("quick")

OPTIONS = RunOptions(FetchOptions(offline=True))


@pytest.fixture
def datasets() -> Datasets:
    return Datasets(FetchOptions(offline=True), n_jobs=1)


def make_job(
    datasets: Datasets,
    model: str,
    seed: int | None = 0,
    dataset: str = "quick-data",
    **config: Any,
) -> Job:
    data = datasets.load(DatasetRequest(name=dataset))
    registered = registry().model(model)
    settled = build_config(registered.spec, config, dataset)
    return Job(registered, settled, data, SplitRequest("reference"), seed)


def finish(datasets: Datasets, model: str, seed: int | None = 0, **config: Any) -> Finished:
    return next(run_jobs([make_job(datasets, model, seed, **config)], OPTIONS))


def fit_task(rows: Inputs) -> FitTask:
    """Return the task of a fit on two molecules, of one task and without test rows."""
    spec, y, valid = registry().model("quick.noise").spec, np.zeros((2, 1)), Inputs(("O", "CO"))
    context = FitContext(TaskInfo("classification", ("a",), "roc_auc"))
    return FitTask(spec, build_config(spec, {}), rows, y, valid, y, (), context, registry())


# ------------------------------------------------------------------------------------- what is well


def test_a_job_gives_a_record_with_scores_of_the_stored_predictions(datasets: Datasets) -> None:
    done = finish(datasets, "quick.noise")
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
    intervals = [(task.low, task.high) for task in record.metrics.per_task]
    assert intervals[2] == (None, None)
    assert all(low <= score <= high for score, (low, high) in zip(scores, intervals, strict=False))
    assert record.metrics.share_080 == sum(score >= 0.8 for score in scores) / 2
    assert record.metrics.low is not None
    assert record.metrics.low <= record.metrics.macro <= (record.metrics.high or 0)


def test_the_validation_rows_are_predicted_too(datasets: Datasets) -> None:
    job = make_job(datasets, "quick.noise")
    done = next(run_jobs([job], OPTIONS))
    assert done.predictions is not None
    assert done.predictions.valid is not None
    valid = job.data.split(job.split).valid
    np.testing.assert_array_equal(done.predictions.valid.rows, valid)
    labelled = np.isfinite(job.data.dataset.y[valid])
    np.testing.assert_array_equal(np.isfinite(done.predictions.valid.values), labelled)


def test_a_run_does_not_fail_by_its_validation_rows(caplog: pytest.LogCaptureFixture) -> None:
    class Falls:
        def fit(self, *parts: Any) -> None:
            raise NotImplementedError

        def predict(self, inputs: Inputs) -> Any:
            raise ValueError("no more")

    assert fitting.of_valid(Falls(), fit_task(Inputs(("C", "CC")))) is None
    assert "no predictions of the validation rows are kept: ValueError: no more" in caplog.text


def test_a_model_has_the_only_hold_on_its_training_rows() -> None:
    """So that it can let go of them: those of a large dataset are hundreds of megabytes."""
    values = np.arange(6.0).reshape(2, 3)
    rows = Inputs(("C", "CC"), {"block": MatrixBlock(values, np.ones(2, dtype=bool))})
    task, held = fit_task(rows), weakref.ref(rows)
    del rows
    given = task.give_train()
    assert given.smiles == ("C", "CC")
    assert not given.matrix("block").values.flags.writeable
    assert task.train.smiles == ()
    del given
    assert held() is None


def test_scores_are_of_the_stored_precision(datasets: Datasets) -> None:
    from sklearn.metrics import roc_auc_score

    done = finish(datasets, "quick.noise")
    assert done.predictions is not None
    assert done.record.metrics is not None
    y = datasets.load(DatasetRequest(name="quick-data")).dataset.y[:20, 0]
    expected = roc_auc_score(y, done.predictions.values[:, 0].astype(float))
    assert done.record.metrics.per_task[0].score == pytest.approx(expected)


def test_the_record_names_what_it_rests_on(datasets: Datasets) -> None:
    job = make_job(datasets, "quick.noise", seed=3)
    options = dataclasses.replace(OPTIONS, command=("chmr-bench", "run"))
    record = next(run_jobs([job], options)).record
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
    assert record.dataset.digest == job.data.digest
    json.dumps(record.model_dump(mode="json"), allow_nan=False)


def test_same_seed_same_predictions_other_seed_others(datasets: Datasets) -> None:
    first, again, other = (finish(datasets, "quick.noise", seed) for seed in (1, 1, 2))
    assert first.predictions is not None
    assert again.predictions is not None
    assert other.predictions is not None
    assert first.predictions.digest() == again.predictions.digest() != other.predictions.digest()


def test_a_deterministic_model_has_no_seed(datasets: Datasets) -> None:
    record = finish(datasets, "quick.mean", None).record
    assert record.seed is None
    assert record.model.deterministic


def test_a_forgetful_model_is_seeded_all_the_same(datasets: Datasets) -> None:
    first, again = (finish(datasets, "quick.forgetful", 5) for _ in range(2))
    assert first.predictions is not None
    assert again.predictions is not None
    assert first.predictions.digest() == again.predictions.digest()


def test_a_model_sees_train_and_valid_labels_only_and_cannot_spoil_them(
    datasets: Datasets,
) -> None:
    before = datasets.load(DatasetRequest(name="quick-data")).dataset.y.copy()
    assert finish(datasets, "quick.peeks").record.status == "ok"
    after = datasets.load(DatasetRequest(name="quick-data")).dataset.y
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
    datasets: Datasets, model: str, phase: str, kind: str, message: str
) -> None:
    done = finish(datasets, model)
    error = done.record.error
    assert done.record.status == "failed"
    assert done.predictions is None
    assert done.record.metrics is None
    assert error is not None
    assert (error.phase, error.type) == (phase, kind)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(error.message)
    assert kind in done.log


def test_the_traceback_names_the_model_and_no_folder_of_this_machine(datasets: Datasets) -> None:
    error = finish(datasets, "quick.raises").record.error
    assert error is not None
    assert "quick_models.py" in error.traceback
    assert str(Path(__file__).resolve().parents[3]) not in error.traceback


def test_ctrl_c_is_not_a_failure(datasets: Datasets) -> None:
    with pytest.raises(KeyboardInterrupt):
        finish(datasets, "quick.pressed")


@pytest.mark.parametrize(
    ("y_pred", "message"),
    [
        (np.zeros(4), "shape"),
        (np.zeros((4, 3)), "shape"),
        ([["a", "b"]] * 4, "not numbers"),
        (None, "shape|not numbers"),
        (np.full((4, 2), "0.5"), "<U3, not numbers"),
        (np.full((4, 2), 0.5 + 1j), "complex128, not numbers"),
        (np.full((4, 2), np.datetime64(0, "s")), "datetime64.*, not numbers"),
        (np.ma.masked_array(np.zeros((4, 2)), mask=True), "MaskedArray of float64, not numbers"),
        (np.full((4, 2), np.inf), "not finite"),
        (np.array([[0, 0], [0, np.nan], [0, 0], [0, 0]]), "test row 1, task 1"),
        (np.full((4, 2), -0.1), "from -0.1 to -0.1"),
        (np.full((4, 2), 1.1), "probabilities"),
    ],
)
def test_predictions_that_cannot_be(y_pred: Any, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        check_predictions(y_pred, (4, 2), probabilities=True)


def test_a_log_without_end_is_cut() -> None:
    clock = Clock(Listener())
    for _ in range(30):
        clock.receive("log", "x" * 100_000 + "\n")
    kept = clock.stream.getvalue()
    assert len(kept) < 1_100_000
    assert kept.endswith("[what was logged after this is left out]\n")


def test_rounding_beyond_the_unit_interval_is_forgiven() -> None:
    values = check_predictions(np.array([[1 + 1e-9, -1e-9]]), (1, 2), probabilities=True)
    np.testing.assert_array_equal(values, [[1.0, 0.0]])


def test_values_of_a_regression_may_be_anything_finite() -> None:
    values = check_predictions(np.array([[7.0, -3.0]]), (1, 2), probabilities=False)
    np.testing.assert_array_equal(values, [[7.0, -3.0]])


# ---------------------------------------------------------------------------------- the datasets


def test_datasets_and_splits_are_loaded_once(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = datasets.load(DatasetRequest(name="quick-data"))
    split = data.split(SplitRequest("reference"))

    def never(*_: Any, **__: Any) -> None:
        raise RuntimeError("loaded twice")

    monkeypatch.setattr("chmr_bench.data.datasets.open_dataset", never)
    monkeypatch.setattr("chmr_bench.splits.make_split", never)
    assert datasets.load(DatasetRequest(name="quick-data")) is data
    assert data.split(SplitRequest("reference")) is split


def test_a_split_is_made_on_the_cores_of_the_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    from chmr_bench import splits

    seen = []
    real = splits.make_split

    def noted(*arguments: Any, **more: Any) -> Any:
        seen.append(more["n_jobs"])
        return real(*arguments, **more)

    monkeypatch.setattr(splits, "make_split", noted)
    data = Datasets(FetchOptions(offline=True), n_jobs=3).load(DatasetRequest(name="quick-data"))
    data.split(SplitRequest("reference"))
    assert seen == [3]


def test_features_are_computed_once_and_let_go_with_the_dataset(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def featurise(spec: Any, settings: Any, smiles: Any, **_: Any) -> Any:
        calls.append((spec.name, len(smiles)))
        return MatrixBlock(np.zeros((len(smiles), 2)), np.ones(len(smiles), dtype=bool))

    monkeypatch.setattr("chmr_bench.features.cache.featurise", featurise)
    spec = registry().model("quick.noise").spec
    needs = {"bits": FeatureRequest("morgan"), "same": FeatureRequest("morgan", {"radius": 2})}
    first = datasets.load(DatasetRequest(name="quick-data"))
    assert set(first.inputs(spec, needs).blocks) == {"bits", "same"}
    assert calls == [("morgan", 60)]
    first.inputs(spec, {"bits": FeatureRequest("morgan", {"radius": 3})})
    first.inputs(spec, needs)
    assert calls == [("morgan", 60)] * 2
    second = datasets.load(DatasetRequest(name="quick-small"))
    datasets.keep_features_of(second)
    second.inputs(spec, needs)
    first.inputs(spec, needs)
    assert calls == [("morgan", 60), ("morgan", 60), ("morgan", 30), ("morgan", 60)]


def test_keys_come_with_the_feature_connectivity(datasets: Datasets) -> None:
    spec = registry().model("quick.noise").spec
    data = datasets.load(DatasetRequest(name="quick-small"))
    without = data.inputs(spec, {})
    inputs = data.inputs(spec, {"keys": FeatureRequest("connectivity")})
    assert without.keys == ()
    assert inputs.keys[0] == "VNWKTOKETHGBQD"  # methane
    assert dict(inputs.blocks) == {}


def test_cell_blocks_reach_only_models_that_read_them(datasets: Datasets) -> None:
    data = datasets.load(DatasetRequest(name="quick-small"))
    block = MatrixBlock(np.zeros((30, 4)), np.ones(30, dtype=bool))
    with_cells = dataclasses.replace(data.dataset, blocks={"morphology": block})
    data = dataclasses.replace(data, dataset=with_cells)
    spec = registry().model("quick.noise").spec
    assert data.inputs(spec, {}).blocks == {}
    reader = dataclasses.replace(spec, reads=("morphology", "expression"))
    assert set(data.inputs(reader, {}).blocks) == {"morphology"}


def with_pins(data: LoadedDataset, pins: tuple[str, ...]) -> LoadedDataset:
    spec = dataclasses.replace(data.spec, split_digests=pins)
    return LoadedDataset(data.request, spec, data.dataset, data.digest)


def test_the_pinned_split_digest_is_that_of_the_split(datasets: Datasets) -> None:
    data = datasets.load(DatasetRequest(name="quick-data"))
    reference = SplitRequest("reference")
    made = data.split(reference)
    pins = tuple(part_digest(made.part(p)) for p in PARTS)
    assert with_pins(data, pins).split_digest(reference) == made.digest()
    with pytest.raises(DataError, match="pinned is"):
        with_pins(data, (pins[0], pins[1], "0" * 64)).split(reference)


def test_sizes_that_a_spec_states_are_those_of_its_split(datasets: Datasets) -> None:
    data, reference = datasets.load(DatasetRequest(name="quick-data")), SplitRequest("reference")
    made = data.split(reference)
    train, valid, test = (len(made.part(part)) for part in PARTS)
    for sizes in ((train, valid, test), (train + 1, valid, test - 1)):
        spec = dataclasses.replace(data.spec, split_sizes=sizes)
        stated = LoadedDataset(data.request, spec, data.dataset, data.digest)
        if sizes[0] == train:
            assert stated.split(reference).digest() == made.digest()
        else:
            with pytest.raises(DataError, match=f"{train}/{valid}/{test} rows of train/valid/test"):
                stated.split(reference)


def test_a_pinned_split_is_made_once(datasets: Datasets, home: Path) -> None:
    """Scaffolds of forty thousand molecules take seconds; damage to what is kept costs these."""
    data, reference = datasets.load(DatasetRequest(name="quick-data")), SplitRequest("reference")
    made = data.split(reference)
    pins = tuple(part_digest(made.part(p)) for p in PARTS)
    assert with_pins(data, pins).split(reference).digest() == made.digest()
    (file,) = (home / "splits").iterdir()
    ruleless = dataclasses.replace(data.spec, split_digests=pins, split_rule="")
    kept = LoadedDataset(data.request, ruleless, data.dataset, data.digest)
    assert kept.split(reference).digest() == made.digest()
    whole = file.read_text()
    for damaged in ("", "{}", "[1]", whole.replace("1", "2", 1)):
        file.write_text(damaged)
        assert with_pins(data, pins).split(reference).digest() == made.digest()
        assert file.read_text() == whole


def test_a_dataset_without_a_reference_split_says_what_to_choose(datasets: Datasets) -> None:
    data = datasets.load(DatasetRequest(name="quick-data"))
    spec = dataclasses.replace(data.spec, split_rule="")
    bare = LoadedDataset(data.request, spec, data.dataset, data.digest)
    with pytest.raises(SettingError, match="--split scaffold"):
        bare.split(SplitRequest("reference"))


def test_a_users_table_is_loaded_and_named_in_the_record(
    datasets: Datasets, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"{'C' * (i + 1)},{i % 2}" for i in range(12)] + ["not a molecule,1"]
    file.write_text("smiles,active\n" + "\n".join(rows) + "\n")
    request = DatasetRequest(file=str(file), smiles="smiles", tasks=("active",), on_invalid="drop")
    data = datasets.load(request)
    registered = registry().model("quick.noise")
    job = Job(registered, build_config(registered.spec, {}, ""), data, SplitRequest("random", 1), 0)
    record = next(run_jobs([job], OPTIONS)).record
    assert record.status == "ok"
    assert record.dataset.dropped == 1
    assert record.dataset.dropped_rows[0].row == 14
    assert record.dataset.n_molecules == 12
    assert datasets.load(DatasetRequest.of_record(record)).digest == record.dataset.digest


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

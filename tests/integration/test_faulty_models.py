"""A sweep with one faulty model of each kind: each is named, and harms nobody else."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from chmr_bench import DatasetSpec, ModelSpec
from chmr_bench.api.options import fetch_options, run_options
from chmr_bench.contracts import Dataset
from chmr_bench.data.datasets import open_dataset
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import PluginError, UsageError
from chmr_bench.records import RecordStore
from chmr_bench.runner.loading import LoadedDataset, SplitRequest
from chmr_bench.settings import build_config
from tests.conftest import QUICK_PLUGIN, Command
from tests.integration.conftest import Run

FAULTY_PLUGIN = QUICK_PLUGIN.parent / "faulty"
FAILURES = {
    "leaves": ("WorkerDiedError", "exit code 0"),
    "leaves-with-7": ("WorkerDiedError", "exit code 7"),
    "crashes": ("WorkerDiedError", "SIGSEGV"),
    "sleeps": ("TimeLimitError", "the limit of 10 s"),
    "allocates": ("MemoryLimitError", "the limit of 0.5 GB"),
    "patches-numpy": ("PredictionError", "not numbers"),
    "changes-inputs": ("ValueError", "read-only"),
    "raises-base": ("BaseException", "neither an error nor an exit"),
    "raises-generator-exit": ("GeneratorExit", ""),
    "forks": ("LeftoverProcessError", "left processes behind"),
    "becomes-a-daemon": ("LeftoverProcessError", "left processes behind"),
    "says-what-no-file-holds": ("RuntimeError", "and :A: in the message \\udcff"),
    "needs-and-leaves": ("PluginError", "ended itself with exit code 0"),
    "needs-and-raises": ("PluginError", "BaseException: asked what it needs"),
    "needs-nothing-known": ("PluginError", "needs() gave 5"),
    "feature-raises": ("PluginError", "neither an error nor an exit"),
    "feature-sleeps": ("TimeLimitError", "its features took longer than the limit of 10 s"),
}
WELL = ("looks-around", "moves", "peeks")
SLEEPING = DatasetSpec(
    name="sleeping",
    title="it never returns",
    task_names=("one",),
    n_molecules=1,
    task_type="regression",
    metric="mae",
    load="",
)
DATA = ("-d", "quick-data", "--out", "out")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faulty")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = Command(folder)
    path = [str(FAULTY_PLUGIN), command.environment["PYTHONPATH"]]
    command.environment |= {"PYTHONPATH": os.pathsep.join(path), "COLUMNS": "200"}
    return command.start(*arguments)


def chmr_bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def contents(out: Path) -> dict[str, dict[str, Any]]:
    """Return record by model."""
    records = RecordStore(out).records()
    return {record.model.id: record.model_dump(mode="json") for record in records}


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    """A sweep over all of them between two good models."""
    names = ["mean", *(f"faulty.{name}" for name in (*FAILURES, *WELL)), "fingerprint.knn"]
    models = [word for name in names for word in ("-m", name)]
    limits = ("--time-limit", "10", "--memory-limit", "0.5")
    return chmr_bench(folder, "run", *models, *DATA, *limits, "--json")


@pytest.fixture(scope="module")
def records(folder: Path, done: Any) -> dict[str, dict[str, Any]]:
    """Record by model."""
    return contents(folder / "out")


def test_the_sweep_goes_on_and_says_that_jobs_failed(
    done: subprocess.CompletedProcess[str], records: dict[str, dict[str, Any]]
) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr.replace("Traceback (most recent call first)", "")
    table = {row["model"]: row for row in json.loads(done.stdout)["results"]}
    assert table["mean"]["mean"] == 0.5
    assert table["fingerprint.knn"]["n_runs"] == 1
    assert len(records) == len(FAILURES) + len(WELL) + 2


@pytest.mark.parametrize("name", FAILURES)
def test_each_is_a_failed_record_with_its_reason(
    name: str, done: subprocess.CompletedProcess[str], records: dict[str, dict[str, Any]]
) -> None:
    kind, words = FAILURES[name]
    record = records[f"faulty.{name}"]
    assert record["status"] == "failed"
    assert record["error"]["type"] == kind
    assert words in record["error"]["message"]
    (line,) = [row for row in done.stderr.splitlines() if f"faulty.{name}  FAILED in" in row]
    log = Path(line.rpartition("log: ")[2].rstrip(")"))
    assert kind in log.read_text()


def test_the_last_lines_of_its_log_stand_in_the_record(
    records: dict[str, dict[str, Any]],
) -> None:
    assert "about to leave" in records["faulty.leaves"]["error"]["traceback"]
    crash = records["faulty.crashes"]["error"]["traceback"]
    assert "faulty_models.py" in crash
    assert "in fit" in crash


@pytest.mark.slow
def test_good_models_score_as_they_do_alone(
    folder: Path, records: dict[str, dict[str, Any]]
) -> None:
    alone = ("-m", "mean", "-m", "fingerprint.knn", "-d", "quick-data", "--out", "alone")
    assert chmr_bench(folder, "run", *alone, "-q").returncode == 0
    for name, content in contents(folder / "alone").items():
        assert records[name]["metrics"] == content["metrics"]


def test_a_model_that_moves_does_not_move_the_records(
    folder: Path, records: dict[str, dict[str, Any]]
) -> None:
    assert records["faulty.moves"]["status"] == "ok"
    assert not (folder / "elsewhere" / "out").exists()


def test_predictions_that_depend_on_batch_mates_are_marked(
    done: subprocess.CompletedProcess[str], records: dict[str, dict[str, Any]]
) -> None:
    marked = {name for name, record in records.items() if record["remarks"]}
    assert "faulty.looks-around" in marked
    assert marked <= {"faulty.looks-around", "faulty.peeks"}
    line = r"warning: (\S+, )*faulty\.looks-around(, \S+)* on quick-data: predictions depend on "
    assert re.search(line, done.stderr)


def test_no_test_label_is_within_reach(records: dict[str, dict[str, Any]]) -> None:
    assert records["faulty.peeks"]["status"] == "ok"
    assert records["faulty.peeks"]["metrics"]["macro"] < 0.8


def test_nothing_is_left_behind(folder: Path, done: Any) -> None:
    assert done is not None
    folders = [str(process.info["cwd"] or "") for process in psutil.process_iter(["cwd"])]
    assert [place for place in folders if place.startswith(str(folder))] == []


@pytest.mark.slow
def test_a_model_that_ends_the_process_at_import_cannot_run_and_others_do(folder: Path) -> None:
    bad = ("-m", "faulty.ends-at-import", "-m", "faulty.raises-at-import")
    models = (*bad, "-m", "faulty.config-ends-at-import", "-m", "mean")
    both = chmr_bench(folder, "run", *models, "-d", "quick-data", "--out", "imports")
    assert both.returncode == 1
    ending = "faulty_import:{}': its import ends the process with exit code 5"
    assert "faulty.ends-at-import: '" + ending.format("Model") in both.stdout
    assert "faulty.config-ends-at-import: '" + ending.format("Config") in both.stdout
    assert "importing faulty_raising failed: BaseException: at import" in both.stdout
    assert "mean" in both.stdout.partition("Results")[2]
    alone = chmr_bench(folder, "run", *bad, "-d", "quick-data", "--out", "imports")
    assert alone.returncode == 4


def test_printing_at_import_does_not_spoil_json(folder: Path) -> None:
    listed = chmr_bench(folder, "list", "models", "--json")
    assert "FAULTY import" not in listed.stdout
    assert "faulty.leaves" in {entry["name"] for entry in json.loads(listed.stdout)}


def test_a_dataset_that_ends_the_process_is_named(folder: Path) -> None:
    done = chmr_bench(folder, "run", "-m", "mean", "-d", "faulty-data", "--out", "none")
    assert done.returncode == 4, done.stderr
    assert "error: faulty_models:load_and_leave: the worker process ended itself" in done.stderr


@pytest.mark.slow
def test_ctrl_c_while_a_dataset_is_loaded_is_one_line(folder: Path) -> None:
    words = ("run", "-m", "mean", "-d", "faulty-slow-data", "--out", "none")
    process = start(folder, *words)
    deadline = time.monotonic() + 60
    while not (folder / "begun").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("waiting for faulty_models:load_and_sleep ..." in line for line in lines)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("error: interrupted")


@pytest.mark.slow
def test_settings_that_harm_their_process_harm_no_other(folder: Path) -> None:
    kinds = ("leaves", "raises", "prints")
    models = [word for kind in kinds for word in ("-m", f"faulty.config-{kind}")]
    words = ("-d", "quick-data", "--out", "configs", "--json")
    both = chmr_bench(folder, "run", "-m", "mean", *models, *words)
    assert both.returncode == 1, both.stderr
    assert {row["model"] for row in json.loads(both.stdout)["results"]} == {
        "mean",
        "faulty.config-prints",
    }
    assert "faulty_models:ConfigThatLeaves: the worker process ended itself" in both.stderr
    assert "ConfigThatRaises: BaseException: neither an error nor an exit" in both.stderr
    alone = chmr_bench(folder, "run", *models[:2], *words)
    assert alone.returncode == 4


def test_settings_that_never_come_are_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("chmr_bench.foreign.QUICK_SECONDS", 3.0)
    monkeypatch.setenv("CHMR_BENCH_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(FAULTY_PLUGIN))
    monkeypatch.setattr("chmr_bench.probes._foreign", {"faulty_models"})
    spec = ModelSpec(
        name="faulty.config-sleeps",
        title="a faulty model",
        factory="faulty_models:Base",
        config="faulty_models:ConfigThatSleeps",
        deterministic=True,
    )
    with pytest.raises(PluginError, match="ConfigThatSleeps: it took longer than the limit of 3 s"):
        build_config(spec, {})


def test_a_dataset_that_never_comes_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHMR_BENCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FAULTY_PLUGIN))
    monkeypatch.setattr("chmr_bench.probes._foreign", {"faulty_models"})
    spec = replace(SLEEPING, load="faulty_models:load_and_sleep")
    with pytest.raises(PluginError, match="load_and_sleep: it took longer than the limit of 1 s"):
        open_dataset(spec, fetch_options({"time_limit": 1.0}))
    monkeypatch.setattr("chmr_bench.foreign.LONG_SECONDS", 1.5)
    with pytest.raises(PluginError, match=r"the limit of 1\.5 s"):
        open_dataset(spec, fetch_options({}))
    rule = replace(SLEEPING, split_rule="faulty_models:never")
    data = Dataset(("C",), np.zeros((1, 1)), ("one",))
    loaded = LoadedDataset(DatasetRequest(name="x"), rule, data, "", load_limit=1.0)
    with pytest.raises(PluginError, match="never: it took longer than the limit of 1 s"):
        loaded.split(SplitRequest("reference"))


def test_a_dataset_that_raises_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "loads_badly.py").write_text("def load(spec, files):\n    return {}['toxicity']\n")
    monkeypatch.setenv("CHMR_BENCH_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("chmr_bench.probes._foreign", {"loads_badly"})
    spec = replace(SLEEPING, load="loads_badly:load")
    place = r"KeyError: 'toxicity' \(loads_badly\.py:2 in load: return \{\}\['toxicity'\]\)"
    with pytest.raises(PluginError, match=place):
        open_dataset(spec, fetch_options({}))


def test_the_plan_shows_the_limits(inside: Run) -> None:
    asked = ("run", "-m", "mean", *DATA, "--plan", "--time-limit", "30", "--memory-limit", "2")
    assert "A job may take 30 s and 2 GB." in inside(*asked).stdout
    plan = json.loads(inside(*asked, "--json").stdout)
    assert (plan["time_limit"], plan["memory_limit"]) == (30, 2)
    wrong = inside(*asked[:-1], "0")
    assert wrong.returncode == 2
    assert "--memory-limit 0: expected a number above 0" in wrong.stderr


def test_a_limit_below_what_an_idle_worker_takes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--memory-limit 0\.05: a job's process alone takes"):
        run_options({"memory_limit": 0.05})

"""The door from outside: the template is built, installed and run as a stranger's package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chmr_bench.records import RecordStore

TEMPLATE = Path(__file__).resolve().parents[2] / "plugins" / "template"


def run(*command: str, home: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"CHMR_BENCH_HOME": str(home), "COLUMNS": "200"}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=env, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the template's wheel installed in it, made without the network."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("template")
    wheels, site = folder / "wheels", folder / "site"
    pip = ("pip", "--disable-pip-version-check", "--no-input")
    build = ("wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(TEMPLATE))
    built = run(*pip, *build, home=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.glob("chmr_bench_template-*.whl")
    got = run(*pip, "install", "--no-deps", "--target", str(site), str(wheel), home=folder)
    assert got.returncode == 0, got.stderr
    return site


def test_it_is_listed_with_its_distribution(installed: Path, tmp_path: Path) -> None:
    listed = run("chmr_bench", "list", "models", "--json", home=tmp_path, path=installed)
    assert listed.returncode == 0, listed.stderr
    entries = {e["name"]: e for e in json.loads(listed.stdout)}
    assert entries["template.ridge"]["distribution"] == "chmr-bench-template 0.1.0"
    assert "mean" in entries


def test_it_runs_on_the_demo(installed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ("--model", "template.ridge", "--suite", "demo", "--seeds", "1")
    done = run("chmr_bench", "run", *names, "--out", str(out), home=tmp_path, path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    records = RecordStore(out).records()
    assert {r.status for r in records} == {"ok"}
    assert {r.model.id for r in records} == {"template.ridge"}
    assert {r.dataset.name for r in records} == {"planted", "planted-regression"}
    assert all(r.plugin.version == "0.1.0" for r in records)
    assert "template.ridge" in done.stdout


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    tests = str(TEMPLATE / "tests")
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path))
    done = run("pytest", *options, "-c", os.devnull, tests, home=tmp_path, path=installed)
    assert done.returncode == 0, done.stdout + done.stderr

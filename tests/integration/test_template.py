"""The door from outside: the template is built, installed and run as a stranger's package."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chmr_bench.records import RecordStore
from tests.integration.conftest import PLUGINS, python_m

TEMPLATE = PLUGINS / "template"


@pytest.fixture(scope="module")
def installed(install: Callable[[str], Path]) -> Path:
    """A folder with the template's wheel installed in it."""
    return install("template")


def test_it_is_listed_with_its_distribution(installed: Path, tmp_path: Path) -> None:
    listed = python_m("chmr_bench", "list", "models", "--json", home=tmp_path, path=installed)
    assert listed.returncode == 0, listed.stderr
    entries = {e["name"]: e for e in json.loads(listed.stdout)}
    assert entries["template.ridge"]["distribution"] == "chmr-bench-template 0.1.0"
    assert "mean" in entries


@pytest.mark.slow
def test_it_runs_on_the_demo(installed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ("--model", "template.ridge", "--suite", "demo", "--seeds", "1")
    done = python_m("chmr_bench", "run", *names, "--out", str(out), home=tmp_path, path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    records = RecordStore(out).records()
    assert {r.status for r in records} == {"ok"}
    assert {r.model.id for r in records} == {"template.ridge"}
    assert {r.dataset.name for r in records} == {"planted", "planted-regression"}
    assert all(r.plugin.version == "0.1.0" for r in records)
    assert "template.ridge" in done.stdout


@pytest.mark.slow
def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    tests = str(TEMPLATE / "tests")
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path))
    done = python_m("pytest", *options, "-c", os.devnull, tests, home=tmp_path, path=installed)
    assert done.returncode == 0, done.stdout + done.stderr

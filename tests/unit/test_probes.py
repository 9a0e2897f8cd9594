"""Plugins are imported in a process of their own first."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from chmr_bench import probes
from chmr_bench.errors import PluginError, UsageError


def entry(name: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, name, "chmr_bench.v1")


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)


@pytest.fixture
def site(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_one_that_hangs_is_left_out(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 1.0)
    write(site, "p_hangs", "import time\ntime.sleep(600)\n")
    with pytest.raises(PluginError, match="did not return within 1 s"):
        probes.check_plugin(entry("p_hangs"), "")


def test_a_slow_machine_may_give_it_more(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.01)
    write(site, "p_slow", "import time\ntime.sleep(0.1)\n")
    with pytest.raises(PluginError, match="CHMR_BENCH_PLUGIN_SECONDS=SECONDS"):
        probes.check_plugin(entry("p_slow"), "")
    monkeypatch.setenv("CHMR_BENCH_PLUGIN_SECONDS", "soon")
    with pytest.raises(UsageError, match="'soon': expected a number of seconds"):
        probes.check_plugin(entry("p_slow"), "")
    monkeypatch.setenv("CHMR_BENCH_PLUGIN_SECONDS", "60")
    probes.check_plugin(entry("p_slow"), "")


def test_one_that_raises_is_for_its_importer(site: Path) -> None:
    write(site, "p_raises", "raise ValueError\n")
    probes.check_plugin(entry("p_raises"), "")


def test_it_is_tried_again_when_it_has_changed(site: Path) -> None:
    write(site, "p_changes", "")
    probes.check_plugin(entry("p_changes"), "")
    write(site, "p_changes", "import os\nos._exit(7)\n")
    with pytest.raises(PluginError, match="exit code 7"):
        probes.check_plugin(entry("p_changes"), "")
    assert "p_changes" not in sys.modules


def test_it_is_tried_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site, "p_once", "")
    probes.check_plugin(entry("p_once"), "")
    monkeypatch.setattr(probes, "_try_elsewhere", lambda *_: pytest.fail("tried twice"))
    probes.check_plugin(entry("p_once"), "")


def test_a_hook_that_never_ends_is_left_out(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 3.0)
    hook = "def specs():\n    while True:\n        yield None\n\nspecs.mark = {}\n"
    write(site, "p_endless", hook)
    with pytest.raises(PluginError, match="its hook specs did not return within 3 s"):
        probes.check_plugin(entry("p_endless"), "mark")


def test_a_hook_that_raises_is_for_its_caller(site: Path) -> None:
    write(site, "p_hook_raises", "def specs():\n    raise SystemExit(3)\n\nspecs.mark = {}\n")
    probes.check_plugin(entry("p_hook_raises"), "mark")

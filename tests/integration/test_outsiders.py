"""Models of other packages, each a distribution of its own, through the door a stranger has."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from chmr_bench.testing import check_registration

REPOSITORY = Path(__file__).resolve().parents[2]
OUTSIDERS = {"attentive_fp": ("chmr_bench_attentive_fp", ("torch_geometric",))}
"""Folder below plugins -> what its entry point names, and what it needs."""


@pytest.mark.parametrize("folder", OUTSIDERS)
def test_registration_is_light(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "plugins" / folder / "src"))
    check_registration(OUTSIDERS[folder][0])


@pytest.mark.slow
@pytest.mark.parametrize("folder", OUTSIDERS)
def test_its_own_tests_pass(folder: str, tmp_path: Path) -> None:
    missing = [name for name in OUTSIDERS[folder][1] if find_spec(name) is None]
    if missing:
        pytest.skip(f"plugins/{folder} needs {', '.join(missing)}")
    place = REPOSITORY / "plugins" / folder
    paths = (str(place / "src"), os.environ.get("PYTHONPATH", ""))
    words = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-c", str(place / "pyproject.toml"), "tests"],
        capture_output=True,
        text=True,
        cwd=place,
        env=os.environ
        | {"CHMR_BENCH_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_guide_shows_the_plugin_whole() -> None:
    code = REPOSITORY / "plugins/attentive_fp/src/chmr_bench_attentive_fp/__init__.py"
    guide = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"# attentive_fp.py\n{code.read_text(encoding='utf-8')}```" in guide

"""check_registration sees heavy and failing imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench import PluginError
from chmr_bench.testing import check_registration


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_light_module_passes(folder: Path) -> None:
    (folder / "light_one.py").write_text("import chmr_bench\n")
    check_registration("light_one")


def test_a_heavy_import_is_named(folder: Path) -> None:
    (folder / "heavy_one.py").write_text("import pandas\n")
    with pytest.raises(PluginError, match="'heavy_one' imports pandas"):
        check_registration("heavy_one")


def test_a_module_that_does_not_import_is_named(folder: Path) -> None:
    (folder / "broken_one.py").write_text("raise RuntimeError('no key')\n")
    with pytest.raises(PluginError, match="RuntimeError: no key"):
        check_registration("broken_one")

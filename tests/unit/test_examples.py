"""The examples in docstrings give what they say, and everything at the front door has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import chmr_bench
from tests.conftest import THIS_TREE


def modules() -> list[str]:
    """Return the modules of this tree that have examples to run."""
    found = []
    for root in map(Path, THIS_TREE):
        for path in sorted(root.glob("chmr_bench*/**/*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(root).with_suffix("").parts
                found.append(".".join(part for part in parts if part != "__init__"))
    return found


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module(
    name: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert done.failed == 0, capsys.readouterr().out


def test_everything_at_the_front_door_has_an_example() -> None:
    lacking = [
        name
        for name in chmr_bench.__all__
        if name != "hookimpl"  # pluggy's marker; the hooks show it
        and not any(sign in doc(name) for sign in (">>> ", "```python"))
    ]
    assert lacking == []


def doc(name: str) -> str:
    return inspect.getdoc(getattr(chmr_bench, name)) or ""

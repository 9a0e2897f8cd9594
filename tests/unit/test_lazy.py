"""What is said of a module that does not import."""

from __future__ import annotations

import importlib

import pytest

from chmr_bench.errors import PluginError
from chmr_bench.lazy import load_object


def test_a_library_the_system_lacks_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bare server has no libXrender, which RDKit's drawings are linked with."""

    def fail(name: str) -> None:
        raise ImportError("libXrender.so.1: cannot open shared object file: No such file")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(PluginError, match=r"libXrender\.so\.1 is a library of the system: install"):
        load_object("chmr_bench.features.drawings:image")


def test_another_import_error_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError("cannot import name 'x'")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(PluginError, match=r"failed: cannot import name 'x'$"):
        load_object("chmr_bench.features.drawings:image")

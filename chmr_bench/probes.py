"""Import a plugin in a process of its own first: it may end, or never return.

What survived is remembered by its files in the cache folder, so that a plugin is tried once, and
again when it has changed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from importlib.machinery import PathFinder
from multiprocessing import parent_process
from pathlib import Path

from chmr_bench.errors import PluginError
from chmr_bench.paths import home

SECONDS = 30.0
"""Time a plugin has to be imported; ours take less than one."""
MODULE_SECONDS = 180.0
"""Time for a module that a plugin names, which may import torch from a slow disk."""
SURVIVED = 86
"""The exit code of an import that came back, which nobody uses by chance."""
PROBE = f"""
import importlib, os, sys
try:
    importlib.import_module(sys.argv[1])
except BaseException:
    pass
os._exit({SURVIVED})
"""


_foreign: set[str] = set()
"""Packages that plugins of others name."""


def note_foreign(packages: Iterable[str]) -> None:
    """Remember packages as another's: their modules are tried before they are imported."""
    _foreign.update(packages)


def is_foreign(module: str) -> bool:
    """Return whether a module is of a package that `note_foreign` was given."""
    return module.partition(".")[0] in _foreign


def check_import(entry_point: metadata.EntryPoint) -> None:
    """Raise PluginError where importing the plugin's module would end or hang this process.

    An exception at import is no such case: its importer gets that error.
    """
    version = entry_point.dist.version if entry_point.dist is not None else ""
    check_module(entry_point.value.partition(":")[0], version)


def check_module(module: str, version: str = "", seconds: float | None = None) -> None:
    """Raise PluginError where importing a module would end or hang this process.

    In a worker process nothing is tried: it may end.
    """
    if module in sys.modules or parent_process() is not None:
        return
    place = home() / "plugins" / _digest(module, version)
    if place.exists():
        return
    _import_elsewhere(module, SECONDS if seconds is None else seconds)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    except OSError:  # a cache that cannot be written: it is tried each time
        return


def _import_elsewhere(module: str, seconds: float) -> None:
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, module],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": paths},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PluginError(f"its import did not return within {seconds:g} s") from None
    if done.returncode != SURVIVED:
        ending = f"by signal {-done.returncode}"
        if done.returncode >= 0:
            ending = f"with exit code {done.returncode}"
        raise PluginError(f"its import ends the process {ending}")


def _digest(module: str, version: str) -> str:
    """Return a name for the module as it is: its version, and its package's files."""
    parts = [module, version, sys.version, *_files(module.partition(".")[0])]
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:32]


def _files(package: str) -> Iterator[str]:
    """Yield the source files of a package, found without importing it."""
    spec = PathFinder.find_spec(package)
    roots = list(spec.submodule_search_locations or []) if spec else []
    paths = [path for root in roots for path in sorted(Path(root).rglob("*.py"))]
    paths += [Path(spec.origin)] if spec and spec.origin else []
    for path in paths:
        if path.is_file():
            status = path.stat()
            yield f"{path} {status.st_mtime_ns} {status.st_size}"

"""What a model must leave alone: modules, environment, folder, streams, processes, labels."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chmr_bench import isolation, streams, worker
from chmr_bench.contracts import ModelSpec
from chmr_bench.errors import PluginError
from chmr_bench.surroundings import Surroundings
from chmr_bench.types import FloatArray

PATIENCE = 0.5
"""Seconds that a child may take to end by itself."""
PROCESSES_OF_OURS = ("loky", "resource_tracker", "forkserver", "serve_model.py")
"""In the command lines of children that end with what uses them."""
TOO_LIKE = 0.99
"""Correlation with random labels, in every task, that no honest prediction reaches."""


def _left_processes(before: frozenset[int]) -> list[str]:
    """Kill the children that came since and do not end by themselves; return their names."""
    import psutil

    new = [child for child in _children() if child.pid not in before]
    names = worker.kill_all(new, PATIENCE)
    psutil.wait_procs(new, timeout=PATIENCE)
    return names


def _children() -> list[Any]:
    """Return the children of this process, without those of pools that are shut down at its end."""
    import psutil

    children = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = " ".join(child.cmdline())
            if not any(name in words for name in PROCESSES_OF_OURS):
                children.append(child)
    return children


@contextmanager
def left_alone(where: str) -> Iterator[None]:
    """Raise PluginError where the block changes what it must leave alone; that is put back."""
    before, children = Surroundings.now(), frozenset(child.pid for child in _children())
    try:
        yield
    finally:
        changes, processes = before.restored(), _left_processes(children)
    if changes:
        raise PluginError(f"{where}: it changed {', '.join(changes)}, which others rely on")
    if processes:
        raise PluginError(f"{where}: it left processes behind: {', '.join(processes)}")


def random_labels(task_type: str, n: int, n_tasks: int) -> FloatArray:
    """Return (n, t) labels that follow from nothing a model is given: a bait."""
    generator = np.random.default_rng(20261127)
    if task_type == "classification":
        halves = np.arange(n)[:, None] % 2 * np.ones(n_tasks)
        return np.asarray(generator.permuted(halves, axis=0))
    return np.asarray(generator.normal(size=(n, n_tasks)))


def are_like(y_pred: FloatArray, bait: FloatArray) -> bool:
    """Return whether predictions follow the bait in every task."""
    if not (y_pred.std(axis=0) > 0).all():
        return False
    pairs = zip(y_pred.T, bait.T, strict=True)
    return all(np.corrcoef(ours, theirs)[0, 1] > TOO_LIKE for ours, theirs in pairs)


def check_silent_import(spec: ModelSpec) -> None:
    """Raise PluginError where importing a model's modules prints on standard output.

    They are imported in a worker process. Modules that are not to be found there are left out.
    """
    modules = sorted({path.partition(":")[0] for path in (spec.factory, spec.config)})
    text = isolation.call("chmr_bench.testing.surroundings:printed_at_import", modules)
    if text:
        raise PluginError(
            f"model {spec.name!r}: importing {' or '.join(modules)} prints on standard output, "
            f"where results go: {text.splitlines()[0]!r}"
        )


def printed_at_import(modules: Sequence[str], send: Any) -> str:
    """Return what importing the modules prints on standard output; called in a worker."""
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        for module in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        streams.flush()
        os.dup2(2, 1)
        file.seek(0)
        return file.read().decode("utf-8", errors="replace").strip()

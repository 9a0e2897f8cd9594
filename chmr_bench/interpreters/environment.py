"""Which interpreter a model runs in, and what is installed there."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from chmr_bench.contracts import ModelSpec
from chmr_bench.errors import MissingDependencyError

UNKNOWN = "unknown"
"""Stands for the digest of an environment that is not there."""
PROBE_SECONDS = 120.0
PROBE = """
import importlib.metadata, json, platform, sys
names = {(d.metadata["Name"] or "").lower(): d.version for d in importlib.metadata.distributions()}
print(json.dumps([platform.python_version(), platform.machine(), sorted(names.items())]))
"""
FIND = """
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))
"""
OURS = ("numpy", "pyarrow")
"""Packages the protocol itself needs there."""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter with its packages.

    Attributes
    ----------
    path : str
        Of its executable.
    python : str
        Its version.
    packages : tuple[str, ...]
        What is installed, ``name==version``, sorted.
    digest : str
        sha256 of version, machine and packages: not of where it lies.
    """

    path: str
    python: str
    packages: tuple[str, ...]
    digest: str


def interpreter_of(spec: ModelSpec) -> Interpreter:
    """Return the interpreter of a model that has one of its own.

    Raises
    ------
    MissingDependencyError
        The environment variable that names it is not set, or it does not start.
    """
    path = spec.python if Path(spec.python).is_absolute() else os.environ.get(spec.python, "")
    if not path:
        raise MissingDependencyError(
            f"model {spec.name!r} runs in an interpreter of its own: set {spec.python} to the "
            f"python of an environment that has {', '.join(dict.fromkeys((*spec.requires, *OURS)))}"
        )
    return _looked_at(path, spec.name, spec.python)


def environment_digest(spec: ModelSpec) -> str:
    """Return the digest of a model's own environment; `UNKNOWN` where there is none."""
    try:
        return interpreter_of(spec).digest
    except MissingDependencyError:
        return UNKNOWN


def missing_there(spec: ModelSpec) -> list[str]:
    """Return the modules that the model needs and that its interpreter does not have.

    Raises
    ------
    MissingDependencyError
        As `interpreter_of`.
    """
    path = interpreter_of(spec).path
    missing: list[str] = json.loads(_asked(path, FIND, *spec.requires, *OURS))
    return missing


@functools.cache
def _looked_at(path: str, model: str, named: str) -> Interpreter:
    try:
        python, machine, packages = json.loads(_asked(path, PROBE))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise MissingDependencyError(
            f"model {model!r}: {path} ({named}) is no Python interpreter that starts: "
            f"{type(error).__name__}; expected the python of a virtual environment"
        ) from error
    text = json.dumps([python, machine, packages])
    names = tuple(f"{name}=={version}" for name, version in packages)
    return Interpreter(path, python, names, hashlib.sha256(text.encode()).hexdigest())


@functools.cache
def _asked(path: str, code: str, *arguments: str) -> str:
    """Return what code prints there; our own PYTHONPATH does not reach it."""
    done = subprocess.run(
        [path, "-E", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=PROBE_SECONDS,
    )
    return done.stdout

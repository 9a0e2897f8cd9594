"""Try a plugin in a process of its own first: it may end, never return, or harm the others.

What survived is remembered by its files in the cache folder, so that a plugin is tried once, and
again when it has changed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import importlib
import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from chmr_bench.errors import INTERRUPTED, PluginError, UsageError
from chmr_bench.paths import home
from chmr_bench.surroundings import Surroundings, loaded_libraries

SECONDS = 30.0
"""Time a plugin has for its import and hooks; ours take less than one."""
PATIENCE = "CHMR_BENCH_PLUGIN_SECONDS"
"""Environment variable that gives more, for a slow disk or a busy machine."""
MODULE_SECONDS = 180.0
"""Time for a module that a plugin names, which may import torch from a slow disk."""
ENDING_SECONDS = 5.0
"""Time that the process has to end after the import."""
SURVIVED, STUCK = 86, 87
"""Exit codes that nobody uses by chance: the process ended by itself, or had to be ended."""
PROBE = "import sys; from chmr_bench import probes; probes.try_plugin(*sys.argv[1:])"
IMPORT = "its import"


_foreign: set[str] = set()
"""Packages that plugins of others name."""


def note_foreign(packages: Iterable[str]) -> None:
    """Remember packages as another's: their modules are tried before they are imported."""
    _foreign.update(packages)


def is_foreign(module: str) -> bool:
    """Return whether a module is of a package that `note_foreign` was given."""
    return module.partition(".")[0] in _foreign


def check_plugin(entry_point: metadata.EntryPoint, mark: str) -> None:
    """Raise PluginError where the plugin's import, or a hook of it, would harm this process.

    Its hooks are the functions with the attribute `mark`. An exception is no such case: who imports
    it, or calls the hook, gets that error.
    """
    version = entry_point.dist.version if entry_point.dist is not None else ""
    check_module(entry_point.value.partition(":")[0], version, mark=mark)


def check_module(
    module: str, version: str = "", seconds: float | None = None, mark: str = ""
) -> None:
    """Raise PluginError where importing a module would harm this process.

    It would end or hang it, now or at its end, or change what others rely on.
    In a worker process nothing is tried: it may end.
    """
    if module in sys.modules or parent_process() is not None:
        return
    place = home() / "plugins" / _digest(module, version)
    if place.exists():
        return
    _try_elsewhere(module, max(SECONDS if seconds is None else seconds, _patience()), mark)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    except OSError:  # a cache that cannot be written: it is tried each time
        return


def _patience() -> float:
    """Return how long the user would wait, 0 where the variable is not set."""
    value = os.environ.get(PATIENCE, "0")
    try:
        return float(value)
    except ValueError as error:
        raise UsageError(f"{PATIENCE}={value!r}: expected a number of seconds") from error


def _try_elsewhere(module: str, seconds: float, mark: str) -> None:
    """Try it once, and again where it imports a library: with that as it was before.

    A plugin may import a library and change it; only the second trial knows what it changed.
    """
    libraries = _tried(module, seconds, mark, ())
    if libraries:
        _tried(module, seconds, mark, libraries)


def _tried(module: str, seconds: float, mark: str, before: Sequence[str]) -> list[str]:
    """Return the libraries that the trial imported, beside those that are imported before it."""
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        try:
            code = subprocess.run(
                [sys.executable, "-P", "-c", PROBE, module, str(report), mark, *before],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": paths},
                start_new_session=True,  # it may signal all of its group
                timeout=seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = STUCK
        seen = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    step = seen.get("step", IMPORT)
    if seen.get("ended"):
        _judge(step, seen, code)
        return list(seen["libraries"])
    if code == STUCK:
        raise PluginError(
            f"{step} did not return within {seconds:g} s; {PATIENCE}=SECONDS in the environment "
            "gives it more"
        )
    raise PluginError(f"{step} ends the process {_ending(code)}")


def _judge(step: str, seen: Mapping[str, Any], code: int) -> None:
    """Raise PluginError for what a plugin did up to a step that returned."""
    if seen["changed"]:
        changed = ", ".join(seen["changed"])
        raise PluginError(f"{step} changes {changed}, which others rely on")
    if code == STUCK:
        threads = ", ".join(seen["threads"])
        why = f"threads are left that are no daemons: {threads}" if threads else "it hangs at exit"
        raise PluginError(f"after {step} no command would end; {why}")
    if code != SURVIVED:
        raise PluginError(
            f"after {step} every command would end {_ending(code)}; "
            "it leaves something behind that ends the process at exit"
        )


def _ending(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def try_plugin(module: str, report: str, mark: str, *libraries: str) -> None:
    """Import a module, call its hooks, and write down what that does to this process.

    Called in a process made for it, which is about to end. The libraries are imported first, to be
    watched. An exception is no harm: who imports the plugin or calls the hook gets it, too.
    """
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    before, known, process = Surroundings.now(), loaded_libraries(), os.getpid()
    atexit.register(os._exit, SURVIVED)  # registered first, and so called last
    end = threading.Timer(ENDING_SECONDS, os._exit, (STUCK,))
    end.daemon = True
    for step, function in _steps(module, mark):
        seen: dict[str, Any] = {"step": step}
        Path(report).write_text(json.dumps(seen), encoding="utf-8")
        try:
            function()
        except KeyboardInterrupt:  # nobody could tell it from Ctrl-C
            os._exit(INTERRUPTED)
        except BaseException:  # noqa: BLE001 - as above
            pass
        if os.getpid() != process:  # it has forked, and this is the copy
            os._exit(0)
        seen |= {"ended": True, "changed": before.restored(), "threads": _threads()}
        new = [name for name in loaded_libraries() if name not in known]
        seen["libraries"] = [name for name in new if name.partition(".")[0] != "torch"]
        Path(report).write_text(json.dumps(seen), encoding="utf-8")
        if seen["changed"] or seen["threads"]:
            break
    end.start()


def _steps(module: str, mark: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is to be tried: the import, and what the module has in hooks by then."""
    yield IMPORT, functools.partial(importlib.import_module, module)
    for name, value in list(vars(sys.modules.get(module, object)).items()):
        if mark and inspect.isroutine(value) and hasattr(value, mark):
            yield f"its hook {name}", functools.partial(_exhaust, value)


def _exhaust(hook: Callable[[], Iterable[Any]]) -> None:
    """Call a hook and go through what it gives: it may be a generator."""
    for _ in hook():
        pass


def _threads() -> list[str]:
    """Return the names of the threads that a process waits for at its end."""
    main = threading.main_thread()
    return [one.name for one in threading.enumerate() if one is not main and not one.daemon]


def _digest(module: str, version: str) -> str:
    """Return a name for the module as it is: its version, its package's files, and the trial."""
    parts = [module, version, sys.version, PROBE, *_files(module.partition(".")[0])]
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

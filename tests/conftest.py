"""What every test may use: a cache folder of its own, and the real data where they are."""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Of a shell's background job, which the programs that tests start would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]
THIS_TREE = [str(REPOSITORY / folder) for folder in (".", "plugins", "baselines")]
"""Tested is this tree, whichever is installed."""
QUICK_PLUGIN = REPOSITORY / "tests" / "fixtures" / "quick"
LONGEST = (
    "tests/integration/test_pretraining.py",
    "tests/integration/test_kill.py",
    "tests/integration/test_faulty_models.py",
    "tests/integration/test_docs.py",
    "tests/integration/test_audit_cli.py",
    "tests/integration/test_broken_plugins.py",
    "tests/contract/",
    "tests/unit/splits/test_grouped.py",
)
"""Tests that begin first, so that none of them runs alone at the end."""
MANY = 200
HEAVY = ("torch", "torch_geometric", "safetensors", "sklearn", "numba")
HEAVY += ("matplotlib.backends.backend_agg",)
"""What worker processes would import one by one, for seconds each."""
OF_TESTS = ("pytest", "chmr_bench.testing.models")
"""What workers import besides: for a toy that stands in a test's module, and to check a model."""


def pytest_configure(config: pytest.Config) -> None:
    """Have a new environment compiled by one process: workers that begin together all would."""
    for name in () if hasattr(config, "workerinput") else HEAVY:
        spec = importlib.util.find_spec(name.split(".")[0])
        if spec and spec.origin and not (Path(spec.origin).parent / "__pycache__").exists():
            importlib.import_module(name)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while all is imported, and never again in what was: seconds a process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first; a file stays together, for what its tests share."""

    def rank(item: pytest.Item) -> int:
        starts = (i for i, start in enumerate(LONGEST) if item.nodeid.startswith(start))
        return next(starts, len(LONGEST))

    items.sort(key=rank)
    if len(items) > MANY:
        from chmr_bench import isolation

        found = [name for name in HEAVY if importlib.util.find_spec(name.split(".")[0])]
        isolation.warm_up([*found, *OF_TESTS])


@pytest.fixture(scope="session", autouse=True)
def one_command_tree() -> None:
    """Build the tree of commands once a process: that takes longer than most commands do."""
    typer.main.get_command = functools.cache(typer.main.get_command)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for one test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CHMR_BENCH_HOME", str(folder))
    return folder


@pytest.fixture
def known_features(
    home: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Features of real molecules, computed once a run by whichever test wants them first."""
    run = tmp_path_factory.getbasetemp()
    shared = (run.parent if hasattr(request.config, "workerinput") else run) / "features"
    shared.mkdir(exist_ok=True)
    home.mkdir()
    (home / "features").symlink_to(shared)
    return shared


def find_mirror() -> Path | None:
    """Return the folder of the real data, or None."""
    named = os.environ.get("CHMR_BENCH_MIRROR", "")
    candidates = [Path(named)] if named and "://" not in named else []
    candidates.append(REPOSITORY.parent / "shared" / "data")
    return next((c for c in candidates if (c / "SOURCES.csv").is_file()), None)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of the real data; the test is skipped where there is none."""
    folder = find_mirror()
    if folder is None:
        pytest.skip("the real data are not here: set CHMR_BENCH_MIRROR to a mirror folder")
    return folder


@functools.cache
def _registry_with_quick() -> Any:
    from chmr_bench import plugins

    plugins.forget_registry()
    return plugins.registry()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Path]:
    """Register the plugin of quick and of misbehaving models; its folder, for a PYTHONPATH.

    It is registered as a stranger's is, tried and watched, once a process.
    """
    from chmr_bench import plugins

    monkeypatch.syspath_prepend(str(QUICK_PLUGIN))
    known = _registry_with_quick()
    tables = {name: dict(one) for name, one in vars(known).items() if isinstance(one, dict)}
    plugins.use_registry(replace(known, **tables))
    yield QUICK_PLUGIN
    plugins.forget_registry()


@pytest.fixture
def alarm() -> Iterator[None]:
    """End a test that waits for a pipe."""

    def end(*_: object) -> None:
        pytest.fail("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Command:
    """``chmr-bench`` in processes of their own, with the quick plugin, in one working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if k != "CHMR_BENCH_MIRROR"},
            "PYTHONPATH": os.pathsep.join([str(QUICK_PLUGIN), *THIS_TREE]),
            "CHMR_BENCH_HOME": str(folder / "home"),
            "COLUMNS": "160",
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "chmr_bench", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command line as a user does, in an empty folder."""
    return Command(tmp_path)

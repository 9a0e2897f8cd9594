"""Plugins broken in every way: each is named with its version and its error, the rest works.

The plugins are whole fake distributions (a module and its metadata) on the path of a fresh process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import THIS_TREE

PLUGIN_ERROR = 4
USAGE_ERROR = 2

MODEL = """
from chmr_bench import ModelSpec, hookimpl

@hookimpl
def chmr_bench_models():
    classes = {{"factory": "{module}:Toy", "config": "{module}:Config"}}
    return [ModelSpec(name="{name}", title="A toy", **classes{more})]
"""

BROKEN: Mapping[str, tuple[str, str]] = {
    "import-error": ("import no_such_package\n", "No module named 'no_such_package'"),
    "syntax-error": ("def broken(:\n", "SyntaxError"),
    "misspelt-hook": (
        MODEL.replace("chmr_bench_models", "chmr_bench_modles").format(
            name="toy.typo", module="m", more=""
        ),
        "did you mean 'chmr_bench_models'",
    ),
    "wrong-type": (
        """
        from chmr_bench import hookimpl

        @hookimpl
        def chmr_bench_models():
            return [{"name": "toy.dict"}]
        """,
        "expected ModelSpec",
    ),
    "unknown-field": (
        MODEL.format(name="toy.field", module="m", more=", colour='red'"),
        "unexpected keyword argument 'colour'",
    ),
    "clash": (MODEL.format(name="mean", module="m", more=""), "registered already"),
    "hook-raises": (
        """
        from chmr_bench import hookimpl

        @hookimpl
        def chmr_bench_datasets():
            raise RuntimeError("the licence file is missing")
        """,
        "RuntimeError: the licence file is missing",
    ),
    "leaves": ("raise SystemExit(0)\n", "SystemExit"),
    "generator-exit": ("raise GeneratorExit\n", "GeneratorExit"),
    "dies": ("import os\nos._exit(0)\n", "its import ends the process with exit code 0"),
    "crashes": ("import os\nos.abort()\n", "its import ends the process by signal 6"),
    "prints": ("print('{')\n", "it implements no hook"),
}

HOOK = """
import atexit, builtins, os, signal, sys
import numpy as np
from chmr_bench import hookimpl

@hookimpl
def chmr_bench_models():
    {body}
    return []
"""

HARMFUL: Mapping[str, tuple[str, str]] = {
    "changes": (
        """
        import builtins, os, sys
        os.chdir("/")
        builtins.open = None
        sys.setrecursionlimit(60)
        """,
        "its import changes the recursion limit, builtins.open, the working folder, "
        "which others rely on",
    ),
    "ends-at-exit": (
        "import atexit, os\natexit.register(os._exit, 0)\n",
        "after its import every command would end with exit code 0; "
        "it leaves something behind that ends the process at exit",
    ),
    "never-ends": (
        """
        import threading, time
        threading.Thread(target=time.sleep, args=(600,), name="pump").start()
        """,
        "after its import no command would end; threads are left that are no daemons: pump",
    ),
    "hook-changes": (
        HOOK.format(body="os.chdir('/'); signal.signal(2, signal.SIG_IGN); np.seterr(all='raise')"),
        "its hook chmr_bench_models changes what numpy does at an error (numpy.seterr), "
        "the working folder, the handler of SIGINT, which others rely on",
    ),
    "hook-dies": (
        HOOK.format(body="os._exit(0)"),
        "its hook chmr_bench_models ends the process with exit code 0",
    ),
    "hook-ends-at-exit": (
        HOOK.format(body="atexit.register(os._exit, 3)"),
        "after its hook chmr_bench_models every command would end with exit code 3; "
        "it leaves something behind that ends the process at exit",
    ),
    "hook-changes-a-library": (
        HOOK.format(body="import numpy.ma; numpy.ma.MaskedArray.mean = print"),
        "its hook chmr_bench_models changes numpy.ma.MaskedArray.mean, which others rely on",
    ),
    "hook-changes-imports": (
        HOOK.format(body="sys.path.clear(); sys.meta_path.clear(); os.umask(0o777)"),
        "its hook chmr_bench_models changes sys.path, sys.meta_path, the umask, "
        "which others rely on",
    ),
    "hook-interrupts": (
        HOOK.format(body="raise KeyboardInterrupt"),
        "its hook chmr_bench_models ends the process with exit code 130",
    ),
    "hook-kills-its-group": (
        HOOK.format(body="os.killpg(0, signal.SIGTERM)"),
        "its hook chmr_bench_models ends the process by signal 15",
    ),
    "hook-changes-later": (  # not where it is tried
        HOOK.format(body="sys.argv[0] == '-c' or builtins.__dict__.update(sorted=None)"),
        "it changes builtins.sorted, which others rely on",
    ),
}
"""Their import or hook returns, and harms what comes after it."""

GOOD_MODULE = """
import numpy as np
from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Toy:
    def __init__(self, config):
        self.n_tasks = 0

    @classmethod
    def needs(cls, config):
        return {}

    def fit(self, train, y_train, valid, y_valid, context):
        self.n_tasks = y_train.shape[1]

    def predict(self, inputs):
        return np.full((len(inputs), self.n_tasks), 0.5)
"""


def distribute(site: Path, name: str, source: str, version: str) -> None:
    """Write a distribution called `name` whose entry point names its one module."""
    module = name.replace("-", "_") + "_plugin"
    (site / f"{module}.py").write_text(dedent(source))
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[chmr_bench.v1]\n{name} = {module}\n")


def distribute_toys(folder: Path) -> None:
    """Write a good plugin, one whose dependency is missing and one whose class is not there."""
    (folder / "good_model.py").write_text(GOOD_MODULE)
    good = MODEL.format(name="toy.good", module="good_model", more="")
    distribute(folder, "good", good, "1.0")
    needs = ", requires=('no_such_engine',)"
    poor = MODEL.format(name="toy.poor", module="good_model", more=needs)
    distribute(folder, "poor", poor, "1.1")
    absent = MODEL.format(name="toy.absent", module="no_such_module", more="")
    distribute(folder, "absent", absent, "1.2")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every broken plugin and the toys."""
    folder = tmp_path_factory.mktemp("site")
    for i, (name, (source, _)) in enumerate(BROKEN.items()):
        distribute(folder, name, source, f"0.{i}.7")
    distribute_toys(folder)
    return folder


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toys alone."""
    folder = tmp_path_factory.mktemp("toys")
    distribute_toys(folder)
    return folder


def chmr_bench(site: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(site), *THIS_TREE]),
        "CHMR_BENCH_HOME": str(home),
        "COLUMNS": "300",
    }
    command = [sys.executable, "-m", "chmr_bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder beside `site`: a plugin that was tried and survived is not tried again."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def listed(site: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return chmr_bench(site, cache, "list", "plugins", "--json")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_with_version_and_error(
    listed: subprocess.CompletedProcess[str], name: str
) -> None:
    assert listed.returncode == 0, listed.stderr
    entries = {e["name"]: e for e in json.loads(listed.stdout)}
    words = BROKEN[name][1]
    version = f"0.{list(BROKEN).index(name)}.7"
    assert words in entries[name]["error"]
    assert (entries[name]["distribution"], entries[name]["version"]) == (name, version)
    assert entries[name]["models"] == []


def test_everything_else_is_there(listed: subprocess.CompletedProcess[str]) -> None:
    entries = {e["name"]: e for e in json.loads(listed.stdout)}
    whole = {n for n, e in entries.items() if not e["error"]}
    assert whole >= {"nine", "planted", "features", "fingerprints", "good", "poor", "absent"}
    assert entries["good"]["models"] == ["toy.good"]
    assert "mean" in entries["fingerprints"]["models"]


@pytest.mark.slow
def test_a_listing_warns_on_stderr_and_stays_json(site: Path, cache: Path) -> None:
    done = chmr_bench(site, cache, "list", "models", "--json")
    assert done.returncode == 0
    entries = {e["name"]: e for e in json.loads(done.stdout)}
    assert entries["mean"]["plugin"] == "fingerprints"
    assert entries["toy.poor"]["missing"] == ["no_such_engine"]
    for i, name in enumerate(BROKEN):
        assert f"{name} 0.{i}.7" in done.stderr


def test_help_does_not_mention_them(site: Path, tmp_path: Path) -> None:
    done = chmr_bench(site, tmp_path, "--help")
    assert done.returncode == 0
    assert "clash" not in done.stdout + done.stderr


def run_on_demo(site: Path, home: Path, out: Path, model: str) -> subprocess.CompletedProcess[str]:
    names = ("--model", model, "--dataset", "planted", "--seeds", "1")
    return chmr_bench(site, home, "run", *names, "--out", str(out / "out"))


def test_a_good_model_runs_beside_them(site: Path, cache: Path, tmp_path: Path) -> None:
    done = run_on_demo(site, cache, tmp_path, "toy.good")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_model_of_a_broken_plugin_is_unknown_and_the_plugin_is_named(
    site: Path, cache: Path, tmp_path: Path
) -> None:
    done = run_on_demo(site, cache, tmp_path, "toy.typo")
    assert done.returncode == USAGE_ERROR
    assert "misspelt-hook" in done.stderr


@pytest.mark.slow
def test_a_missing_dependency_is_named_with_the_way_out(toys: Path, tmp_path: Path) -> None:
    done = run_on_demo(toys, tmp_path, tmp_path, "toy.poor")
    assert done.returncode == PLUGIN_ERROR
    assert "no_such_engine" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_class_that_is_not_there_is_the_plugins_error(toys: Path, tmp_path: Path) -> None:
    done = run_on_demo(toys, tmp_path, tmp_path, "toy.absent")
    assert done.returncode == PLUGIN_ERROR
    assert "no_such_module" in done.stdout + done.stderr


def test_a_harmful_plugin_is_named_and_harms_nothing(tmp_path: Path) -> None:
    for name, (source, _) in HARMFUL.items():
        distribute(tmp_path, name, source, "0.1")
    done = chmr_bench(tmp_path, tmp_path / "home", "list", "plugins", "--json")
    assert done.returncode == 0, done.stderr
    errors = {e["name"]: e["error"] for e in json.loads(done.stdout)}
    assert {name: errors[name] for name in HARMFUL} == {n: w for n, (_, w) in HARMFUL.items()}
    assert errors["fingerprints"] is None


def test_a_hook_that_forks_lists_once(tmp_path: Path) -> None:
    distribute(tmp_path, "hook-forks", HOOK.format(body="os.fork()"), "0.1")
    done = chmr_bench(tmp_path, tmp_path / "home", "list", "plugins", "--json")
    assert done.returncode == 0, done.stderr
    assert "hook-forks" in {entry["name"] for entry in json.loads(done.stdout)}

"""The same numbers over one core or many; a molecule that fails is named by its row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chmr_bench.contracts import FeatureSpec, MatrixBlock
from chmr_bench.errors import FeatureError, MissingDependencyError, PluginError, SettingError
from chmr_bench.features import parallel
from chmr_bench.features.graphs import graph
from chmr_bench.features.plugin import FEATURES
from chmr_bench.testing.blocks import equal_blocks

SPECS = {spec.name: spec for spec in FEATURES}
SMILES = ["C" * (1 + i % 9) + "O" * (i % 2) + "c1ccccc1" for i in range(300)]


INVENTED = """
import numpy as np
from chmr_bench.contracts import MatrixBlock
def block(n):
    return MatrixBlock(np.zeros((n, 2)), np.ones(n, dtype=bool))
def short(smiles):
    return block(1)
def listed(smiles):
    return [1, 2]
def counted(smiles):
    return MatrixBlock(np.zeros((len(smiles), 2)), np.ones(len(smiles), dtype=np.int64))
def column(smiles):
    return MatrixBlock(np.zeros((len(smiles), 2)), np.ones((len(smiles), 1), dtype=bool))
def words(smiles):
    return MatrixBlock(np.full((len(smiles), 2), "a"), np.ones(len(smiles), dtype=bool))
def rows(smiles):
    return MatrixBlock([[0.0, 1.0]] * len(smiles), np.ones(len(smiles), dtype=bool))
def named(smiles):
    return MatrixBlock(np.zeros((len(smiles), 2)), np.ones(len(smiles), dtype=bool), ("a",))
def fussy(smiles):
    if "CC" in smiles:
        raise RuntimeError("not this one\\nand more")
    if "N" in smiles:
        raise RuntimeError("long " * 1_000_000)
    return block(len(smiles))
def endless(smiles):
    values = np.zeros((len(smiles), 2))
    values[1, 1] = np.inf
    return MatrixBlock(values, np.ones(len(smiles), dtype=bool))
def patches(smiles, place):
    import subprocess, sys
    from pathlib import Path
    from rdkit import Chem
    Chem.MolFromSmiles = None
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (Path(place) / "children").open("a").write(f"{child.pid}\\n")
    return block(len(smiles))
def lacking(smiles):
    import no_such_package
def leaves(smiles):
    raise SystemExit(0)
def together(smiles):
    if len(smiles) > 1:
        raise ZeroDivisionError("only alone")
    return block(len(smiles))
"""


@pytest.fixture
def feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FeatureSpec]:
    """Return a feature of a module that workers, older than it, have never seen."""
    (tmp_path / "invented_features.py").write_text(INVENTED)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name: FeatureSpec("invented", "Invented", f"invented_features:{name}", depends=())


@pytest.mark.parametrize("name", ["morgan", "graph", "connectivity"])
def test_workers_change_no_number(name: str) -> None:
    spec = SPECS[name]
    one = parallel.compute_block(spec, spec.settings, SMILES, n_jobs=1)
    two = parallel.compute_block(spec, spec.settings, SMILES, n_jobs=2)
    assert equal_blocks(one, two)
    if isinstance(two, MatrixBlock) and not isinstance(two.values, np.ndarray):
        assert two.values.dtype == np.uint8
        assert two.values.has_sorted_indices


@pytest.mark.parametrize("bad_row", [0, 31, 32, 77, 299])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failing_molecule_is_named(bad_row: int, n_jobs: int) -> None:
    smiles = [*SMILES]
    smiles[bad_row] = "C(("
    with pytest.raises(FeatureError) as caught:
        parallel.compute_block(SPECS["morgan"], {}, smiles, n_jobs=n_jobs)
    message = str(caught.value)
    assert f"row {bad_row} " in message
    assert "'C(('" in message
    assert "morgan" in message


def test_progress_ends_at_the_total_and_never_falls() -> None:
    seen: list[tuple[int, int, str]] = []
    parallel.compute_block(
        SPECS["morgan"], {}, SMILES, 2, lambda done, total, unit: seen.append((done, total, unit))
    )
    done = [step[0] for step in seen]
    assert done[0] == 0
    assert done[-1] == len(SMILES)
    assert done == sorted(done)
    assert {step[1:] for step in seen} == {(len(SMILES), "molecules")}


def test_a_bad_setting_is_refused() -> None:
    with pytest.raises(SettingError, match="radius"):
        parallel.compute_block(SPECS["morgan"], {"radius": -2}, SMILES, n_jobs=2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_package_that_is_missing_is_no_molecules_fault(
    feature: Callable[[str], FeatureSpec], n_jobs: int
) -> None:
    says = r"feature 'invented' needs a package .* No module named 'no_such_package'.*; install"
    with pytest.raises(MissingDependencyError, match=says):
        parallel.compute_block(feature("lacking"), {}, ["C", "CC"] * 20, n_jobs=n_jobs)


def test_no_molecules_give_an_empty_block() -> None:
    block = parallel.compute_block(SPECS["morgan"], {}, [])
    assert isinstance(block, MatrixBlock)
    assert block.values.shape == (0, 2048)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("short", PluginError, r"values have shape \(1, 2\), expected \(3, d\)"),
        ("counted", PluginError, r"observed is int64 \(3,\), expected bool"),
        ("column", PluginError, r"observed is bool \(3, 1\), expected bool \(3,\) or \(3, 2\)"),
        ("words", PluginError, "values are <U1, expected floats or integers"),
        ("rows", PluginError, "values are a list, expected a numpy array"),
        ("named", PluginError, "1 names for 2 columns"),
        ("listed", PluginError, "expected a MatrixBlock"),
        ("fussy", FeatureError, r"row 1 .*'CC', .*RuntimeError: not this one; mend"),
        (
            "endless",
            FeatureError,
            r"row 1 .*'CC', .*column 1 is inf where it is marked as observed",
        ),
        ("together", PluginError, "ZeroDivisionError: only alone"),
        ("leaves", PluginError, "'invented' fails: SystemExit: 0"),
    ],
)
def test_a_feature_that_breaks_the_contract(
    feature: Callable[[str], FeatureSpec], name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        parallel.compute_block(feature(name), {}, ["C", "CC", "CCC"])


def test_what_a_strangers_feature_changes_reaches_no_other(
    feature: Callable[[str], FeatureSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chmr_bench.probes._foreign", {"invented_features"})
    parallel.compute_block(feature("patches"), {"place": str(tmp_path)}, ["C"])
    children = (tmp_path / "children").read_text().split()
    assert children
    found = psutil.process_iter(["status"])
    running = {one.pid for one in found if one.info["status"] != psutil.STATUS_ZOMBIE}
    assert running.isdisjoint(map(int, children))
    morgan = parallel.compute_block(SPECS["morgan"], {}, ["C", "CC"], n_jobs=1)
    assert len(morgan) == 2


def test_a_long_reason_is_cut(feature: Callable[[str], FeatureSpec]) -> None:
    with pytest.raises(FeatureError, match=r"row 0 .*long long") as caught:
        parallel.compute_block(feature("fussy"), {}, ["N"])
    assert len(str(caught.value)) < 3000


def test_matrices_and_graphs_do_not_mix() -> None:
    matrix = MatrixBlock(np.zeros((1, 2)), np.ones(1, dtype=bool))
    with pytest.raises(PluginError, match="graphs for others"):
        parallel.concatenate([matrix, graph(["C"])])
    wider = MatrixBlock(np.zeros((1, 3)), np.ones(1, dtype=bool))
    with pytest.raises(PluginError, match="2 columns for some molecules and 3 for others"):
        parallel.concatenate([matrix, wider])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_graphs_in_pieces_are_the_graphs_of_the_whole(sizes: list[int]) -> None:
    pool = ["C", "CCO", "c1ccccc1", "[Na+].[Cl-]", "CC(=O)O"]
    pieces = [pool[:size] for size in sizes]
    whole = graph([s for piece in pieces for s in piece])
    joined = parallel.concatenate([graph(piece) for piece in pieces])
    assert equal_blocks(whole, joined)


def interrupt_me(i: int) -> tuple[int, int]:
    os.kill(os.getpid(), signal.SIGINT)
    return i, os.getpid()


def ordered(function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], n_jobs: int) -> Any:
    return parallel.ordered("numbers", function, tasks, n_jobs)


def test_workers_are_deaf_and_keep_the_order_and_are_used_again() -> None:
    tasks = [(i,) for i in range(9)]
    first = list(ordered(interrupt_me, tasks, 2))
    again = list(ordered(interrupt_me, tasks, 2))
    assert [i for i, _ in first] == [i for i, _ in again] == list(range(9))
    assert {pid for _, pid in again} <= {pid for _, pid in first}
    assert os.getpid() not in {pid for _, pid in first}


def test_no_work_starts_no_worker_and_a_worker_starts_none() -> None:
    assert list(ordered(interrupt_me, [], 2)) == []
    inner = [("numbers", os.getpid, [(), ()], 2)]
    [pids] = ordered(list_of_ordered, inner, 1)
    assert len(set(pids)) == 1


def test_a_worker_shares_many_tasks_with_its_own_and_leaves_none() -> None:
    inner = [("numbers", interrupt_me, [(i,) for i in range(parallel.MANY)], 2)]
    [found] = ordered(list_of_ordered, inner, 1)
    assert [i for i, _ in found] == list(range(parallel.MANY))
    pids = {pid for _, pid in found}
    [(_, outer)] = ordered(interrupt_me, [(0,)], 1)  # the worker of before
    assert len(pids) <= 2
    assert outer not in pids
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def list_of_ordered(*arguments: Any) -> list[Any]:
    return list(parallel.ordered(*arguments))


def test_a_worker_that_died_idle_is_replaced() -> None:
    [(_, pid)] = ordered(interrupt_me, [(0,)], 1)
    os.kill(pid, signal.SIGKILL)
    [(_, other)] = ordered(interrupt_me, [(0,)], 1)
    assert other != pid


def test_a_worker_that_dies_at_work_is_an_error_and_the_next_feature_has_new_ones() -> None:
    with pytest.raises(FeatureError, match="numbers: a worker process died"):
        list(ordered(os._exit, [(3,)], 1))
    assert [i for i, _ in ordered(interrupt_me, [(0,), (1,)], 1)] == [0, 1]


def fail_at_one(i: int) -> int:
    if i == 1:
        raise FeatureError("not this one")
    return os.getpid()


def test_an_error_of_a_task_keeps_the_workers() -> None:
    with pytest.raises(FeatureError, match="not this one"):
        list(ordered(fail_at_one, [(i,) for i in range(9)], 1))
    [pid] = ordered(fail_at_one, [(0,)], 1)
    results = ordered(fail_at_one, [(i,) for i in (0, 0, 0, 0)], 1)
    assert next(results) == pid
    results.close()
    assert list(ordered(fail_at_one, [(0,)], 1)) == [pid]


def nap(i: int) -> int:
    if i == 1:
        raise FeatureError("not this one")
    time.sleep(0.3)
    return os.getpid()


def test_more_workers_are_started_while_tasks_of_a_failed_call_end() -> None:
    with pytest.raises(FeatureError):
        list(ordered(nap, [(i,) for i in range(6)], 2))
    assert len(set(ordered(nap, [(0,)] * 6, 3))) > 1


def slow(i: int) -> int:
    if i:
        time.sleep(60)
    return os.getpid()


def test_ctrl_c_ends_workers_at_work() -> None:
    results = ordered(slow, [(i,) for i in range(9)], 1)
    pid = next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


KILLED = """
from chmr_bench.features import parallel
from chmr_bench.features.plugin import FEATURES
spec = next(s for s in FEATURES if s.name == "morgan")
smiles = ["C" * (1 + i % 40) for i in range(200000)]
print("begin", flush=True)
parallel.compute_block(spec, {}, smiles, 2, lambda done, n, unit: print(done, flush=True))
"""


def test_workers_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            if line.strip().isdigit() and int(line) > 0:
                break
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "forkserver" in " ".join(child.cmdline())
        ]
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert workers
    assert alive == []

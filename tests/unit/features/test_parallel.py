"""The same numbers over one core or many; a molecule that fails is named by its row."""

from __future__ import annotations

import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chmr_bench.contracts import Block, FeatureSpec, GraphBlock, MatrixBlock
from chmr_bench.errors import FeatureError, PluginError, SettingError
from chmr_bench.features import parallel
from chmr_bench.features.graphs import graph
from chmr_bench.features.plugin import FEATURES

SPECS = {spec.name: spec for spec in FEATURES}
SMILES = ["C" * (1 + i % 9) + "O" * (i % 2) + "c1ccccc1" for i in range(300)]


@pytest.fixture(autouse=True)
def safe_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in this process, as the command line may: tests' other threads take no block."""
    monkeypatch.setattr(parallel, "_safe_here", lambda: True)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to the worker processes at once, however small the work."""
    monkeypatch.setattr(parallel, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(parallel, "_pool_price", lambda n_jobs: 0.0)


@pytest.fixture
def feature() -> Iterator[Callable[[Callable[..., Any]], FeatureSpec]]:
    """Register a function as a feature."""
    module = types.ModuleType("invented_features")

    def make(function: Callable[..., Any]) -> FeatureSpec:
        module.compute = function  # type: ignore[attr-defined]
        return FeatureSpec("invented", "Invented", "invented_features:compute", depends=())

    sys.modules["invented_features"] = module
    yield make
    del sys.modules["invented_features"]


def arrays(block: Block) -> list[Any]:
    if isinstance(block, GraphBlock):
        return [block.atoms, block.bonds, block.edges, block.atom_offsets, block.bond_offsets]
    values: Any = block.values
    dense = values if isinstance(values, np.ndarray) else values.toarray()
    return [dense, block.observed]


@pytest.mark.parametrize("name", ["morgan", "graph", "connectivity"])
def test_workers_change_no_number(name: str, workers: None) -> None:
    spec = SPECS[name]
    one = parallel.compute_block(spec, spec.settings, SMILES, n_jobs=1)
    two = parallel.compute_block(spec, spec.settings, SMILES, n_jobs=2)
    for a, b in zip(arrays(one), arrays(two), strict=True):
        np.testing.assert_array_equal(a, b)
    if isinstance(two, MatrixBlock) and not isinstance(two.values, np.ndarray):
        assert two.values.dtype == np.uint8
        assert two.values.has_sorted_indices


@pytest.mark.parametrize("bad_row", [0, 31, 32, 77, 299])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failing_molecule_is_named(bad_row: int, n_jobs: int, workers: None) -> None:
    smiles = [*SMILES]
    smiles[bad_row] = "C(("
    with pytest.raises(FeatureError) as caught:
        parallel.compute_block(SPECS["morgan"], {}, smiles, n_jobs=n_jobs)
    message = str(caught.value)
    assert f"row {bad_row} " in message
    assert "'C(('" in message
    assert "morgan" in message


def test_progress_ends_at_the_total_and_never_falls(workers: None) -> None:
    seen: list[tuple[int, int, str]] = []
    parallel.compute_block(
        SPECS["morgan"], {}, SMILES, 2, lambda done, total, unit: seen.append((done, total, unit))
    )
    done = [step[0] for step in seen]
    assert done[0] == 0
    assert done[-1] == len(SMILES)
    assert done == sorted(done)
    assert {step[1:] for step in seen} == {(len(SMILES), "molecules")}


def test_a_small_set_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "Ordered", lambda *_: pytest.fail("workers for 200 molecules"))
    monkeypatch.setattr(parallel, "_last_used", {})
    assert len(parallel.compute_block(SPECS["morgan"], {}, SMILES[:200], n_jobs=8)) == 200


@pytest.mark.parametrize("bad_row", [None, 70, 280])
def test_the_first_chunks_are_computed_while_workers_start(
    bad_row: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(parallel, "_pool_price", lambda n_jobs: 0.01)
    monkeypatch.setattr(parallel, "CHUNK_LIMITS", (16, 16))
    here: list[int] = []
    real = parallel._run

    def counted(spec: Any, compute: Any, settings: Any, smiles: Sequence[str]) -> Any:
        here.append(len(smiles))
        return real(spec, compute, settings, smiles)

    monkeypatch.setattr(parallel, "_run", counted)
    smiles = [*SMILES]
    if bad_row is not None:
        smiles[bad_row] = "C(("
        with pytest.raises(FeatureError, match=f"row {bad_row} "):
            parallel.compute_block(SPECS["rdkit"], {}, smiles, n_jobs=2)
        return
    block = parallel.compute_block(SPECS["rdkit"], {}, smiles, n_jobs=2)
    assert parallel.FIRST_CHUNK * 2 < sum(here) < len(smiles)
    whole = SPECS["rdkit"]
    np.testing.assert_array_equal(
        arrays(block)[0], arrays(parallel.compute_block(whole, {}, smiles, n_jobs=1))[0]
    )


def test_workers_still_there_are_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_last_used", {2: time.monotonic()})
    assert parallel._pool_price(2) == parallel.WARM_POOL_SECONDS
    assert parallel._pool_price(4) == parallel.POOL_SECONDS
    monkeypatch.setattr(parallel, "_last_used", {2: time.monotonic() - 1000})
    assert parallel._pool_price(2) == parallel.POOL_SECONDS


def test_a_bad_setting_is_refused_before_any_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "Ordered", lambda *_: pytest.fail("workers were started"))
    with pytest.raises(SettingError, match="radius"):
        parallel.compute_block(SPECS["morgan"], {"radius": -2}, SMILES, n_jobs=2)


def test_no_molecules_give_an_empty_block() -> None:
    block = parallel.compute_block(SPECS["morgan"], {}, [])
    assert isinstance(block, MatrixBlock)
    assert block.values.shape == (0, 2048)


def test_a_feature_of_the_wrong_length_is_a_plugin_error(feature: Any) -> None:
    def short(smiles: Sequence[str]) -> MatrixBlock:
        return MatrixBlock(np.zeros((1, 2)), np.ones(1, dtype=bool))

    with pytest.raises(PluginError, match="1 rows for 2 molecules"):
        parallel.compute_block(feature(short), {}, ["C", "CC"])


def test_a_feature_of_the_wrong_kind_is_a_plugin_error(feature: Any) -> None:
    with pytest.raises(PluginError, match="expected a MatrixBlock"):
        parallel.compute_block(feature(lambda smiles: [1, 2]), {}, ["C", "CC"])


def test_a_foreign_exception_names_the_molecule(feature: Any) -> None:
    def fussy(smiles: Sequence[str]) -> MatrixBlock:
        if "CC" in smiles:
            raise RuntimeError("not this one")
        return MatrixBlock(np.zeros((len(smiles), 2)), np.ones(len(smiles), dtype=bool))

    with pytest.raises(FeatureError, match=r"row 1 .*'CC'.*RuntimeError: not this one"):
        parallel.compute_block(feature(fussy), {}, ["C", "CC", "CCC"])


def test_a_feature_that_fails_only_on_the_whole_blames_no_molecule(feature: Any) -> None:
    def together(smiles: Sequence[str]) -> MatrixBlock:
        if len(smiles) > 1:
            raise ZeroDivisionError("only alone")
        return MatrixBlock(np.zeros((len(smiles), 2)), np.ones(len(smiles), dtype=bool))

    with pytest.raises(PluginError, match="ZeroDivisionError: only alone"):
        parallel.compute_block(feature(together), {}, ["C", "CC"])


def test_matrices_and_graphs_do_not_mix() -> None:
    matrix = MatrixBlock(np.zeros((1, 2)), np.ones(1, dtype=bool))
    with pytest.raises(PluginError, match="graphs for others"):
        parallel.concatenate([matrix, graph(["C"])])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_graphs_in_pieces_are_the_graphs_of_the_whole(sizes: list[int]) -> None:
    pool = ["C", "CCO", "c1ccccc1", "[Na+].[Cl-]", "CC(=O)O"]
    pieces = [pool[:size] for size in sizes]
    whole = graph([s for piece in pieces for s in piece])
    joined = parallel.concatenate([graph(piece) for piece in pieces])
    for a, b in zip(arrays(whole), arrays(joined), strict=True):
        np.testing.assert_array_equal(a, b)


KILLED = """
from chmr_bench.features import parallel
from chmr_bench.features.plugin import FEATURES
parallel.PROBE_SECONDS, parallel.POOL_SECONDS = 0.0, 0.0
spec = next(s for s in FEATURES if s.name == "morgan")
smiles = ["C" * (1 + i % 40) for i in range(20000)]
print("begin", flush=True)
parallel.compute_block(spec, {}, smiles, 2, lambda done, n, unit: print(done, flush=True))
"""


def test_workers_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            if line.strip().isdigit() and int(line) > 200:  # beyond the chunks computed in place
                break
        workers = [
            child
            for child in psutil.Process(process.pid).children()
            if "loky_posix" in " ".join(child.cmdline())
        ]
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert workers
    assert alive == []

"""`benchmarks/gpu.py` on a CPU: from one file, and without what a GPU machine may lack."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench_chmr.pretraining import material as materials
from chmr_bench_chmr.pretraining.batches import Batcher

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "gpu.py"
ABSENT = ("rdkit", "pyarrow", "pluggy", "torch_geometric", "scipy", "pandas", "sklearn", "typer")
BLOCKER = f"""
import importlib.abc, runpy, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
real = __import__("importlib.util").util.find_spec
import importlib.util
importlib.util.find_spec = lambda n, *a: None if n.partition(".")[0] in {ABSENT!r} else real(n, *a)
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prepared(gpu: ModuleType, tiny: Any, home: Path, tmp_path: Path) -> Path:
    config = tiny.config()
    material = materials.prepare(tiny.atlas(), config, tiny.request(tmp_path), 0)
    gpu.dump(material, config, tmp_path / "gpu.npz")
    return tmp_path / "gpu.npz"


def test_a_batch_is_what_pretraining_reads(
    gpu: ModuleType, prepared: Path, tiny: Any, tmp_path: Path
) -> None:
    """Bits, graphs, read-outs and second views are those of the product's own batches."""
    config, rows = tiny.config(), np.array([3, 1, 40])
    material = materials.prepare(tiny.atlas(), config, tiny.request(tmp_path), 0)
    batcher = Batcher(material, config, torch.device("cpu"))
    expected, made = (
        batcher.batch(rows, np.random.default_rng(0)),
        gpu.Prepared(prepared).batch(rows, "cpu"),
    )
    assert torch.equal(made["bits"], expected.fingerprint)
    assert torch.equal(made["graph"].x, expected.graph.x)
    assert torch.equal(made["graph"].edge_index, expected.graph.edge_index)
    for name in material.cells:
        assert torch.equal(made["cells"][name], expected.cells[name])
        assert torch.equal(made["observed"][name], expected.observed[name])
        same = torch.allclose(made["augmented"][name], expected.augmented[name], equal_nan=True)
        assert same
    walks = made["walks"]["molecule"]
    assert walks.target.shape == expected.walks["molecule"].target.shape
    assert 0 <= walks.target.min() <= walks.target.max() <= 1 + 1e-6
    assert (walks.weight >= 1).all()


def test_the_report(gpu: ModuleType, prepared: Path) -> None:
    report = gpu.measure(prepared, "cpu", 32, 16, repeats=2)
    assert report["card"] == "none: CPU"
    assert report["largest relative difference"] == 0
    assert 0 < report["molecules a second"] < report["encoder alone, both ways, molecules a second"]
    assert report["share of the encoder's rate"] < 1
    assert "| molecules a second | " in gpu.table(report)


def test_a_file_that_is_too_large_is_refused(
    gpu: ModuleType, prepared: Path, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "MOST_BYTES", 1000)
    material = materials.prepare(tiny.atlas(), tiny.config(), tiny.request(tmp_path), 0)
    with pytest.raises(ValueError, match="take fewer --molecules"):
        gpu.dump(material, tiny.config(), tmp_path / "large.npz")


def test_the_stand_ins_compute_the_same(gpu: ModuleType) -> None:
    from torch_geometric.nn import GINEConv, global_add_pool

    torch.manual_seed(0)
    h, bonds = torch.randn(5, 4), torch.randn(6, 4)
    edges = torch.tensor([[0, 1, 2, 3, 4, 0], [1, 0, 3, 2, 0, 4]])
    ours, theirs = (c(torch.nn.Identity(), train_eps=True) for c in (gpu.Convolution, GINEConv))
    torch.testing.assert_close(ours(h, edges, bonds), theirs(h, edges, bonds))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    molecule = torch.tensor([0, 0, 1, 1, 1])
    torch.testing.assert_close(
        gpu.add_pool(h, molecule, size=2), global_add_pool(h, molecule, size=2)
    )


@pytest.mark.slow
def test_it_runs_without_rdkit_and_the_others(prepared: Path, tmp_path: Path) -> None:
    written = tmp_path / "table.md"
    command = [sys.executable, "-c", BLOCKER, str(SCRIPT), "run", str(prepared), "--device", "cpu"]
    more = ["--batch", "16", "--equal-batch", "16", "--repeats", "1", "--table", str(written)]
    done = subprocess.run(
        command + more,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "| card | none: CPU |" in written.read_text(encoding="utf-8")

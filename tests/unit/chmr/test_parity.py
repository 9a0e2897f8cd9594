"""The published tensors, when they are here, and that the comparison can tell a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from chmr_bench import DataError
from chmr_bench.nn.gnn import BACKEND_VARIABLE
from chmr_bench_chmr import parity
from chmr_bench_chmr.published_keys import published_shape, translated
from tests.unit.golden import golden_copy, spoil


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the published tensors that a test may spoil."""
    return golden_copy("chmr", tmp_path)


@pytest.mark.parametrize("backend", ["compiled", "pyg"])
def test_every_published_tensor_is_reproduced(
    golden: Path,
    backend: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(BACKEND_VARIABLE, backend)
    assert parity.main([str(golden)]) == 0
    lines = capsys.readouterr().out.splitlines()
    outputs = load_file(golden / "outputs.safetensors")
    expected = {n for n in outputs if not n.startswith(("x_", "walk_"))}
    assert {line.split()[0] for line in lines[:-1]} == expected
    assert all(line.endswith("ok") for line in lines[:-1])


@pytest.mark.parametrize(
    ("file", "key", "change", "hurt"),
    [
        ("outputs", "latent_gene", 2e-4, {"latent_gene"}),
        ("outputs", "codes_cell", 1, {"codes_cell"}),
        ("outputs", "latent_cell", float("nan"), {"latent_cell"}),
        ("weights", "modal_decoders.1.net.4.bias", 0.01, {"reconstruction_gene"}),
    ],
)
def test_a_difference_is_found(
    golden: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    key: str,
    change: float,
    hurt: set[str],
) -> None:
    spoil(golden, file, key, int(change) if key.startswith("codes") else change)
    assert parity.main([str(golden)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line.endswith("DIFFERS")} == hurt
    assert lines[-1].startswith("1 of ")


@pytest.mark.parametrize(
    "key", ["graph_encoder.convs.1.eps", "graph_encoder.convs.0.mlp.1.running_var"]
)
def test_the_graph_encoder_is_compared(golden: Path, key: str) -> None:
    spoil(golden, "weights", key, 0.5)
    wrong = {d.name for d in parity.compare(golden) if not d.ok}
    assert {"graph_representation", "latent_graph", "anchor"} <= wrong
    assert not {"latent_fingerprint", "distribution_alignment"} & wrong


def test_small_differences_pass(golden: Path) -> None:
    spoil(golden, "outputs", "latent_gene", 5e-5)
    found = {d.name: d for d in parity.compare(golden)}
    assert found["latent_gene"].ok
    assert found["latent_gene"].absolute == pytest.approx(5e-5, rel=0.1)


def test_another_shape_is_read_from_the_weights(golden: Path) -> None:
    weights = load_file(golden / "weights.safetensors")
    cut = {
        k: t for k, t in weights.items() if not k.startswith("hierarchical_vq") or ".5." not in k
    }
    shape = published_shape(cut)
    assert (published_shape(weights).depth, shape.depth) == (6, 5)
    assert (shape.layers, shape.hidden, shape.decoder_hidden) == (2, 300, 1200)
    assert [c.d for c in shape.cells] == [20, 28, 18]
    assert len(parity.load(cut).codes(torch.ones(1, 300)).codes[0]) == 5


def test_tensors_that_do_not_fit_are_named(golden: Path) -> None:
    weights = load_file(golden / "weights.safetensors")
    with pytest.raises(DataError, match="extra_head"):
        translated({**weights, "extra_head.weight": torch.zeros(1)})
    lacking = {k: t for k, t in weights.items() if not k.startswith("graph_encoder.convs.0.mlp")}
    with pytest.raises(DataError, match="do not fit"):
        parity.load(lacking)
    with pytest.raises(DataError, match=r"modal_projectors\.0"):
        published_shape({})


def test_what_cannot_be_compared_is_an_error(
    golden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = load_file(golden / "outputs.safetensors")
    save_file({**outputs, "attention": torch.zeros(1)}, golden / "outputs.safetensors")
    assert parity.main([str(golden)]) == 3
    assert "attention" in capsys.readouterr().err
    (golden / "meta.json").write_text(json.dumps({"temperature": 0.2}))
    assert parity.main([str(golden)]) == 3
    assert "commitment_weight" in capsys.readouterr().err


def test_wrong_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity.main([]) == 2
    assert parity.main([str(tmp_path)]) == 3
    assert "weights.safetensors" in capsys.readouterr().err

"""The published tensors, when they are here, and that the comparison can tell a difference."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from chmr_bench import DataError
from chmr_bench.nn.gnn import BACKEND_VARIABLE
from chmr_bench_infoalign import parity
from chmr_bench_infoalign.published_keys import TARGETS, published_shape, translated
from tests.unit.golden import golden_copy, spoil


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the published tensors that a test may spoil."""
    return golden_copy("infoalign", tmp_path)


def differing(folder: Path) -> set[str]:
    return {d.name for d in parity.compare(folder) if not d.ok}


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
    assert {line.split()[0] for line in lines[:-1]} == {
        "graph_representation", "mu", "sigma", "pred_molecule", "pred_gene", "pred_cell",
        "pred_expression", "sufficiency_expression", "minimality_at_z",
    }  # fmt: skip
    assert all(line.endswith("ok") for line in lines[:-1])


@pytest.mark.parametrize(
    ("file", "key", "change", "hurt"),
    [
        ("outputs", "mu", 1e-2, {"mu"}),
        ("outputs", "sufficiency_expression", 2e-4, {"sufficiency_expression"}),
        ("outputs", "sigma", float("nan"), {"sigma"}),
        ("weights", "decoder_list.4.fc2.bias", 0.01, {"pred_cell"}),
        ("weights", "decoder_list.1.bn1.running_mean", 9.0, {"pred_gene"}),
    ],
)
def test_a_difference_is_found(
    golden: Path, file: str, key: str, change: float, hurt: set[str]
) -> None:
    spoil(golden, file, key, change)
    assert differing(golden) == hurt
    assert parity.main([str(golden)]) == 1


def test_the_encoder_is_compared(golden: Path) -> None:
    spoil(golden, "weights", "graph_encoder.convs.1.eps", 0.5)
    assert {"graph_representation", "mu", "pred_molecule"} <= differing(golden)


def test_the_shape_is_read_from_the_weights(golden: Path) -> None:
    shape = published_shape(load_file(golden / "weights.safetensors"))
    assert (shape.layers, shape.hidden, shape.decoder_hidden) == (3, 64, 256)
    assert [(t.name, t.d) for t in shape.targets] == list(
        zip(TARGETS, (48, 20, 12, 24, 16, 18), strict=True)
    )


def test_tensors_that_do_not_fit_are_named(golden: Path) -> None:
    weights = load_file(golden / "weights.safetensors")
    with pytest.raises(DataError, match="extra_head"):
        translated({**weights, "extra_head.weight": torch.zeros(1)})
    with pytest.raises(DataError, match=r"dist_net\.3"):
        translated({**weights, "dist_net.3.weight": torch.zeros(1)})
    lacking = {k: t for k, t in weights.items() if not k.startswith("graph_encoder.convs.0.mlp")}
    with pytest.raises(DataError, match="do not fit"):
        parity.load(lacking)
    with pytest.raises(DataError, match="0 decoders"):
        published_shape({})
    with pytest.raises(DataError, match="not those of the published InfoAlign"):
        published_shape({**weights, "decoder_list.0.fc1.weight": torch.zeros(3)})


def test_what_cannot_be_compared_is_an_error(
    golden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = load_file(golden / "outputs.safetensors")
    save_file({**outputs, "attention": torch.zeros(1)}, golden / "outputs.safetensors")
    assert parity.main([str(golden)]) == 3
    assert "attention" in capsys.readouterr().err
    save_file({"mu": outputs["mu"]}, golden / "outputs.safetensors")
    assert parity.main([str(golden)]) == 3
    assert "lacks ['walk_target', 'walk_weight', 'z']" in capsys.readouterr().err
    assert parity.main([]) == 2
    assert parity.main([str(tmp_path / "none")]) == 3

"""Weights files: complete by themselves, the same bytes for the same content, never half."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from chmr_bench import FitContext, Inputs, TaskInfo
from chmr_bench.errors import DataError, UnknownNameError
from chmr_bench.nn.pretraining.features import feature_spec
from chmr_bench.nn.pretraining.files import (
    checked_sha256,
    read_tensors,
    write_atomically,
    write_tensors,
)
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.embedding import embed
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import Modality, NetworkShape
from chmr_bench_chmr.weights import (
    WEIGHTS_FILE,
    FeatureRequest,
    feature_requests,
    load_network,
    save_network,
)

CONFIG = PretrainConfig(radius=3, n_bits=64, geometry="none")


def network() -> ChmrNetwork:
    torch.manual_seed(1)
    cells = (Modality("morphology.bray", 3), Modality("perturbation", 2, binary=True))
    made = ChmrNetwork(NetworkShape(64, cells=cells, hidden=8, layers=2, decoder_hidden=8, depth=2))
    made.set_scale("morphology.bray", torch.arange(3.0), torch.full((3,), 2.0))
    return made


def metadata() -> WeightsMetadata:
    return WeightsMetadata(CONFIG, feature_requests(CONFIG), {"morgan": "1"}, {"atlas": "tiny"})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    made = network()
    save_network(path, made, metadata())
    loaded, told = load_network(path)
    assert told == metadata()
    assert loaded.shape == made.shape
    assert not loaded.training
    stored = made.state_dict()
    stored |= {name: p.half().float() for name, p in made.named_parameters()}
    for name, tensor in stored.items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    standard = loaded.standardise("morphology.bray", torch.tensor([[2.0, 3.0, 4.0]]))
    assert torch.equal(standard, torch.ones(1, 3))


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first = save_network(tmp_path / "a", network(), metadata())
    second = save_network(tmp_path / "b", network(), metadata())
    assert first == second
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_settings_of_fine_tuning_stay_out_of_the_header(tmp_path: Path) -> None:
    told = WeightsMetadata(ChmrConfig(head_hidden=64, radius=3), {})
    save_network(tmp_path / "w", network(), told)
    assert WEIGHTS_FILE.read_metadata(tmp_path / "w").config == PretrainConfig(radius=3)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no weights file"):
        load_network(tmp_path / "none")
    (tmp_path / "text").write_text("not at all")
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        load_network(tmp_path / "text")
    whole = tmp_path / "whole"
    save_network(whole, network(), metadata())
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        load_network(tmp_path / "cut")
    write_tensors(tmp_path / "other", {"a": torch.zeros(1)}, {"format": 99})
    with pytest.raises(DataError, match="format 99, expected 1"):
        load_network(tmp_path / "other")


def test_tensors_that_do_not_fit_their_header(tmp_path: Path) -> None:
    made = network()
    made.shape = NetworkShape(64, hidden=16, layers=2)
    save_network(tmp_path / "w", made, metadata())
    with pytest.raises(DataError, match="do not fit the network"):
        load_network(tmp_path / "w")


@pytest.mark.parametrize("part", ["shape", "config", "features", "feature_versions", "info"])
@pytest.mark.parametrize("value", [None, 3, [], "text"])
def test_odd_headers_are_refused(part: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_network(path, network(), metadata())
    tensors, header = read_tensors(path)
    write_tensors(path, tensors, {**header, part: value})
    with pytest.raises(DataError, match=rf"its header cannot be read: [^:]*\n{part}"):
        load_network(path)
    del header[part]
    write_tensors(path, tensors, header)
    with pytest.raises(DataError, match=rf"{part}\n  Field required"):
        WEIGHTS_FILE.read_metadata(path)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"hidden": None},
        {"hidden": -1},
        {"cells": 3},
        {"cells": [None]},
        {"odd": 1},
        {"layers": 10**7},
        {"tree": []},
    ],
)
def test_odd_shapes_are_refused(shape: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_network(path, network(), metadata())
    tensors, header = read_tensors(path)
    changed = {**header["shape"], **shape} if shape else {}
    write_tensors(path, tensors, {**header, "shape": changed})
    with pytest.raises(DataError, match=r"weights.safetensors: its (tensors|header)"):
        load_network(path)


@pytest.mark.parametrize("shape", [{}, {"hidden": None}, {"hidden": "x"}, {"cells": 3}, {"odd": 1}])
def test_odd_shapes_are_refused_before_a_tensor_is_read(
    shape: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    save_network(path, network(), metadata())
    tensors, header = read_tensors(path)
    changed = {**header["shape"], **shape} if shape else {}
    write_tensors(path, tensors, {**header, "shape": changed})
    context = FitContext(tasks=TaskInfo("classification", ("a",), "roc_auc"), weights=path)
    with pytest.raises(DataError, match=r"weights.safetensors: its header describes no network"):
        embed(Inputs(("CCO",), {}), ChmrConfig(), context)


def test_a_header_that_is_too_deep_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.safetensors"
    monkeypatch.setattr(
        "chmr_bench.nn.pretraining.files.json.dumps", lambda *_, **__: "[" * 100_000
    )
    write_tensors(path, {"a": torch.zeros(1)}, {})
    with pytest.raises(DataError, match="maximum recursion depth"):
        read_tensors(path)


def test_missing_and_endless_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_network(path, network(), metadata())
    tensors, header = read_tensors(path)
    name = "graph_encoder.convs.0.eps"
    write_tensors(path, {**tensors, name: torch.tensor([float("inf")])}, header)
    with pytest.raises(DataError, match=rf"its tensor {name} holds numbers that are not finite"):
        load_network(path)
    write_tensors(path, {n: t for n, t in tensors.items() if n != name}, header)
    with pytest.raises(DataError, match=f"Missing key.*{name}"):
        load_network(path)


def test_a_flipped_bit_differs_from_what_lies_beside(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    sha256 = save_network(path, network(), metadata())
    assert checked_sha256(path) == sha256
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    load_network(path)  # nothing in the file itself gives it away
    with pytest.raises(DataError, match=rf"expected '{sha256[:16]}'... as weights.sha256 beside"):
        checked_sha256(path)
    (tmp_path / "weights.sha256").unlink()
    (tmp_path / "card.json").write_text(json.dumps({"sha256": sha256}))
    with pytest.raises(DataError, match=rf"expected '{sha256[:16]}'... as card.json beside"):
        checked_sha256(path)
    (tmp_path / "card.json").write_text("[]")
    assert checked_sha256(path) != sha256  # there is nothing to compare with


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_encoder_reads_follows_the_settings() -> None:
    assert feature_requests(CONFIG)["morgan"].settings == {"radius": 3, "n_bits": 64}
    assert "geometry" not in feature_requests(CONFIG)
    assert feature_requests(PretrainConfig(geometry="unimol"))["geometry"].feature == "unimol"
    for request in feature_requests(PretrainConfig()).values():
        assert feature_spec(request).name == request.feature
    with pytest.raises(UnknownNameError, match="did you mean 'morgan'"):
        feature_spec(FeatureRequest("morgen"))

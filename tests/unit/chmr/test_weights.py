"""Weights files: complete by themselves, the same bytes for the same content, never half."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from chmr_bench.errors import DataError, UnknownNameError
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.network import ChmrNetwork, Modality, NetworkShape
from chmr_bench_chmr.weights import (
    FeatureRequest,
    WeightsMetadata,
    feature_requests,
    feature_spec,
    load_network,
    read_metadata,
    save_network,
    write_tensors,
    write_whole,
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
    for name, tensor in made.state_dict().items():
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
    assert read_metadata(tmp_path / "w").config == PretrainConfig(radius=3)


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


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_whole(path, b"new")
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

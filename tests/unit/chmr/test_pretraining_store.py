"""Weights in their place: found, told of, made once, and named after all that they depend on."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench import PendingWeights, Weights
from chmr_bench.contracts import connectivity_hash
from chmr_bench.data.fetch import file_sha256
from chmr_bench.errors import SettingError
from chmr_bench.nn.pretraining.files import read_tensors
from chmr_bench_chmr import weights
from chmr_bench_chmr.pretraining import making
from chmr_bench_chmr.pretraining.store import find_or_make
from chmr_bench_chmr.weights import load_network, place_of


@pytest.fixture
def ask(tiny: Any, home: Path, tmp_path: Path) -> Any:
    """Ask for weights of the tiny settings with some changes."""
    request = tiny.request(tmp_path / "weights", make=False)

    def asked(make: bool = False, told: Any = None, **changes: Any) -> Any:
        wanted = dataclasses.replace(request, **{"make": make, **(told or {})})
        return find_or_make(tiny.config(**{"epochs": 1, **changes}), wanted)

    return asked


def test_weights_are_told_of_made_and_found(ask: Any, tiny: Any) -> None:
    pending = ask()
    assert isinstance(pending, PendingWeights)
    made = ask(make=True)
    key = made.path.parent.name[:8]  # two settings with the same words are still told apart
    assert pending.title == f"pretrain on tiny, 1 epochs (seed 0, {key})"
    assert made.sha256 == file_sha256(made.path)
    names = {p.name for p in made.path.parent.iterdir()}
    assert names == {
        "weights.safetensors", "README.md", "card.json", "losses.csv", "seen.npy", "weights.sha256",
    }  # fmt: skip
    data = tiny.TinyData()
    assert ask(make=True, told={"data": data}) == ask() == made
    assert data.n_opened == 0  # what is there is not made again


def test_weights_that_came_with_the_plugin_are_found_on_every_device(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ask(make=True)
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    made.path.parent.rename(shipped / "tiny")
    monkeypatch.setattr(weights, "SHIPPED", shipped)
    for told in ({}, {"make": True}, {"device": "cuda"}, {"precision": "bfloat16"}):
        found = ask(told=told)
        assert found.path == shipped / "tiny" / made.path.name
        assert (found.sha256, found.info) == (made.sha256, made.info)
    for changed in ({"told": {"anew": True}}, {"epochs": 2}, {"pretrain_seed": 1}):
        assert isinstance(ask(**changed), PendingWeights)
    anew = ask(make=True, told={"anew": True})
    assert anew.path.parent == made.path.parent
    assert anew.sha256 == made.sha256
    assert ask().path == anew.path  # what was made here goes first
    anew.path.unlink()
    (shipped / "tiny" / made.path.name).write_bytes(b"damaged")
    assert isinstance(ask(), PendingWeights)


def test_parameters_are_stored_in_half_and_statistics_in_full(ask: Any) -> None:
    tensors, _ = read_tensors(ask(make=True).path)
    network, _ = load_network(ask().path)
    parameters = {name for name, _ in network.named_parameters()}
    assert {t.dtype for n, t in tensors.items() if n in parameters} == {torch.float16}
    assert all(t.dtype != torch.float16 for n, t in tensors.items() if n not in parameters)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_what_decodes_into_bits_is_left_out(ask: Any) -> None:
    """It serves pretraining alone, and would be a third of a file of the default size."""
    network, _ = load_network(ask(make=True).path)
    assert not network.shape.decodes_bits
    assert not [name for name, _ in network.named_parameters() if "decoders._molecule" in name]
    assert {f"_{cell.name}" for cell in network.shape.cells} == set(network.decoders)


@pytest.mark.slow
def test_two_epochs_have_a_picture(ask: Any) -> None:
    made = ask(make=True, epochs=2)
    assert (made.path.parent / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_seen_lies_beside_the_weights(ask: Any, tiny: Any) -> None:
    seen = np.load(ask(make=True).seen, allow_pickle=False)
    assert seen.dtype == np.uint64
    np.testing.assert_array_equal(seen, np.sort(connectivity_hash(tiny.atlas().keys)))


def test_the_card_tells_programs_and_people(ask: Any) -> None:
    made = ask(make=True, cells=("morphology",))
    card = json.loads((made.path.parent / "card.json").read_text())
    assert card == {**made.info, "sha256": made.sha256}
    assert card["config"]["cells"] == ["morphology"]
    assert list(card["material"]["cells"]) == ["morphology"]
    assert card["n_learnt"] == 64
    assert card["made"]["molecules_per_second"] > 0
    assert card["made"]["sittings"] == 1
    assert card["losses"]["train"]["total"] > 0
    text = (made.path.parent / "README.md").read_text()
    for said in ("tiny, 64 molecules", "morphology", "| hidden | `16` |", "| total |", "epoch 1"):
        assert said in text
    unreached = card["material"]["cells"]["morphology"]["not_reached"]
    assert f"{unreached} have no second view" in text
    assert "losses.png" in text


def test_the_network_of_the_file_is_that_of_the_settings(ask: Any) -> None:
    network, metadata = load_network(ask(make=True).path)
    assert (network.shape.hidden, network.shape.layers, network.shape.depth) == (16, 2, 3)
    assert [(c.name, c.binary) for c in network.shape.cells] == [
        ("morphology", False), ("expression", False), ("perturbation", True),
    ]  # fmt: skip
    assert metadata.info["material"]["n_molecules"] == 64
    assert metadata.config.epochs == 1


def test_the_same_request_gives_the_same_bytes(ask: Any, tmp_path: Path) -> None:
    first = ask(make=True)
    second = ask(make=True, told={"folder": tmp_path / "elsewhere"})
    assert first.path != second.path
    assert first.path.read_bytes() == second.path.read_bytes()


def test_an_untrained_encoder(ask: Any) -> None:
    assert ask(encoder="random").title.startswith("an untrained encoder")
    made = ask(make=True, encoder="random")
    assert made.info["losses"] == {}
    assert not (made.path.parent / "losses.png").exists()
    card = (made.path.parent / "README.md").read_text()
    assert "nothing was learnt" in card
    assert "losses" not in card
    other = ask(make=True, encoder="random", pretrain_seed=1)
    assert other.sha256 != made.sha256


def test_no_weights_for_a_head_on_the_raw_bits(ask: Any) -> None:
    raw = {"head_inputs": ("bits",)}
    for heads in (("network",), ("bits",), ("network", "bits")):
        assert ask(**raw, heads=heads) is None
    assert ask(head_inputs=("bits", "graph"), heads=("bits",)) is None  # for the network alone
    assert ask(head_inputs=("bits", "graph")) is not None
    assert ask(**raw, heads=("bits", "anchor")) is not None


def test_weights_of_a_file(ask: Any, tmp_path: Path) -> None:
    made = ask(make=True)
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(made.path.read_bytes())
    named = ask(weights=str(alone))
    assert isinstance(named, Weights)
    assert (named.path, named.sha256, named.seen) == (alone, made.sha256, None)
    assert named.info["key"] == made.info["key"]
    assert named.info["made"] == {}
    damaged = made.path.read_bytes()
    damaged = damaged[:-5] + bytes([damaged[-5] ^ 1]) + damaged[-4:]
    made.path.write_bytes(damaged)
    for beside in ("weights.sha256", "card.json"):
        with pytest.raises(SettingError, match=rf"is damaged.*as {beside}"):
            ask(weights=str(made.path))
        (made.path.parent / beside).unlink()
    alone.write_bytes(b"something else")
    with pytest.raises(SettingError, match="cannot be read"):
        ask(weights=str(alone))
    with pytest.raises(SettingError, match="there is no weights file"):
        ask(weights=str(tmp_path / "none"))


def test_weights_of_a_file_are_not_called_what_they_are_not(ask: Any, tmp_path: Path) -> None:
    """What was chosen, and what is read of a molecule, must be what the file was made with."""
    given = str(ask(make=True).path)

    def asked(*chosen: str, **changes: Any) -> Any:
        return ask(told={"chosen": frozenset(chosen)}, weights=given, **changes)

    assert asked("weights", "head_hidden", "tree", hidden=32) == ask()  # hidden was not chosen
    for name, value in (("shuffle_cells", True), ("tree", "none"), ("hidden", 32), ("epochs", 0)):
        with pytest.raises(SettingError, match=rf"were made with {name}=.* \(here {value!r}\)"):
            asked(name, **{name: value})
    with pytest.raises(SettingError, match="n_bits=128"):
        asked(n_bits=64)
    assert asked("pretrain_seed", pretrain_seed=7) == ask()


def test_whoever_chose_the_seed_the_weights_are_the_same_bytes(ask: Any) -> None:
    made = ask(make=True, pretrain_seed=3)
    whole = made.path.read_bytes()
    made.path.unlink()
    again = ask(make=True, told={"seed": 3}, pretrain_seed="run")
    assert (again.path, again.sha256, again.path.read_bytes()) == (made.path, made.sha256, whole)


@pytest.mark.parametrize("how", ["cut", "changed"])
def test_damaged_weights_are_made_again(
    ask: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = ask(make=True)
    whole = made.path.read_bytes()
    other = whole[:-100] if how == "cut" else whole[:-9] + b"\0\1\2" + whole[-6:]
    made.path.write_bytes(other)
    assert isinstance(ask(), PendingWeights)
    assert made.path.read_bytes() == other  # who only looks changes nothing
    again = ask(make=True)
    assert "is damaged" in caplog.text
    assert (again.sha256, made.path.read_bytes()) == (made.sha256, whole)


# ---------------------------------------------------------------------------------------- identity


def key(tiny: Any, told: dict[str, Any] | None = None, **changes: Any) -> str:
    request = tiny.request(Path("weights"), **(told or {}))
    return str(place_of(tiny.config(**changes), request).key)


def test_the_key_follows_what_can_change_a_number(tiny: Any) -> None:
    other = tiny.TinyData(tiny.atlas(seed=1))
    keys = [
        key(tiny),
        key(tiny, epochs=4),
        key(tiny, hidden=32),
        key(tiny, cells=()),
        key(tiny, atlas=("tiny", "other")),
        key(tiny, transductive=True),
        key(tiny, pretrain_seed=1),
        key(tiny, {"data": other}),
        key(tiny, {"device": "cuda"}),
        key(tiny, {"precision": "bfloat16"}),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_is_deaf_to_what_cannot(tiny: Any) -> None:
    told = {"n_jobs": 7, "make": False, "seed": 3}
    assert key(tiny, told, head_hidden=64, forest_weight=0.5) == key(tiny)


def test_the_seed_of_the_run_or_its_own(tiny: Any) -> None:
    assert key(tiny, {"seed": 3}, pretrain_seed="run") == key(tiny, pretrain_seed=3)
    assert key(tiny, {"seed": 3}, pretrain_seed="run") != key(tiny, {"seed": 3})


def test_the_key_follows_the_version_of_a_feature(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chmr_bench.nn.pretraining import features

    before = key(tiny)
    real = features.feature_spec
    monkeypatch.setattr(
        features, "feature_spec", lambda r: dataclasses.replace(real(r), version="99")
    )
    assert key(tiny) != before


# -------------------------------------------------------------------------------------- two at once


def test_two_at_once_make_the_weights_once(tiny: Any, home: Path, tmp_path: Path) -> None:
    data = tiny.TinyData()
    stages: list[str] = []
    first_learns, go_on = threading.Event(), threading.Event()

    def progress(done: int, total: int, unit: str) -> None:
        if total == 64 and unit == "molecules" and "learning" in stages:
            first_learns.set()
            go_on.wait(timeout=60)

    first = tiny.request(tmp_path, data=data, progress=progress, stage=stages.append)
    made: list[Any] = []
    thread = threading.Thread(
        target=lambda: made.append(find_or_make(tiny.config(epochs=1), first))
    )
    thread.start()
    assert first_learns.wait(timeout=60)

    def waits(stage: str) -> None:
        stages.append(stage)
        go_on.set()

    second = tiny.request(tmp_path, data=data, stage=waits)
    found = find_or_make(tiny.config(epochs=1), second)
    thread.join(timeout=60)
    assert made == [found]
    assert data.n_opened == 1
    assert "waiting for another process that makes the same weights" in stages


def test_a_pretraining_that_fails_leaves_no_weights(
    ask: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(making.ChmrPretraining, "save", broken)
    with pytest.raises(OSError, match="disk is full"):
        ask(make=True)
    monkeypatch.undo()
    assert isinstance(ask(), PendingWeights)

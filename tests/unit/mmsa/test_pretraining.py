"""From an atlas to weights: what is learnt, that it stays healthy, and what the weights hang on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from chmr_bench import PendingWeights
from chmr_bench.contracts import connectivity_hash
from chmr_bench.data.fetch import file_sha256
from chmr_bench.errors import SettingError
from chmr_bench.nn.pretraining.files import read_tensors, write_seen, write_tensors
from chmr_bench_mmsa.config import MmsaConfig
from chmr_bench_mmsa.plugin import MODELS, RECONSTRUCTION
from chmr_bench_mmsa.pretraining.begun import begin, begun_from
from chmr_bench_mmsa.pretraining.making import health
from chmr_bench_mmsa.pretraining.store import find_or_make
from chmr_bench_mmsa.weights import load_network, place_of
from tests.unit.learners import check_resumed


@pytest.fixture
def ask(tiny: Any, home: Path, tmp_path: Path, settings: Any) -> Any:
    """Ask for weights of the small settings with some changes."""

    def asked(make: bool = False, told: Any = None, **changes: Any) -> Any:
        request = tiny.request(tmp_path / "weights", make=make, **(told or {}))
        return find_or_make(settings(**changes), request)

    return asked


def test_weights_are_told_of_made_and_found(ask: Any, tiny: Any) -> None:
    pending = ask()
    assert isinstance(pending, PendingWeights)
    made = ask(make=True)
    assert ask() == made
    seen = np.load(made.seen, allow_pickle=False)
    np.testing.assert_array_equal(seen, np.sort(connectivity_hash(tiny.atlas().keys)))
    text = (made.path.parent / "README.md").read_text()
    for said in (RECONSTRUCTION, "of 16 anchors in use", "tiny, 64 molecules", "Spread over 64"):
        assert said in text
    assert made.info["note"] == RECONSTRUCTION
    assert made.info["material"]["modalities"] == {"graph": 64, "image": 64, "conformer": 64}
    found = json.loads((made.path.parent / "card.json").read_text())["made"]["health"]
    assert found["spread_unified"] > 0.1
    network, metadata = load_network(made.path)
    assert metadata.features["image"].settings == {"size": 32}
    assert not network.training
    with pytest.raises(SettingError, match=r"anchors=16 \(here 0\)"):
        ask(told={"chosen": frozenset({"anchors"})}, weights=str(made.path), anchors=0)
    with pytest.raises(SettingError, match="there is no weights file"):
        ask(weights="none.safetensors")


def test_it_learns_and_stays_healthy(learner: Any) -> None:
    """Neither do all molecules become one point, nor are all anchors addressed alike."""
    one = learner(epochs=12, learning_rate=5e-3, average=0.0)
    before = health(one.network.eval(), one.material, np.arange(64))
    one.learn(lambda _: None)
    history = [row for row in one.standing.history if row["part"] == "train"]
    assert history[-1]["contrast"] < 0.8 * history[0]["contrast"]
    after = health(one.network, one.material, np.arange(64))
    assert after["spread_unified"] > max(0.3, 2 * before["spread_unified"])
    assert after["spread_hypergraph"] > 0.3
    assert after["anchors_in_use"] > 8
    assert 0.05 < after["attention_entropy"] < 0.8 * math.log(16)
    assert {name for name in history[0] if name.startswith("health.")} == {
        "health.anchors_in_use", "health.attention_entropy", "health.spread",
    }  # fmt: skip


def test_a_resumed_pretraining_is_the_undisturbed_one(learner: Any, tmp_path: Path) -> None:
    check_resumed(lambda: learner(epochs=2), tmp_path, at=3)  # in the second epoch


def test_what_is_masked_of_an_atlas_is_not_learnt_from(learner: Any, tiny: Any) -> None:
    atlas = tiny.atlas()
    lost = np.arange(64) < 40
    part = learner(replace(atlas, hidden={"image": lost}))
    assert part.material.counts["modalities"] == {"graph": 64, "image": 24, "conformer": 64}
    batch = part.learning.batch(np.arange(38, 42), np.random.default_rng(0))
    assert batch.observed["image"].tolist() == [False, False, True, True]
    none = learner(replace(atlas, hidden={"image": np.ones(64, dtype=bool)}))
    assert none.network.shape.modalities == ("graph", "conformer")


def test_some_molecules_of_a_large_atlas_are_drawn(learner: Any, tiny: Any) -> None:
    some = learner(molecules=20, modalities=("graph",))
    assert len(some.material) == 20
    assert some.material.counts["n_in_atlas"] == 64
    assert set(some.material.keys) < set(tiny.atlas().keys)


def test_the_key_follows_what_can_change_a_number(tiny: Any, settings: Any) -> None:
    def key(told: dict[str, Any] | None = None, **changes: Any) -> str:
        return place_of(settings(**changes), tiny.request(Path("weights"), **(told or {}))).key

    keys = [key(), key(epochs=3), key(modalities="graph,image"), key(image_size=48), key(anchors=0)]
    assert len(set(keys)) == len(keys)
    assert key(modalities=("image", "graph")) == key(modalities="graph,image")
    assert key({"n_jobs": 7, "seed": 3}, head_hidden=64) == key()


def test_the_graph_encoder_begins_as_that_of_other_weights(
    ask: Any, tiny: Any, settings: Any
) -> None:
    """Whichever model they are of: encoders that files keep under other names fit, too."""
    first = ask(make=True)
    tensors, header = read_tensors(first.path)
    folder = first.path.parent.with_name("other")
    renamed = {
        name.replace("encoders.graph.", "graph_encoder."): 2 * tensor.half()
        for name, tensor in tensors.items()
        if name.startswith("encoders.graph.")
    }
    write_tensors(folder / "weights.safetensors", renamed, header)
    write_seen(folder, ["ANOTHERMOLECUL"])
    given = str(folder / "weights.safetensors")
    begun = ask(make=True, graph_encoder=given)
    assert begun.sha256 != first.sha256
    weights, (network, _) = begun_from(settings(graph_encoder=given)), load_network(first.path)
    assert weights is not None
    begin(network, weights)
    found = network.encoders["graph"].state_dict()
    for name, tensor in renamed.items():
        kept = found[name.removeprefix("graph_encoder.")]
        torch.testing.assert_close(kept, tensor, check_dtype=False)
    seen = np.load(begun.seen, allow_pickle=False)
    assert set(seen) == set(connectivity_hash([*tiny.atlas().keys, "ANOTHERMOLECUL"]))
    sha256 = file_sha256(Path(given))
    assert begun.info["graph_encoder"] == sha256
    said = f"its graph encoder begins as that of weights {sha256[:12]}, from tiny"
    assert begun.info["note"].startswith(f"{RECONSTRUCTION}; {said}")
    assert said in (begun.path.parent / "README.md").read_text()
    with pytest.raises(SettingError, match=r"has 2 layers of 16, here it has 2 of 8: --set layers"):
        ask(make=True, graph_encoder=given, hidden=8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seen": False}, "no seen.npy beside it"),
        ({"info": {"atlas": {"assays": ["muv"]}}}, "learnt from labels or labelled assays"),
        ({"tensors": {"first.weight": torch.ones(2, 2)}}, "holds no graph encoder, but"),
        ({"tensors": {"graph_encoder.virtual": torch.ones(1, 16)}}, "has 0 layers of 16, here"),
    ],
)
def test_graph_encoders_that_cannot_be_begun_with(
    change: dict[str, Any], words: str, ask: Any, tmp_path: Path
) -> None:
    tensors = change.get("tensors", {"graph_encoder.virtual": torch.ones(1, 16)})
    write_tensors(tmp_path / "weights.safetensors", tensors, {"info": change.get("info", {})})
    if change.get("seen", True):
        write_seen(tmp_path, ["ANOTHERMOLECUL"])
    with pytest.raises(SettingError, match=words):
        ask(make=True, graph_encoder=str(tmp_path / "weights.safetensors"))


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in (
        {"graph_encoder": "a", "encoder": "random"},
        {"graph_encoder": "a", "weights": "b"},
        {"graph_encoder": "a", "epochs": 0},
        {"modalities": ("image",)},
        {"modalities": "graph,smell"},
        {"cells": "viability"},
    ):
        with pytest.raises(ValidationError):
            MmsaConfig(**wrong)


def test_every_variant_says_that_it_is_a_reconstruction() -> None:
    for spec in MODELS:
        assert RECONSTRUCTION in spec.title
        assert RECONSTRUCTION in spec.citation
        assert set(spec.views) == {"image", "conformer"} & set(MmsaConfig(**spec.preset).modalities)

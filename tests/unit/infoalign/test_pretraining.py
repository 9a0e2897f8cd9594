"""From an atlas to weights: what is learnt, what the card says, and what the weights hang on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import MatrixBlock, PendingWeights
from chmr_bench.contracts import connectivity_hash
from chmr_bench.errors import SettingError
from chmr_bench.nn.pretraining import seeding
from chmr_bench.nn.pretraining.values import min_max
from chmr_bench_infoalign.config import InfoAlignConfig
from chmr_bench_infoalign.pretraining.learning import InfoAlignLearner
from chmr_bench_infoalign.pretraining.making import InfoAlignPretraining
from chmr_bench_infoalign.pretraining.store import find_or_make
from chmr_bench_infoalign.weights import load_network, place_of
from tests.unit.learners import check_resumed, learner_of

SETTINGS: dict[str, Any] = {
    "atlas": ("tiny",),
    "n_bits": 64,
    "hidden": 16,
    "layers": 2,
    "decoder_hidden": 16,
    "epochs": 2,
    "batch_size": 20,
}
CELLS = {"morphology", "expression", "perturbation"}


def settings(**changes: Any) -> InfoAlignConfig:
    return InfoAlignConfig(**{**SETTINGS, **changes})


@pytest.fixture
def ask(tiny: Any, home: Path, tmp_path: Path) -> Any:
    """Ask for weights of the tiny settings with some changes."""

    def asked(make: bool = False, told: Any = None, **changes: Any) -> Any:
        asked_for = {"folder": tmp_path / "weights", "make": make, **(told or {})}
        request = tiny.request(**asked_for)
        return find_or_make(settings(**changes), request)

    return asked


def learner(tiny: Any, folder: Path, **changes: Any) -> InfoAlignLearner:
    request = tiny.request(folder)
    made: InfoAlignLearner
    made = learner_of(InfoAlignPretraining, settings(**changes), request, tiny.atlas())
    return made


def test_targets_lie_between_0_and_1() -> None:
    values = np.array([[1.0, 5, -2], [3, 5, np.nan], [np.nan, np.nan, np.nan], [5, 5, 4]])
    found = min_max(MatrixBlock(values, np.array([True, True, False, True])))
    np.testing.assert_allclose(found.x, [[0, 0, 0], [0.5, 0, 0.5], [0, 0, 0], [1, 0, 1]])
    entries = np.isfinite(values)
    part = min_max(MatrixBlock(values, entries))
    assert part.binary
    np.testing.assert_allclose(part.targets(np.array([1])), [[0.5, 0, np.nan]])
    np.testing.assert_array_equal(part.observed, [True, True, False, True])


def test_weights_are_told_of_made_and_found(ask: Any, tiny: Any) -> None:
    pending = ask()
    assert isinstance(pending, PendingWeights)
    assert pending.title.startswith("pretrain on tiny, 2 epochs (seed 0, ")
    made = ask(make=True)
    assert ask() == made
    seen = np.load(made.seen, allow_pickle=False)
    np.testing.assert_array_equal(seen, np.sort(connectivity_hash(tiny.atlas().keys)))
    card = json.loads((made.path.parent / "card.json").read_text())
    assert card == {**made.info, "sha256": made.sha256}
    assert set(card["losses"]["train"]) == {
        "total", "minimality", "sufficiency.molecule", *(f"sufficiency.{c}" for c in CELLS),
    }  # fmt: skip
    text = (made.path.parent / "README.md").read_text()
    for said in (
        "weights of InfoAlign",
        "tiny, 64 molecules",
        "not the authors' weights",
        "mu over",
    ):
        assert said in text
    network, metadata = load_network(made.path)
    assert {t.name for t in network.shape.targets} == {"molecule", *CELLS}
    assert set(metadata.features) == {"graph"}


def test_the_same_request_gives_the_same_bytes(ask: Any, tmp_path: Path) -> None:
    first = ask(make=True, epochs=1)
    second = ask(make=True, epochs=1, told={"folder": tmp_path / "elsewhere"})
    assert first.path.read_bytes() == second.path.read_bytes()
    assert ask(make=True, epochs=1, pretrain_seed=1).sha256 != first.sha256


def test_an_encoder_that_learns_nothing(ask: Any) -> None:
    made = ask(make=True, encoder="random")
    assert made.info["losses"] == {}
    assert "nothing was learnt" in (made.path.parent / "README.md").read_text()


def test_it_learns(tiny: Any, home: Path, tmp_path: Path) -> None:
    one = learner(tiny, tmp_path, epochs=12, learning_rate=5e-3, dropout=0.0, decoder_dropout=0.0)
    one.learn(lambda _: None)
    totals = [row["total"] for row in one.standing.history if row["part"] == "train"]
    assert totals[-1] < 0.8 * totals[0]


def test_what_variants_leave_out(tiny: Any, home: Path, tmp_path: Path) -> None:
    def terms(**changes: Any) -> set[str]:
        one = learner(tiny, tmp_path, epochs=1, **changes)
        batch = one.learning.batch(one.material.train[:20], np.random.default_rng(0))
        return set(one.terms(batch, one.network))

    both = {"total", "sufficiency.molecule"}
    assert terms(cells=(), minimality_weight=0.0) == both
    assert terms(cells=("morphology",)) == both | {"minimality", "sufficiency.morphology"}


def test_a_resumed_pretraining_is_the_undisturbed_one(
    tiny: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "VALID_SHARE", 0.2)
    check_resumed(lambda: learner(tiny, tmp_path), tmp_path, at=4)  # in the second epoch


def test_the_key_follows_what_can_change_a_number(tiny: Any) -> None:
    def key(told: dict[str, Any] | None = None, **changes: Any) -> str:
        return place_of(settings(**changes), tiny.request(Path("weights"), **(told or {}))).key

    keys = [
        key(), key(epochs=3), key(minimality_weight=0.0), key(radius=2), key(cells=()),
        key(transductive=True), key({"device": "cuda"}), key({"precision": "bfloat16"}),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key({"n_jobs": 7, "seed": 3}, head_hidden=64) == key()
    assert key({"seed": 3}, pretrain_seed="run") == key(pretrain_seed=3)


def test_weights_of_a_file(ask: Any, tmp_path: Path) -> None:
    made = ask(make=True, epochs=1)
    named = ask(weights=str(made.path), weights_sha256=made.sha256)
    assert (named.path, named.sha256) == (made.path, made.sha256)
    told = {"chosen": frozenset({"minimality_weight"})}
    with pytest.raises(SettingError, match=r"minimality_weight=1e-09 \(here 0\.0\)"):
        ask(told=told, weights=str(made.path), minimality_weight=0.0)
    with pytest.raises(SettingError, match=r"expected f{64}"):
        ask(weights=str(made.path), weights_sha256="f" * 64)
    with pytest.raises(SettingError, match=r"no weights file .*weights=official fetches"):
        ask(weights=str(tmp_path / "none.safetensors"))


def test_weights_of_another_model_are_refused(tiny: Any, ask: Any, tmp_path: Path) -> None:
    from chmr_bench_chmr.pretraining.store import find_or_make as of_chmr

    other = of_chmr(tiny.config(epochs=0), tiny.request(tmp_path / "chmr"))
    with pytest.raises(SettingError, match="its header cannot be read"):
        ask(weights=str(other.path))  # type: ignore[union-attr]

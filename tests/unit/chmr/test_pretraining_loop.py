"""Learning: what is kept, what is logged, and a resumed pretraining that is the undisturbed one."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench import PluginError
from chmr_bench.errors import DataError
from chmr_bench.nn.pretraining import checkpoint, figure, making, seeding
from chmr_bench.nn.pretraining import learner as learners
from chmr_bench.nn.pretraining.place import Place
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining import loop
from chmr_bench_chmr.pretraining import material as materials
from chmr_bench_chmr.pretraining.making import ChmrPretraining
from chmr_bench_chmr.weights import place_of
from tests.unit.learners import KEY, check_resumed, stop


class Setting:
    """Learns on the tiny atlas."""

    def __init__(self, tiny: Any, folder: Path, **changes: Any) -> None:
        precision = changes.pop("precision", "float32")
        self.config = tiny.config(**changes)
        self.request = tiny.request(folder, precision=precision)
        self.material = materials.prepare(tiny.atlas(), self.config, self.request, 0)

    def learner(self) -> loop.ChmrLearner:
        """Return a learner at its start."""
        plan = ChmrPretraining(self.config, self.request, Place(self.request.folder, KEY, 0, {}))
        return plan.learner(self.material, lambda _: None, 1e9)


@pytest.fixture
def setting(tiny: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(seeding, "VALID_SHARE", 0.2)

    def made(**changes: Any) -> Setting:
        return Setting(tiny, tmp_path, **changes)

    return made


def tensors(network: ChmrNetwork) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in network.state_dict().items()}


def learn(learner: loop.ChmrLearner) -> dict[str, torch.Tensor]:
    learner.learn(lambda _: None)
    return tensors(learner.network)


@pytest.mark.parametrize("stop_at", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 7))])
def test_a_resumed_pretraining_is_the_undisturbed_one(
    setting: Any, stop_at: int, tmp_path: Path
) -> None:
    check_resumed(setting().learner, tmp_path, stop_at)


def test_the_epoch_with_the_lowest_held_out_loss_is_kept(
    setting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = setting(epochs=4).learner()
    losses = iter([3.0, 1.0, 2.0, 5.0])
    seen = []

    def validate(self: loop.ChmrLearner) -> dict[str, float]:
        seen.append(tensors(self.averaged.module))
        return {"total": next(losses)}

    monkeypatch.setattr(loop.ChmrLearner, "validate", validate)
    kept = learn(learner)
    assert (learner.standing.best_epoch, learner.standing.best) == (2, 1.0)
    assert all(torch.equal(kept[name], seen[1][name]) for name in kept)
    assert not learner.network.training


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
def test_the_moving_average_of_the_steps_is_kept(
    setting: Any, monkeypatch: pytest.MonkeyPatch, decay: float
) -> None:
    monkeypatch.setattr(seeding, "VALID_SHARE", 0.0)
    learner = setting(average=decay, learning_rate=0.05).learner()
    expected: dict[str, torch.Tensor] = {}
    last: dict[str, torch.Tensor] = {}
    real, n = loop.ChmrLearner.step, itertools.count()

    def step(self: loop.ChmrLearner, *of: Any) -> dict[str, float]:
        told = real(self, *of)
        last.update(tensors(self.network))
        at = next(n)
        kept = min(decay, (1 + at) / (10 + at))
        for name, now in last.items():
            before = expected.get(name, now)
            expected[name] = kept * before + (1 - kept) * now if now.is_floating_point() else now
        return told

    monkeypatch.setattr(loop.ChmrLearner, "step", step)
    kept = learn(learner)
    for name, value in expected.items():
        if value.is_floating_point():
            torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5)
    equal = all(torch.equal(kept[name], last[name]) for name in last)
    assert equal is (decay == 0)


def test_at_first_the_average_forgets_fast() -> None:
    means = {n: [torch.zeros(2), torch.zeros(1)] for n in (1, 8, 10**6)}
    for n, mean in means.items():
        learners.average(0.99, mean, [torch.ones(2), torch.full((1,), 2.0)], torch.tensor(n))
    told = {n: mean[0][0].item() for n, mean in means.items()}
    assert told == pytest.approx({1: 9 / 11, 8: 0.5, 10**6: 0.01})
    assert all(mean[1].item() == pytest.approx(2 * told[n]) for n, mean in means.items())
    counter = [torch.tensor(3)]
    learners.average(0.99, counter, [torch.tensor(7)], torch.tensor(100))
    assert counter[0] == 7


def test_every_term_is_logged_for_every_epoch(setting: Any) -> None:
    learner = setting().learner()
    learn(learner)
    rows = list(csv.DictReader(io.StringIO(making.losses_csv(learner.standing.history))))
    assert [(row["epoch"], row["part"]) for row in rows] == [
        (str(e), part) for e in (1, 2, 3) for part in ("train", "valid")
    ]
    terms = figure.terms_of(learner.standing.history)
    assert terms[0] == "total"
    kinds = {term.partition(".")[0] for term in terms}
    assert kinds == {
        "total", "instance_alignment", "distribution_alignment", "reconstruction", "own", "tree",
    }  # fmt: skip
    assert all(np.isfinite(float(row[term])) for row in rows for term in terms)


def test_it_learns(setting: Any) -> None:
    learner = setting(epochs=12, learning_rate=5e-3, dropout=0.0).learner()
    learn(learner)
    totals = [row["total"] for row in learner.standing.history if row["part"] == "train"]
    assert totals[-1] < 0.8 * totals[0]


@pytest.mark.slow
def test_half_precision_learns_the_same_thing(setting: Any) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        learner = setting(precision=precision, dropout=0.0).learner()
        learn(learner)
        losses[precision] = learner.standing.history[-1]["total"]
        assert all(t.dtype != torch.bfloat16 for t in learner.network.state_dict().values())
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
    assert losses["bfloat16"] != losses["float32"]


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": ()},
        {"tree": "none"},
        {"tree": "flat"},
        {"walk": False},
        {"reconstruction": False},
        {"instance_alignment": False, "distribution_alignment": False},
        {"as_published": True},
    ],
)
def test_every_variant_learns(setting: Any, changes: dict[str, Any]) -> None:
    made = setting(epochs=1, **changes)
    before = tensors(loop.new_network(made.material, made.config, 0))
    after = learn(made.learner())
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(torch.isfinite(t).all() for t in after.values())


def test_bits_and_shapes_are_dropped_while_learning_and_graphs_never(setting: Any) -> None:
    learner = setting(modality_dropout=0.5, geometry="geometry").learner()
    rows = np.resize(learner.material.train, 400)
    batch = learner.learning.batch(rows, np.random.default_rng(0))
    there, own = learner._left_in(batch), batch.observed
    assert 0.4 < there["fingerprint"].double().mean() < 0.6
    assert not (there["geometry"] & ~own["geometry"]).any()
    assert 0.4 < (there["geometry"].sum() / own["geometry"].sum()).item() < 0.6
    assert not torch.equal(there["fingerprint"], there["geometry"])
    assert set(there) - {"fingerprint"} == set(own)  # "graph" is not named: all have it
    assert all(torch.equal(there[name], own[name]) for name in learner.material.cells)
    assert learner.validate() == learner.validate()  # nothing is dropped there
    plain = setting().learner()._left_in(batch)
    assert all(plain[name] is own[name] for name in own)


def test_every_molecule_is_learnt_from_once_an_epoch(setting: Any) -> None:
    learner = setting().learner()
    parts = learner.parts(0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), learner.material.train)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert max(map(len, parts)) <= learner.config.batch_size
    assert not np.array_equal(np.concatenate(parts), np.concatenate(learner.parts(1)))


def test_batches_made_ahead_are_the_same(setting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = setting().learner()
    parts = learner.parts(0)
    expected = list(learner._batches(parts))
    monkeypatch.setattr(learner, "request", dataclasses.replace(learner.request, device="cuda"))
    found = list(learner._batches(parts))
    assert [step for step, _ in found] == [step for step, _ in expected] == [0, 1, 2]
    for (_, a), (_, b) in zip(found, expected, strict=True):
        assert torch.equal(a.fingerprint, b.fingerprint)
        assert torch.equal(a.walks["morphology"].target, b.walks["morphology"].target)


def test_a_loss_that_is_not_finite_is_told(setting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = setting().learner()

    def terms(*_: Any) -> dict[str, torch.Tensor]:
        return {"tree": torch.tensor(float("nan")), "total": torch.tensor(1.0)}

    monkeypatch.setattr(loop.ChmrLearner, "terms", terms)
    with pytest.raises(PluginError, match="tree is nan in epoch 1, step 1"):
        learn(learner)


def test_torch_is_left_as_it_was(setting: Any) -> None:
    made = setting(epochs=1)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with learners.torch_settings(made.request):
        learn(made.learner())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


# -------------------------------------------------------------------------------------- checkpoints


def test_checkpoints_that_are_of_no_use(setting: Any, tiny: Any, tmp_path: Path) -> None:
    assert checkpoint.read(tmp_path, KEY) is None
    stop(setting().learner(), tmp_path, at=1)
    with pytest.raises(DataError, match="belongs to other weights"):
        checkpoint.read(tmp_path, "other")
    file = tmp_path / checkpoint.FILE
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match="cannot be read"):
        checkpoint.read(tmp_path, KEY)


@pytest.mark.slow
def test_a_damaged_checkpoint_means_a_new_start(
    tiny: Any, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quiet = tiny.request(tmp_path / "quiet")
    disturbed = tiny.request(tmp_path / "disturbed")
    place = place_of(tiny.config(), disturbed)
    (place.folder / "checkpoint").mkdir(parents=True)
    (place.folder / "checkpoint" / checkpoint.FILE).write_bytes(b"junk")
    for request in (quiet, disturbed):
        making.make(ChmrPretraining(tiny.config(), request, place_of(tiny.config(), request)))
    assert "the checkpoint is of no use" in caplog.text
    made = [r.folder / place.folder.name / "weights.safetensors" for r in (quiet, disturbed)]
    assert made[0].read_bytes() == made[1].read_bytes()
    assert not (place.folder / "checkpoint").exists()


def test_the_figure_shows_what_there_is(tmp_path: Path) -> None:
    assert not figure.draw(tmp_path / "none.png", [], "nothing")
    history = [{"epoch": e, "part": p, "total": 1.0, "b": 2.0} for e in (1, 2) for p in ("train",)]
    assert figure.draw(tmp_path / "losses.png", history, "two epochs")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(json.dumps(figure.terms_of(history))) == ["total", "b"]

"""What a modality of cells counts: by its molecules, and by what is foretold of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench.nn.pretraining.making import losses_csv
from chmr_bench.nn.pretraining.values import Values
from chmr_bench.sweep.model_settings import changed
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.objective import objective
from chmr_bench_chmr.pretraining.balance import LEAST, column_means, shares, unexplained, weights
from chmr_bench_chmr.shape import Modality, NetworkShape
from chmr_bench_chmr.weights import place_of
from tests.unit.chmr.test_objective import make_network, step
from tests.unit.chmr.test_pretraining_loop import learn, setting  # noqa: F401 - a fixture
from tests.unit.learners import check_resumed


def values(x: Any, observed: Any = None, *, binary: bool = False, entries: Any = None) -> Values:
    x = np.asarray(x, dtype=np.float32)
    rows = np.ones(len(x), dtype=bool) if observed is None else np.asarray(observed, dtype=bool)
    zeros, ones = np.zeros(x.shape[1], np.float32), np.ones(x.shape[1], np.float32)
    return Values(x, rows, zeros, ones, binary, None if entries is None else np.array(entries))


def test_shares_are_of_molecules_and_in_part_of_entries() -> None:
    half = np.tile([True, False], (8, 1))
    cells = {
        "all": values(np.zeros((8, 2))),
        "few": values(np.zeros((8, 2)), [1, 1, 0, 0, 0, 0, 0, 1]),
        "part": values(np.zeros((8, 2)), entries=half),
    }
    assert shares(cells, np.arange(4)) == {"all": 1.0, "few": 0.5, "part": 0.5}
    assert shares({}, np.arange(4)) == {}


def test_what_is_not_foretold_and_what_few_have_counts_less() -> None:
    found = weights({"many": 1.0, "few": 0.01, "noise": 1.0}, {"many": 0.5, "few": 0.5})
    assert found == {"many": 1.0, "few": pytest.approx(0.01), "noise": 0.5}
    assert weights({"perfect": 1.0, "half": 1.0}, {"perfect": 0.0, "half": 0.5}) == {
        "perfect": 1.0,
        "half": pytest.approx(LEAST / 0.5),
    }


class Foreteller:
    """In place of a network: foretells what it is given, from anchors that are row numbers."""

    def __init__(self, given: torch.Tensor, *, binary: bool) -> None:
        self.given = given
        self.shape = NetworkShape(1, cells=(Modality("growth", 3, binary),))

    def encode(self, fingerprint: torch.Tensor, *_: Any) -> torch.Tensor:
        return fingerprint

    def anchor(self, latents: torch.Tensor, _: Any) -> torch.Tensor:
        return latents

    def decode(self, _: str, anchor: torch.Tensor) -> torch.Tensor:
        return self.given[anchor]


@pytest.mark.parametrize("binary", [False, True])
def test_the_means_explain_nothing_and_the_truth_all(*, binary: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    x = (x > 0.5).astype(np.float32) if binary else x
    cells = {"growth": values(x, binary=binary)}
    learnt, held = np.arange(20), torch.arange(20, 40)
    seen = torch.ones(20, dtype=torch.bool)
    batch = SimpleNamespace(
        fingerprint=held,
        graph=None,
        geometry=None,
        observed={"growth": seen},
        cells={"growth": torch.from_numpy(x)[held]},
        entries={},
        bounds={},
    )
    means = torch.from_numpy(x[:20].mean(0)).expand(40, 3)
    truth = torch.from_numpy(x)
    if binary:
        means, truth = torch.logit(means), (truth - 0.5) * 60

    def left(given: torch.Tensor) -> dict[str, float]:
        network: Any = Foreteller(given, binary=binary)
        batches: Any = [batch]
        return unexplained(network, {"growth": column_means(cells["growth"], learnt)}, batches)

    assert left(means) == {"growth": pytest.approx(1.0)}
    assert left(truth) == {"growth": pytest.approx(0.0, abs=1e-6)}
    seen[:] = False
    assert left(truth) == {}


def test_weights_bear_on_the_total_alone() -> None:
    network = make_network().eval()
    config = PretrainConfig(depth=3)
    even = objective(network, config, step(network))
    weighed = objective(network, config, step(network), {"activity": 0.25})
    assert all(torch.equal(even[name], weighed[name]) for name in even if name != "total")
    own = {n: t.item() for n, t in even.items() if n.endswith(".activity")}
    less = sum(config.sca_weight * t if "alignment" in n else t for n, t in own.items())
    assert len(own) == 4
    assert (even["total"] - weighed["total"]).item() == pytest.approx(0.75 * less, rel=1e-4)


def test_it_learns_by_held_out_molecules_and_resumes(
    setting: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = setting(balance="uncertainty", epochs=3)
    whole = made.learner()
    expected = learn(whole)
    told = [h for h in whole.standing.history if h["part"] == "valid"]
    names = {f"unexplained.{name}" for name in made.material.cells}
    assert names
    assert all(names <= set(epoch) for epoch in told)
    assert whole._weights(learning=False) == weights(whole._shares, {})
    assert whole._weights(learning=True) != whole._weights(learning=False)
    check_resumed(made.learner, tmp_path, at=3)
    assert any(
        not torch.equal(value, expected[name])
        for name, value in learn(setting(epochs=3).learner()).items()
    )


@pytest.mark.parametrize("changes", [{"reconstruction": False}, {"as_published": True}])
def test_decoders_that_learn_from_no_anchor_tell_nothing(
    setting: Any,  # noqa: F811
    changes: dict[str, Any],
) -> None:
    learner = setting(balance="uncertainty", epochs=1, **changes).learner()
    learn(learner)
    assert not any(n.startswith("unexplained") for h in learner.standing.history for n in h)
    assert learner._weights(learning=True) == weights(learner._shares, {})


def test_the_table_of_losses_holds_what_is_unexplained(setting: Any) -> None:  # noqa: F811
    learner = setting(balance="uncertainty", epochs=1).learner()
    learn(learner)
    train, valid = csv.DictReader(io.StringIO(losses_csv(learner.standing.history)))
    names = [name for name in train if name.startswith("unexplained.")]
    assert names
    assert all(train[name] == "" and float(valid[name]) > 0 for name in names)


def test_weights_and_runs_of_before_keep_their_names(setting: Any) -> None:  # noqa: F811
    plain, other = setting(), setting(balance="uncertainty")
    assert "balance" not in place_of(plain.config, plain.request).inputs["config"]
    assert place_of(other.config, other.request).inputs["config"]["balance"] == "uncertainty"
    assert "balance" not in ChmrConfig().model_dump(mode="json")
    assert ChmrConfig().model_dump(mode="json", context={"every": True})["balance"] == "even"
    assert ChmrConfig.model_validate(ChmrConfig().model_dump()) == ChmrConfig()


def test_a_change_either_way_is_a_change() -> None:
    plain, other = ChmrConfig(), ChmrConfig(balance="uncertainty")
    assert changed(other, plain) == {"balance": "uncertainty"}
    assert changed(plain, other) == {"balance": "even"}

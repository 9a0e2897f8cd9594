"""How long weights would take to make, and what a command says of it."""

from __future__ import annotations

import dataclasses

import pytest

from chmr_bench.api.options import run_options
from chmr_bench.contracts import PendingWeights
from chmr_bench.display.remarks import announcement
from chmr_bench.plugins import registry
from chmr_bench.runner import WeightsCache, WeightsKey, estimate
from chmr_bench.settings import build_config

PENDING = PendingWeights("pretrain on jump-activity", ("jump-activity",), 60.0, "or take mine")


def pending_of(name: str, **settings: object) -> PendingWeights:
    """Return what a model would have to make first."""
    model = registry().model(name)
    key = WeightsKey(model, build_config(model.spec, settings))
    pending = WeightsCache(run_options({})).look_up(key)
    assert isinstance(pending, PendingWeights)
    return pending


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine half as fast as the reference."""
    monkeypatch.setattr(estimate, "gigaflops", lambda: estimate.REFERENCE / 2)


def test_molecules_speed_and_cores_count(speed: None) -> None:
    n = registry().atlas("jump-activity").spec.n_molecules
    alone, both = (estimate.making_seconds(PENDING, n_jobs) for n_jobs in (1, 2))
    assert alone == pytest.approx(n * 0.060 * 2)
    assert both == pytest.approx(n * 0.060)


def test_a_part_of_an_atlas_takes_its_share(speed: None) -> None:
    few = dataclasses.replace(PENDING, molecules=1000)
    assert estimate.making_seconds(few, 1) == pytest.approx(1000 * 0.060 * 2)
    more = dataclasses.replace(PENDING, molecules=10**9)
    assert estimate.making_seconds(more, 1) == estimate.making_seconds(PENDING, 1)


@pytest.mark.parametrize(
    "pending",
    [
        PendingWeights("regress", ("jump-activity",)),
        PendingWeights("pretrain", ("infoalign",), 60.0),
        PendingWeights("pretrain", ("no such",), 60.0),
    ],
)
def test_what_is_not_known_is_not_guessed(pending: PendingWeights, speed: None) -> None:
    assert estimate.making_seconds(pending, 1) is None
    assert announcement(pending, 1) == pending.title


def test_the_words(speed: None) -> None:
    assert announcement(PENDING, 2) == (
        "pretrain on jump-activity; about 1.9 h on this machine, once; or take mine"
    )


def test_this_machine_is_measured_once() -> None:
    assert 0 < estimate.gigaflops() == estimate.gigaflops() < 1e5


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("chmr.shuffled-cells", "chmr.head-only"),
        ("infoalign", "--set weights=FILE"),
        ("mmsa", "--set weights=FILE"),
    ],
)
def test_a_model_that_pretrains_says_how_long_and_how_to_do_without(name: str, other: str) -> None:
    pending = pending_of(name)
    assert pending.core_ms > 0
    assert "--set weights=FILE" in pending.without
    assert other in pending.without


def test_the_regressor_says_how_long(speed: None) -> None:
    whole = pending_of("cells.regressor")
    seconds = estimate.making_seconds(whole, 1)
    assert seconds is not None
    assert 60 < seconds < 3600
    eight, one = (pending_of("cells.regressor", epochs=n) for n in (8, 1))
    assert one.core_ms < eight.core_ms < whole.core_ms

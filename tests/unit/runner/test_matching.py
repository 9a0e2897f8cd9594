"""Matching, cross-validated: who is held out, what a model is told, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import DataError, MatrixBlock
from chmr_bench.cells import Atlas
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import PredictionError
from chmr_bench.plugins import registry
from chmr_bench.runner import matching
from chmr_bench.runner.matching import Matching, MatchJob, match_here, pairs_of
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench.settings import build_config
from chmr_bench.statistics.retrieval import retrieval_scores

pytestmark = pytest.mark.usefixtures("quick")
Match = Callable[..., Matching]


@pytest.fixture
def matched() -> Match:
    """Match in this process: the quick model of that name, on the forty alkanes."""

    def match(name: str, seed: int = 0, *, shuffled: bool = False) -> Matching:
        spec = registry().model(f"quick.match-{name}").spec
        job = MatchJob(spec, build_config(spec, {}), "quick-made-atlas", seed, shuffled)
        data = AtlasData(FetchOptions(offline=True))
        return match_here(job, data, registry(), lambda *_: None)

    return match


def scores(done: Matching, way: str) -> dict[str, float]:
    (block,) = done.blocks
    return {score.measure: score.score for score in retrieval_scores(getattr(block, way))}


def test_who_knows_the_answer_finds_every_partner(matched: Match) -> None:
    done = matched("sizes")
    (block,) = done.blocks
    assert (block.block, done.n_pairs, done.n_same, done.few) == ("size", 40, 0, {})
    assert sorted(set(block.keys)) == sorted(block.keys)
    assert len(block.keys) == 40  # each pair is held out once
    assert set(block.profiles.gallery.tolist()) == {8}
    for way in ("profiles", "molecules"):
        assert set(scores(done, way).values()) == {1.0}


def test_the_order_of_profiles_tells_nothing(matched: Match) -> None:
    done = matched("diagonal")
    for way in ("profiles", "molecules"):
        assert scores(done, way)["hit@1"] < 0.4  # 1 of 8 by chance


def test_the_control_learns_from_permuted_profiles(matched: Match) -> None:
    """Every molecule has another's profile, each profile is there once, and folds are the same."""
    learner, control = matched("learner"), matched("learner", shuffled=True)
    assert learner.blocks[0].keys == control.blocks[0].keys
    assert scores(learner, "profiles")["mrr"] > 0.9 > 0.7 > scores(control, "profiles")["mrr"]


def test_seeds_draw_other_folds_and_the_same_seed_the_same(matched: Match) -> None:
    first, again, other = matched("sizes"), matched("sizes"), matched("sizes", seed=1)
    assert first.blocks[0].keys == again.blocks[0].keys
    assert first.blocks[0].keys != other.blocks[0].keys


def test_a_score_that_is_no_number_is_refused(matched: Match) -> None:
    with pytest.raises(PredictionError, match=r"NotFinite: score\(\) gave shape \(8, 8\), 0 of 64"):
        matched("notfinite")


def test_too_few_pairs_are_refused(matched: Match, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "LEAST_PAIRS", 41)
    with pytest.raises(DataError, match=r"'quick-made-atlas': .*\{'size': 40\}; matching needs 41"):
        matched("sizes")


def test_forms_of_one_molecule_are_one_pair(home: Path) -> None:
    """A salt is its acid; who has no profile is no pair."""
    smiles = ("CC(=O)O", "CCO", "CC(=O)[O-].[Na+]", "CCN", "CCCC")
    values = np.array([[1.0], [2.0], [3.0], [np.nan], [5.0]])
    block = MatrixBlock(values, np.isfinite(values[:, 0]))
    atlas = Atlas("mine", smiles, tuple("ABCDE"), {"size": block})
    pairs, n_same = pairs_of(atlas, 1)
    assert pairs.smiles == ("CC(=O)O", "CCO", "CCCC")
    assert n_same == 1
    read: Any = pairs.blocks["size"].values
    assert read[:, 0].tolist() == [1.0, 2.0, 5.0]

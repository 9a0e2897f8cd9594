"""Ranks, their measures and chance: against values worked out by hand, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chmr_bench.errors import DataError
from chmr_bench.statistics.retrieval import (
    MEASURES,
    Ranks,
    mrr_gain,
    query_gains,
    ranks_of,
    retrieval_scores,
    together,
)


def ranks(first: list[int], last: list[int], gallery: int) -> Ranks:
    return Ranks(np.array(first), np.array(last), np.full(len(first), gallery))


def test_measures_of_ranks_worked_out_by_hand() -> None:
    gains = query_gains(ranks([1, 3, 7, 20], [1, 3, 7, 20], 20))
    assert gains[0].tolist() == [1, 0, 0, 0]  # hit@1
    assert gains[1].tolist() == [1, 1, 0, 0]  # hit@5
    assert gains[2].tolist() == [1, 1, 1, 0]  # hit@10
    assert gains[3] == pytest.approx([1, 1 / 3, 1 / 7, 1 / 20])
    assert gains[4] == pytest.approx([1, 1 / 2, 1 / 3, 1 / math.log2(21)])


def test_a_tie_counts_as_the_mean_over_its_ranks() -> None:
    gains = query_gains(ranks([1], [4], 4))
    assert gains[:, 0] == pytest.approx(
        [
            1 / 4,
            1,
            1,
            (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4,
            query_gains(ranks([1, 2, 3, 4], [1, 2, 3, 4], 4))[4].mean(),
        ]
    )


def test_ranks_are_those_of_the_partner() -> None:
    similarity = np.array([[0.1, 0.9, 0.5], [0.3, 0.3, 0.3], [3.0, 2.0, 2.0]])
    found = ranks_of(similarity, np.array([2, 0, 1]))
    assert found.first.tolist() == [2, 1, 2]
    assert found.last.tolist() == [2, 3, 3]
    assert found.gallery.tolist() == [3, 3, 3]


def test_a_constant_scores_what_chance_does() -> None:
    found = ranks_of(np.zeros((30, 30)), np.arange(30))
    for score in retrieval_scores(found):
        assert score.score == pytest.approx(score.chance), score.measure
        assert score.verdict == "chance"


def test_chance_is_what_random_similarities_give() -> None:
    """Of galleries of two sizes, over 400 draws: within four standard errors of the mean."""
    rng = np.random.default_rng(0)
    draws = np.array(
        [
            query_gains(
                together([ranks_of(rng.random((m, m)), rng.permutation(m)) for m in (12, 31)])
            ).mean(axis=1)
            for _ in range(400)
        ]
    )
    found = together([ranks_of(rng.random((m, m)), np.arange(m)) for m in (12, 31)])
    expected = np.array([score.chance for score in retrieval_scores(found)])
    assert expected[0] == pytest.approx(2 / 43)  # one hit a gallery, 43 queries
    assert (abs(draws.mean(axis=0) - expected) < 4 * draws.std(axis=0) / 20).all()


def test_the_interval_of_the_verdict_holds_chance_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    verdicts = []
    for _ in range(300):
        found = together([ranks_of(rng.random((25, 25)), np.arange(25)) for _ in range(5)])
        verdicts.append(retrieval_scores(found, n_replicates=200)[3].verdict)
    assert 0.90 <= verdicts.count("chance") / 300 <= 0.99


def test_a_perfect_order_is_above_chance_and_a_reversed_one_below() -> None:
    perfect = retrieval_scores(ranks_of(np.eye(40), np.arange(40)))
    assert [score.score for score in perfect] == [1.0] * len(MEASURES)
    assert {score.verdict for score in perfect} == {"above"}
    worst = retrieval_scores(ranks_of(-np.eye(40), np.arange(40)))
    assert worst[3].verdict == "below"
    assert worst[0].score == 0 < worst[0].high  # no hit among 40 is no proof of none


def test_without_a_query_there_is_no_score() -> None:
    with pytest.raises(DataError, match="no query"):
        retrieval_scores(Ranks(*(np.zeros(0, dtype=np.int64),) * 3))


def test_the_gain_over_a_control_is_paired_over_queries() -> None:
    """Queries differ much among themselves and little from their control: pairing shows it."""
    generator = np.random.default_rng(3)
    at = generator.integers(2, 40, 200)
    control = Ranks(at, at, np.full(200, 40))
    better = Ranks(at - 1, at - 1, np.full(200, 40))
    gain = mrr_gain(better, control)
    assert gain.gain == pytest.approx(np.mean(1 / (at - 1) - 1 / at))
    assert 0 < gain.low < gain.gain < gain.high
    assert mrr_gain(control, control).gain == 0
    with pytest.raises(DataError, match="200 queries and 3 of the control"):
        mrr_gain(better, ranks([1, 2, 3], [1, 2, 3], 9))

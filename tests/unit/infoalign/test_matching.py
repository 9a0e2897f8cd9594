"""Matching by InfoAlign: what it learnt of pairs tells whose profile is whose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import FitContext, Inputs, MatrixBlock, TaskInfo, UsageError
from chmr_bench.features.graphs import graph
from chmr_bench.statistics.retrieval import ranks_of, retrieval_scores
from chmr_bench_infoalign.config import InfoAlignConfig
from chmr_bench_infoalign.matching import InfoAlignMatcher

CONTEXT = FitContext(TaskInfo("regression", (), "mae"))
SETTINGS: dict[str, Any] = {
    "hidden": 16,
    "layers": 2,
    "dropout": 0.0,
    "decoder_hidden": 16,
    "decoder_dropout": 0.0,
    "n_bits": 128,
    "batch_size": 32,
    "epochs": 25,
}


def pairs(tiny: Any) -> Any:
    """Return 64 molecules whose one profile follows from their two groups."""
    atlas = tiny.atlas()
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 8, 6))
    values = np.array([first[i // 8] + second[i % 8] for i in range(64)])
    return replace(atlas, blocks={"expression": MatrixBlock(7 + 2 * values, np.ones(64, bool))})


def test_what_it_learnt_ranks_profiles(tiny: Any, home: Path) -> None:
    known = pairs(tiny)
    molecules = Inputs(known.smiles, {"graph": graph(known.smiles)}, known.keys)
    model = InfoAlignMatcher(InfoAlignConfig(**SETTINGS))
    model.fit_pairs(molecules, known, CONTEXT)
    similarity = model.score(molecules, "expression", known.blocks["expression"])
    assert similarity.shape == (64, 64)
    assert np.abs(similarity).max() <= 1 + 1e-9
    mrr = retrieval_scores(ranks_of(similarity, np.arange(64)))[3]
    assert mrr.low > 2 * mrr.chance
    few = model.score(molecules.take(np.array([3])), "expression", known.blocks["expression"])
    np.testing.assert_allclose(few, similarity[3:4], atol=1e-5)


def test_weights_that_may_have_seen_held_out_pairs_are_refused(tiny: Any, home: Path) -> None:
    known = pairs(tiny)
    molecules = Inputs(known.smiles, {"graph": graph(known.smiles)}, known.keys)
    model = InfoAlignMatcher(InfoAlignConfig(**SETTINGS, weights="mine.pt"))
    with pytest.raises(UsageError, match="leave weights= out"):
        model.fit_pairs(molecules, known, CONTEXT)

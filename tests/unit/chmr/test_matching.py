"""Matching by CHMR and by the plain control: what they learnt of pairs ranks profiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import FitContext, MatrixBlock, TaskInfo
from chmr_bench.statistics.retrieval import ranks_of, retrieval_scores
from chmr_bench_chmr.matching import ChmrMatcher
from chmr_bench_chmr.regressor_config import RegressorConfig
from chmr_bench_chmr.regressor_matching import RegressorMatcher
from tests.unit.problems import featurised

CONTEXT = FitContext(TaskInfo("regression", (), "mae"))
REGRESSOR = RegressorConfig(
    hidden=32, embedding=16, n_bits=128, batch_size=16, dropout=0.1, epochs=60
)


def pairs(tiny: Any, *, in_part: bool = False) -> Any:
    """Return 64 molecules whose two profiles follow from their groups; perhaps in part."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 8, 6))
    values = np.array([first[i // 8] + second[i % 8] for i in range(64)])
    observed = rng.random((64, 6)) < 0.8 if in_part else np.ones(64, dtype=bool)
    seen = observed if in_part else observed[:, None]
    block = MatrixBlock(np.where(seen, 7 + 2 * values, np.nan), observed)
    other = MatrixBlock(rng.normal(size=(64, 3)), rng.random(64) < 0.5)
    return replace(tiny.atlas(), blocks={"morphology": other, "expression": block})


@pytest.mark.parametrize("in_part", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("name", [pytest.param("chmr", marks=pytest.mark.slow), "cells.regressor"])
def test_what_it_learnt_ranks_profiles(tiny: Any, home: Path, name: str, in_part: bool) -> None:
    config = tiny.config(epochs=25, dropout=0.0, latent_dropout=0.1, sca_weight=10.0)
    model = ChmrMatcher(config) if name == "chmr" else RegressorMatcher(REGRESSOR)
    known = pairs(tiny, in_part=in_part)
    molecules = featurised(known.smiles, model.needs(model.config), known.keys)
    model.fit_pairs(molecules, known, CONTEXT)
    similarity = model.score(molecules, "expression", known.blocks["expression"])
    assert similarity.shape == (64, 64)
    assert np.isfinite(similarity).all()
    mrr = retrieval_scores(ranks_of(similarity, np.arange(64)))[3]
    assert mrr.low > 2 * mrr.chance

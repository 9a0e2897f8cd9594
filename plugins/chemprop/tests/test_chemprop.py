"""The promises every model keeps, in chemprop's own environment; and that it learns."""

from __future__ import annotations

import os

import numpy as np
import pytest
from chmr_bench_chemprop.config import ChempropConfig
from chmr_bench_chemprop.plugin import PYTHON, chmr_bench_models

from chmr_bench import FitContext, Inputs, TaskInfo
from chmr_bench.interpreters import RemoteModel
from chmr_bench.testing import check_model, check_registration

ONE, THREE = chmr_bench_models()
SMALL = {"epochs": 2, "depth": 2, "message_hidden_dim": 16, "ffn_hidden_dim": 16}
needs_chemprop = pytest.mark.skipif(
    not os.environ.get(PYTHON), reason=f"{PYTHON} names no environment with chemprop"
)


def test_registration_is_light() -> None:
    check_registration("chmr_bench_chemprop.plugin")


@needs_chemprop
@pytest.mark.parametrize("spec", [ONE, THREE], ids=lambda spec: spec.name)
def test_they_keep_the_promises(spec: object) -> None:
    check_model(spec, SMALL)


@needs_chemprop
def test_it_learns_eight_molecules_by_heart() -> None:
    smiles = ("CCO", "CCN", "c1ccccc1", "CC(=O)O", "C", "CCCl", "c1ccncc1", "CC#N")
    inputs, y = Inputs(smiles), np.random.default_rng(0).normal(3.0, 2.0, (8, 2))
    y[1, 0] = np.nan
    model = RemoteModel(ONE, ChempropConfig(epochs=300, max_lr=3e-3, final_lr=1e-3))
    model.fit(inputs, y, inputs, y, FitContext(TaskInfo("regression", ("a", "b"), "mae")))
    assert np.nanmean(np.abs(model.predict(inputs) - y)) < 0.2
    model.close()

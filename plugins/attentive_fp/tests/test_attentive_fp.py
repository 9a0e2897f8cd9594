"""The promises every model keeps, and that it learns."""

from __future__ import annotations

import numpy as np
from chmr_bench_attentive_fp import AttentiveFP, AttentiveFPConfig, chmr_bench_models

from chmr_bench import FitContext, Inputs, TaskInfo
from chmr_bench.features.graphs import graph
from chmr_bench.testing import check_model, check_registration

EIGHT = ("CCO", "CCN", "c1ccccc1", "CC(=O)O", "C", "CCCl", "c1ccncc1", "CC#N")


def test_it_keeps_the_promises() -> None:
    (spec,) = chmr_bench_models()
    check_model(spec, {"hidden": 8, "layers": 1, "timesteps": 1, "epochs": 3})


def test_registration_is_light() -> None:
    check_registration("chmr_bench_attentive_fp")


def test_it_learns_eight_molecules_by_heart() -> None:
    inputs = Inputs(EIGHT, {"graph": graph(EIGHT)})
    y = np.random.default_rng(0).normal(3.0, 2.0, (8, 2))
    y[1, 0] = np.nan
    config = AttentiveFPConfig(hidden=32, dropout=0.0, learning_rate=1e-2, patience=100)
    model = AttentiveFP(config)
    model.fit(inputs, y, inputs, y, FitContext(TaskInfo("regression", ("a", "b"), "mae")))
    assert np.nanmean(np.abs(model.predict(inputs) - y)) < 0.1

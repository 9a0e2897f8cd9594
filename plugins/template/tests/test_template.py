"""The promises every model keeps, and one of our own."""

from __future__ import annotations

import numpy as np
from chmr_bench_template.model import Ridge, RidgeConfig
from chmr_bench_template.plugin import RIDGE

from chmr_bench import FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.testing import check_model, check_registration


def test_it_keeps_the_promises() -> None:
    check_model(RIDGE)


def test_registration_is_light() -> None:
    check_registration("chmr_bench_template.plugin")


def test_it_finds_the_bit_that_matters() -> None:
    bits = np.eye(8)
    inputs = Inputs(("C",) * 8, {"bits": MatrixBlock(bits, np.ones(8, dtype=bool))})
    y = 5.0 * bits[:, [3]]
    model = Ridge(RidgeConfig(alpha=1e-6))
    model.fit(inputs, y, inputs, y, FitContext(TaskInfo("regression", ("a",), "mae")))
    np.testing.assert_allclose(model.predict(inputs), y, atol=1e-4)

"""Which tasks can be learned, what the others get, and work spread over threads."""

from __future__ import annotations

import time

import numpy as np
import pytest

from chmr_bench import FitContext, TaskInfo
from chmr_bench.tasks import LabelScale, constants, fill_constants, learnable, over_threads

NAN = np.nan
Y = np.array([[1.0, NAN, 0.0, 2.0], [0.0, NAN, 0.0, NAN], [NAN, NAN, 0.0, 5.0]])


def context(n_jobs: int = 2, seen: list[int] | None = None) -> FitContext:
    def progress(done: int, total: int, unit: str) -> None:
        if seen is not None:
            seen.append(done)

    info = TaskInfo("classification", ("a",), "roc_auc")
    return FitContext(info, n_jobs=n_jobs, progress=progress)


@pytest.mark.parametrize(
    ("unit", "offset"), [(1.0, 0.0), (3.0, -200.0), (1e-3, 1e6), (1e38, 0.0), (1e-170, 0.0)]
)
def test_labels_of_an_odd_offset_or_unit_are_scaled_and_others_left_alone(
    unit: float, offset: float
) -> None:
    y = np.random.default_rng(0).standard_normal((50, 2)) * unit + offset
    y[::3, 0] = NAN
    scale = LabelScale.of(y, "regression")
    scaled = scale.scaled(y)
    if (unit, offset) in {(1.0, 0.0), (3.0, -200.0)}:
        assert scaled is y
    else:
        np.testing.assert_allclose(np.nanstd(scaled, axis=0), 1.0)
        np.testing.assert_allclose(np.nanmean(scaled, axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(scale.restored(scaled), y, rtol=1e-14)
    assert LabelScale.of(y, "classification").scaled(y) is y


def test_a_task_is_learnable_with_two_different_labels() -> None:
    found = learnable(Y)
    assert [task.task for task in found] == [0, 3]
    np.testing.assert_array_equal(found[1].rows, [0, 2])
    np.testing.assert_array_equal(found[1].y, [2.0, 5.0])


def test_constants_are_means_of_what_was_measured() -> None:
    np.testing.assert_array_equal(constants(Y, "classification"), [0.5, 0.5, 0.0, 3.5])
    np.testing.assert_array_equal(constants(Y, "regression"), [0.5, 0.0, 0.0, 3.5])
    assert fill_constants(constants(Y, "regression"), 0).shape == (0, 4)


def test_results_come_in_the_order_of_the_items() -> None:
    seen: list[int] = []
    assert over_threads(lambda i: i * i, range(20), context(4, seen)) == [i * i for i in range(20)]
    assert seen == list(range(21))
    assert over_threads(lambda i: i, [], context()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_first_error_stops_what_has_not_begun(error: type[BaseException]) -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise error("no")
        time.sleep(0.01)

    with pytest.raises(error, match="no"):
        over_threads(work, range(1000), context(1))
    assert len(begun) < 1000

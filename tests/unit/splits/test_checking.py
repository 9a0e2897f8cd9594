"""A split that is none is refused, with the row that shows it."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import splits
from chmr_bench.contracts import Split
from chmr_bench.errors import DataError


def rows(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(rows(0, 1), rows(), rows(2)), "valid is empty"),
        (Split(rows(0, 1), rows(2), rows(2)), "1 rows are in two parts, the first is row 2"),
        (Split(rows(0, 1), rows(2), rows(9)), "test holds row 9, expected 0 to 3"),
        (Split(rows(-1, 1), rows(2), rows(3)), "train holds row -1"),
        (Split(rows(1, 0), rows(2), rows(3)), "train: rows are not ascending"),
        (Split(rows(0, 0), rows(2), rows(3)), "train: rows are not ascending, or one stands twice"),
        (Split(rows(0), rows(2), rows(3)), "1 of 4 rows are in no part, the first is row 1"),
        (Split(np.array([0.5]), rows(2), rows(3)), "expected an array of row numbers"),  # type: ignore[arg-type]
        (Split([0, 1], rows(2), rows(3)), r"train: expected an array .*, got \[0, 1\]"),  # type: ignore[arg-type]
        (None, "expected a Split, got NoneType"),
    ],
)
def test_a_bad_split_is_refused(split: Split, message: str) -> None:
    with pytest.raises(DataError, match=message):
        splits.check_split(split, 4)


def test_a_good_split_passes() -> None:
    splits.check_split(Split(rows(0, 3), rows(1), rows(2)), 4)

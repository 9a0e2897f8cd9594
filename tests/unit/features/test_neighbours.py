"""Nearest molecules are found once for the same bits, and never taken from a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.errors import SettingError
from chmr_bench.features import neighbours
from chmr_bench.features.neighbours import kept_nearest
from chmr_bench.features.tanimoto import Neighbours, nearest

BITS = np.random.default_rng(0).random((60, 100)) < 0.2


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the molecules of every search."""
    seen: list[int] = []

    def counted(words: Any, k: int, **options: Any) -> Neighbours:
        seen.append(len(words))
        return nearest(words, k, **options)

    monkeypatch.setattr(neighbours, "nearest", counted)
    return seen


def same(found: Neighbours, expected: Neighbours) -> None:
    for name in ("rows", "similarity"):
        values, wanted = getattr(found, name), getattr(expected, name)
        assert values.dtype == wanted.dtype
        np.testing.assert_array_equal(values, wanted)


def test_the_same_bits_are_searched_once(tmp_path: Path, searches: list[int]) -> None:
    for _ in range(2):
        same(kept_nearest(BITS, 5, tmp_path, n_jobs=1), nearest(BITS, 5))
    assert searches == [60]
    same(kept_nearest(BITS, 4, tmp_path), nearest(BITS, 4))
    same(kept_nearest(BITS[:59], 5, tmp_path), nearest(BITS[:59], 5))
    same(kept_nearest(~BITS, 5, tmp_path), nearest(~BITS, 5))
    assert searches == [60, 60, 59, 60]


def test_a_damaged_file_is_not_read(tmp_path: Path, searches: list[int]) -> None:
    kept_nearest(BITS, 5, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    same(kept_nearest(BITS, 5, tmp_path), nearest(BITS, 5))
    assert searches == [60, 60]
    kept_nearest(BITS, 5, tmp_path)
    assert searches == [60, 60]


def test_a_folder_that_cannot_be_written_costs_time_alone(
    tmp_path: Path, searches: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):
        same(kept_nearest(BITS, 5, tmp_path / "file"), nearest(BITS, 5))
    assert searches == [60, 60]
    assert "not kept" in caplog.text


def test_no_neighbours_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="expected 1 or more"):
        kept_nearest(BITS, 0, tmp_path)

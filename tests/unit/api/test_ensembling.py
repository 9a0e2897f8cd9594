"""Which stored runs an ensemble is made of."""

from __future__ import annotations

import pandas as pd
import pytest

from chmr_bench.api.ensembling import _members, _on_split, left_out_words
from chmr_bench.errors import UnknownNameError

Seeds = list[int | None]


def table(rows: dict[str, Seeds]) -> pd.DataFrame:
    cells = [(row, seed, f"{row} {seed}") for row, seeds in rows.items() for seed in seeds]
    return pd.DataFrame(cells, columns=["row", "seed", "stored"], dtype=object).assign(dataset="d")


@pytest.mark.parametrize(
    ("rows", "seeds", "left_out"),
    [
        ({"a": [0, 1, 2], "b": [0, 1, 2], "c": [0, 1]}, (0, 1, 2), ["c"]),
        ({"a": [0, 1, 2], "b": [0, 1]}, (0, 1), []),  # no majority has seed 2
        ({"a": [0, 1], "fixed": [None]}, (0, 1), []),
        ({"fixed": [None], "other": [None]}, (None,), []),
    ],
)
def test_seeds_that_most_rows_have(
    rows: dict[str, Seeds], seeds: tuple[int | None, ...], left_out: list[str]
) -> None:
    members, without = _members(table(rows))
    assert members is not None
    assert members.seeds == seeds
    assert list(without) == [(row, "d") for row in left_out]
    assert set(members.rows) == {row for row in rows if row not in left_out}
    for row, runs in members.rows.items():
        own = rows[row]
        assert list(runs) == [f"{row} {None if None in own else seed}" for seed in seeds]


@pytest.mark.parametrize("rows", [{"a": [0], "b": [1]}, {"a": [0, 1]}, {"fixed": [None]}])
def test_no_ensemble_of_fewer_than_two_rows(rows: dict[str, Seeds]) -> None:
    assert _members(table(rows))[0] is None


def test_without_a_split_it_is_each_datasets_own() -> None:
    runs = pd.DataFrame(
        [("bace", "reference"), ("bace", "strict"), ("mine", "scaffold")],
        columns=["dataset", "split"],
    )
    assert [*_on_split(runs, "")] == [True, False, True]
    assert [*_on_split(runs, "strict")] == [False, True, False]
    assert not any(_on_split(runs, "random"))
    with pytest.raises(UnknownNameError, match="did you mean 'scaffold'"):
        _on_split(runs, "scafold")


def test_what_is_left_out_is_said_with_its_datasets() -> None:
    why = {("a", "bace"): "too few", ("a", "hiv"): "too few", ("b", "hiv"): "labels"}
    assert left_out_words(why) == ["a (bace, hiv): too few", "b (hiv): labels"]

"""Groups poured into parts: the published rule, and what holds for any groups."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chmr_bench import splits
from chmr_bench.types import PARTS


def test_groups_are_in_first_seen_order() -> None:
    assert splits.group_by_scaffold(["b", "a", "b", ""]) == [[0, 2], [1], [3]]


def test_pouring_follows_the_published_rule() -> None:
    # 10 rows: limits 8 and 9. Sizes 5, 3, 1, 1: of equal sizes the later first row comes first.
    split = splits.pour_balanced([[0, 1, 2, 3, 4], [5, 6, 7], [8], [9]])
    assert [split.part(p).tolist() for p in PARTS] == [[0, 1, 2, 3, 4, 5, 6, 7], [9], [8]]


def test_a_group_too_large_for_train_goes_on_to_test() -> None:
    split = splits.pour_balanced([[0, 1, 2, 3, 4, 5, 6, 7, 8], [9]])
    assert split.test.tolist() == []
    assert split.valid.tolist() == list(range(9))
    assert split.train.tolist() == [9]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=120))
def test_pouring_keeps_every_family_in_one_part(families: list[int]) -> None:
    split = splits.pour_balanced(splits.group_by_scaffold([str(f) for f in families]))
    parts = [{families[i] for i in split.part(p)} for p in PARTS]
    assert sum(map(len, parts)) == len(set(families))
    assert sum(split.part(p).size for p in PARTS) == len(families)
    assert split.train.size <= 0.8 * len(families)

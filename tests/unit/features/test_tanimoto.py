"""Exact neighbours by Tanimoto similarity, against all pairs one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.errors import DataError, SettingError
from chmr_bench.features import tanimoto
from chmr_bench.features.tanimoto import bit_counts, nearest, packed

EMPTY, TWIN, OTHER_TWIN = 3, 5, 9


def random_bits(n: int, d: int = 200, seed: int = 0) -> Any:
    """Return (n, d) bits of very different density, with an empty row and two twins."""
    rng = np.random.default_rng(seed)
    bits = rng.random((n, d)) < rng.uniform(0.01, 0.4, (n, 1))
    bits[EMPTY], bits[TWIN] = False, bits[OTHER_TWIN]
    return bits


def by_hand(bits: Any, queries: Any, k: int, *, own: bool) -> Any:
    """Return rows and similarities from the definition, ties by the lower row."""
    rows, values = np.full((len(queries), k), -1), np.zeros((len(queries), k))
    for i, query in enumerate(queries):
        found = (bits & query).sum(axis=1) / np.maximum((bits | query).sum(axis=1), 1)
        good = found > 0
        if own:
            good[i] = False
        best = sorted(np.flatnonzero(good).tolist(), key=lambda j: (-found[j], j))[:k]
        rows[i, : len(best)], values[i, : len(best)] = best, found[best]
    return rows, values


def same(found: tanimoto.Neighbours, expected: Any) -> None:
    np.testing.assert_array_equal(found.rows, expected[0])
    np.testing.assert_allclose(found.similarity, expected[1], rtol=1e-6)


@pytest.mark.parametrize(("n", "k"), [(10, 3), (700, 1), (700, 12), (30, 40)])
def test_neighbours_are_exact(n: int, k: int) -> None:
    bits = random_bits(n)
    found = nearest(bits, k)
    same(found, by_hand(bits, bits, k, own=True))
    assert (found.rows.dtype, found.similarity.dtype) == (np.int32, np.float32)


@pytest.mark.parametrize("block", [1, 16, 100])
def test_blocks_that_are_left_out_hold_nothing_nearer(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tanimoto, "BLOCK", block)
    bits = random_bits(500)
    same(nearest(bits, 5), by_hand(bits, bits, 5, own=True))


def test_ties_go_to_the_lower_row() -> None:
    bits = random_bits(600, d=12)  # hardly a pair is not tied
    same(nearest(bits, 7), by_hand(bits, bits, 7, own=True))


def test_a_twin_is_the_first_neighbour_and_an_empty_row_has_none() -> None:
    found = nearest(random_bits(700), 4)
    assert found.rows[TWIN, 0] == OTHER_TWIN
    assert found.similarity[TWIN, 0] == 1
    assert (found.rows[EMPTY] == -1).all()
    assert (found.similarity[EMPTY] == 0).all()
    assert not (found.rows == EMPTY).any()


def test_other_molecules_can_ask_and_find_themselves() -> None:
    bits, queries = random_bits(500), random_bits(40, seed=1)
    for asked in (queries, bits[:300]):
        same(nearest(bits, 6, queries=asked), by_hand(bits, asked, 6, own=False))


def test_threads_and_the_form_of_the_bits_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bits = random_bits(500)
    monkeypatch.setattr(tanimoto, "CHUNK", 64)
    monkeypatch.setattr(tanimoto, "_PACK_ROWS", 99)
    seen: list[tuple[int, int, str]] = []
    one = nearest(bits, 5, n_jobs=1, progress=lambda *what: seen.append(what))
    assert seen[-1] == (500, 500, "molecules")
    counts = sparse.csr_array(bits.astype(np.uint16) * 3)
    for form in (packed(bits), counts, bits.astype(np.uint8)):
        two = nearest(form, 5, n_jobs=3)
        np.testing.assert_array_equal(one.rows, two.rows)
        np.testing.assert_array_equal(one.similarity, two.similarity)


def test_bits_are_packed_lowest_first() -> None:
    bits = np.zeros((2, 130), dtype=bool)
    bits[1, [0, 63, 64, 129]] = True
    words = packed(bits)
    assert words.tolist() == [[0, 0, 0], [1 | 1 << 63, 1, 2]]
    assert bit_counts(words).tolist() == [0, 4]


def test_the_matrix_holds_every_similarity() -> None:
    found = nearest(random_bits(60), 4)
    dense = found.matrix(60).toarray()
    i, j = 20, 2
    assert dense[i, found.rows[i, j]] == found.similarity[i, j]
    assert (dense > 0).sum() == (found.rows >= 0).sum()


def test_no_molecules_no_neighbours() -> None:
    assert nearest(np.zeros((0, 64), dtype=bool), 3).rows.shape == (0, 3)
    none = nearest(np.zeros((0, 64), dtype=bool), 3, queries=np.ones((2, 64), dtype=bool))
    assert (none.rows == -1).all()


def test_what_does_not_fit_is_named() -> None:
    bits = random_bits(10)
    with pytest.raises(SettingError, match="is 0; expected 1"):
        nearest(bits, 0)
    with pytest.raises(DataError, match=r"2 words of 64 bits, .* 4; compute both"):
        nearest(bits, 1, queries=bits[:, :100])

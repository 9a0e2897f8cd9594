"""Similarity edges within groups, against all pairs one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chmr_bench.cells.similarity import (
    LARGEST,
    SparsityRule,
    clusters,
    kmeans,
    unit_rows,
    within_clusters,
    within_groups,
)
from chmr_bench.features.tanimoto import packed

N = 90


def families(seed: int = 0) -> tuple[Any, list[str]]:
    """Return bits of three scaffolds whose molecules differ in few bits, and the scaffolds."""
    rng = np.random.default_rng(seed)
    cores = rng.random((3, 150)) < 0.25
    which = np.arange(N) % 3
    bits = cores[which] ^ (rng.random((N, 150)) < rng.uniform(0, 0.1, (N, 1)))
    return bits, [f"scaffold {i}" for i in which]


def pairs_by_hand(bits: Any, names: list[str]) -> dict[tuple[int, int], float]:
    return {
        (i, j): float((bits[i] & bits[j]).sum() / (bits[i] | bits[j]).sum())
        for i in range(N)
        for j in range(i + 1, N)
        if names[i] == names[j]
    }


def as_pairs(edges: Any) -> dict[tuple[int, int], float]:
    ends = zip(edges.sources.tolist(), edges.targets.tolist(), edges.weights.tolist(), strict=True)
    return {(min(a, b), max(a, b)): weight for a, b, weight in ends}


@pytest.mark.parametrize(("sparsity", "expected"), [(0.5, 0.80), (0.97, None), (1.0, 0.99)])
def test_pairs_of_a_scaffold_above_the_searched_threshold(
    sparsity: float, expected: float | None
) -> None:
    bits, names = families()
    bits[3] = bits[0]  # twins: even the highest threshold leaves a pair
    rule = SparsityRule(sparsity=sparsity, most=N)
    found = within_groups(packed(bits), names, rule, n_jobs=2)
    pairs = pairs_by_hand(bits, names)
    enough = [
        t for t in rule.grid() if sum(v >= t for v in pairs.values()) <= (1 - sparsity) * len(pairs)
    ]
    assert found.threshold == (enough[0] if enough else 0.99)
    assert expected is None or found.threshold == pytest.approx(expected)
    kept = {pair: value for pair, value in pairs.items() if value >= found.threshold}
    assert as_pairs(found) == pytest.approx(kept)


def test_a_node_keeps_its_strongest_edges() -> None:
    bits, names = families()
    rule = SparsityRule(lowest=0.5, sparsity=0.0, most=4)
    found = within_groups(packed(bits), names, rule)
    pairs = pairs_by_hand(bits, names)
    for i in range(N):
        values = sorted((v for pair, v in pairs.items() if i in pair and v >= 0.5), reverse=True)
        mine = sorted(found.weights[found.sources == i].tolist(), reverse=True)
        assert mine == pytest.approx(values[:4])


def test_threads_change_nothing() -> None:
    bits, names = families()
    one, two = (within_groups(packed(bits), names, SparsityRule(), n_jobs=i) for i in (1, 3))
    np.testing.assert_array_equal(one.sources, two.sources)
    np.testing.assert_array_equal(one.targets, two.targets)


def profiles(d: int = 20) -> Any:
    """Return rows around three directions, far from the origin and on unlike scales."""
    rng = np.random.default_rng(0)
    rows = 3 * rng.normal(size=(3, d))[np.arange(N) % 3] + rng.normal(size=(N, d))
    return (rows * np.geomspace(0.01, 100, d) + 1000).astype(np.float64)


def test_unit_rows_are_standardised() -> None:
    values = profiles()
    values[:, 4] = 7.0
    values[11, 2] = np.nan
    rows = np.arange(0, N, 2) + 1
    unit = unit_rows(values, rows)
    part = values[rows]
    z = (part - np.nanmean(part, axis=0)) / np.where(part.std(axis=0) == 0, 1, np.nanstd(part, 0))
    z = np.nan_to_num(z)
    np.testing.assert_allclose(unit, z / np.linalg.norm(z, axis=1)[:, None], atol=1e-4)


def test_profiles_of_one_cluster_are_linked_by_cosine() -> None:
    values, observed = profiles(), np.arange(N) % 5 > 0
    values[~observed] = np.nan
    rule = SparsityRule(sparsity=0.5, most=N)
    found = within_clusters(values, observed, rule, N, np.random.default_rng(0))  # one cluster
    unit = np.zeros((N, 20))
    unit[observed] = unit_rows(values, np.flatnonzero(observed))
    cosine = np.triu(unit @ unit.T, 1)
    i, j = np.nonzero(cosine >= found.threshold)
    assert as_pairs(found) == pytest.approx(
        {(int(a), int(b)): cosine[a, b] for a, b in zip(i, j, strict=True)}, rel=1e-4
    )
    assert (np.array(list(as_pairs(found))) % 3).std(axis=1).max() == 0  # within a direction


def test_clusters_hold_every_row_once_and_none_is_too_large() -> None:
    rng = np.random.default_rng(0)
    unit = unit_rows(np.r_[rng.normal(size=(300, 8)), np.ones((200, 8))], np.arange(500))
    parts = list(clusters(unit, 20, np.random.default_rng(1)))
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    assert max(map(len, parts)) <= LARGEST * 20
    again = list(clusters(unit, 20, np.random.default_rng(1)))
    assert [part.tolist() for part in parts] == [part.tolist() for part in again]


def test_kmeans_finds_directions_that_are_there() -> None:
    values = profiles()
    labels = kmeans(unit_rows(values, np.arange(N)), 3, np.random.default_rng(2))
    for direction in range(3):
        counts = np.bincount(labels[np.arange(N) % 3 == direction], minlength=3)
        assert (counts > 0).sum() == 1

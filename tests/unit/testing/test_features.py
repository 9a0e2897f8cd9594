"""check_feature finds each broken promise."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chmr_bench import FeatureSpec, GraphBlock, MatrixBlock, PluginError
from chmr_bench.testing import check_feature

calls = itertools.count()


def lengths(smiles: Sequence[str], scale: float = 1.0) -> MatrixBlock:
    values = np.array([[len(s) * scale] for s in smiles])
    return MatrixBlock(values, np.ones(len(smiles), dtype=bool), ("length",))


def no_block(smiles: Sequence[str], scale: float = 1.0) -> Any:
    return [len(s) for s in smiles]


def centred(smiles: Sequence[str], scale: float = 1.0) -> MatrixBlock:
    block = lengths(smiles, scale)
    return MatrixBlock(block.values - block.values.mean(), block.observed)


def counting(smiles: Sequence[str], scale: float = 1.0) -> MatrixBlock:
    block = lengths(smiles, scale)
    return MatrixBlock(block.values + next(calls), block.observed)


def short(smiles: Sequence[str], scale: float = 1.0) -> MatrixBlock:
    block = lengths(smiles, scale)
    return MatrixBlock(block.values[1:], block.observed)


def infinite(smiles: Sequence[str], scale: float = 1.0) -> MatrixBlock:
    return lengths(smiles, np.inf)


def unobserved(smiles: Sequence[str], scale: float = 1.0) -> MatrixBlock:
    return MatrixBlock(lengths(smiles).values, np.zeros(len(smiles), dtype=bool))


def misnamed(smiles: Sequence[str], scale: float = 1.0) -> MatrixBlock:
    block = lengths(smiles)
    return MatrixBlock(block.values, block.observed, ("a", "b"))


def greedy(smiles: Sequence[str], scale: float = 1.0, **others: Any) -> MatrixBlock:
    return lengths(smiles, scale)


def settingless(smiles: Sequence[str]) -> MatrixBlock:
    return lengths(smiles)


def stray_edge(smiles: Sequence[str], scale: float = 1.0) -> GraphBlock:
    n = len(smiles)
    offsets = np.arange(n + 1, dtype=np.int64)
    return GraphBlock(
        atoms=np.zeros((n, 9), dtype=np.int64),
        bonds=np.zeros((n, 3), dtype=np.int64),
        edges=np.ones((2, n), dtype=np.int64),
        atom_offsets=offsets,
        bond_offsets=offsets,
        observed=np.ones(n, dtype=bool),
    )


def spec_of(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any]) -> FeatureSpec:
    module = ModuleType("toys")
    monkeypatch.setattr(module, "compute", function, raising=False)
    monkeypatch.setitem(sys.modules, "toys", module)
    return FeatureSpec("toy", "A toy", "toys:compute", {"scale": 2.0}, depends=())


def test_an_honest_feature_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    check_feature(spec_of(monkeypatch, lengths))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_block, "expected a block"),
        (centred, "among other molecules"),
        (counting, "two results"),
        (short, r"expected \(72, d\)"),
        (infinite, "infinite"),
        (unobserved, "no molecule of the sample"),
        (misnamed, "2 names for 1 columns"),
        (greedy, "does not name"),
        (settingless, "cannot be called"),
        (stray_edge, "outside its own molecule"),
    ],
)
def test_a_broken_promise_is_named(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], words: str
) -> None:
    with pytest.raises(PluginError, match=words):
        check_feature(spec_of(monkeypatch, function))

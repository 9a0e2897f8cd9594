"""Test molecules of one dataset in what else a model may have learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench.contracts import connectivity_hash
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.types import BoolArray


@dataclass(frozen=True)
class Overlap:
    """Test rows of one dataset that are molecules of another's training rows, in any form."""

    test_of: str
    train_of: str
    test_rows: int
    shared_rows: int

    @property
    def share(self) -> float:
        """Return the shared rows among all test rows, from 0 to 1."""
        return self.shared_rows / self.test_rows


@dataclass(frozen=True)
class Pretraining:
    """Test rows of a dataset among the molecules that weights learnt from, without labels.

    Attributes
    ----------
    weights : str
        Which weights.
    learnt_from : int
        Number of molecules they learnt from.
    """

    weights: str
    dataset: str
    learnt_from: int
    test_rows: int
    seen_rows: int

    @property
    def share(self) -> float:
        """Return the seen rows among all test rows, from 0 to 1."""
        return self.seen_rows / self.test_rows


def overlaps(
    test: Mapping[str, MoleculeKeys], train: Mapping[str, MoleculeKeys]
) -> tuple[Overlap, ...]:
    """Return an overlap a pair of datasets, its own training rows among them.

    Parameters
    ----------
    test, train : Mapping[str, MoleculeKeys]
        Dataset -> its test rows, and its training rows.
    """
    return tuple(
        Overlap(one, other, len(rows), int(rows.among(known).sum()))
        for one, rows in test.items()
        for other, known in train.items()
    )


def pretraining(
    weights: str, seen: Any, learnt_from: int, test: Mapping[str, MoleculeKeys]
) -> tuple[Pretraining, ...]:
    """Return how many test rows of each dataset weights have learnt from.

    Parameters
    ----------
    seen : Any
        (k,) uint64 of `connectivity_hash`.
    learnt_from : int
        Molecules that these are the keys of.
    test : Mapping[str, MoleculeKeys]
        Dataset -> its test rows.
    """
    return tuple(
        Pretraining(weights, name, learnt_from, len(rows), int(was_seen(rows, seen).sum()))
        for name, rows in test.items()
    )


def was_seen(molecules: MoleculeKeys, seen: Any) -> BoolArray:
    """Return which molecules, (n,), have a key or a parent's key among those learnt from.

    Parameters
    ----------
    seen : Any
        (k,) uint64 of `connectivity_hash`.
    """
    found = np.zeros(len(molecules), dtype=np.bool_)
    for names in (molecules.keys, molecules.parents):
        named = np.array([bool(name) for name in names], dtype=np.bool_)
        found |= named & np.isin(connectivity_hash(names), seen)
    return found

"""Test molecules of one dataset in what else a model may have learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench.contracts import connectivity_hash


@dataclass(frozen=True)
class Overlap:
    """Test rows of one dataset whose connectivity stands in the training rows of another."""

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
    test: Mapping[str, Sequence[str]], train: Mapping[str, Sequence[str]]
) -> tuple[Overlap, ...]:
    """Return an overlap a pair of datasets, its own training rows among them.

    Parameters
    ----------
    test, train : Mapping[str, Sequence[str]]
        Dataset -> names of its test and of its training rows; "" is nobody's.
    """
    known = {name: set(rows) - {""} for name, rows in train.items()}
    return tuple(
        Overlap(one, other, len(rows), sum(row in seen for row in rows))
        for one, rows in test.items()
        for other, seen in known.items()
    )


def pretraining(
    weights: str, seen: Any, test: Mapping[str, Sequence[str]]
) -> tuple[Pretraining, ...]:
    """Return how many test rows of each dataset weights have learnt from.

    Parameters
    ----------
    seen : Any
        (k,) uint64 of `connectivity_hash`.
    test : Mapping[str, Sequence[str]]
        Dataset -> connectivity keys of its test rows; "" is not looked for.
    """
    per_dataset = []
    for name, keys in test.items():
        hashes = connectivity_hash([key for key in keys if key])
        count = int(np.isin(hashes, seen).sum())
        per_dataset.append(Pretraining(weights, name, len(seen), len(keys), count))
    return tuple(per_dataset)

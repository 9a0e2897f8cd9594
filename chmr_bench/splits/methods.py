"""The split methods by name, and how each is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chmr_bench.contracts import Dataset, Split
from chmr_bench.errors import DataError, SettingError, UnknownNameError
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.splits.assignment import (
    FRACTIONS,
    ascending,
    group_by_scaffold,
    pour_balanced,
)
from chmr_bench.splits.checks import check_split
from chmr_bench.splits.grouped import check_fold, molecule_names, repeated_fold, strict_split
from chmr_bench.splits.scaffolds import kept_to, scaffold_smiles

SplitRule: TypeAlias = Callable[[Dataset], Split]

DEEPCHEM_PREFIX = "deepchem:"
DRAWN = ("strict", "random", "cv5x5")
KEYED = ("strict", "cv5x5")
"""Methods that keep together the rows of one molecule."""


def methods() -> dict[str, str]:
    """Return the split methods and what each does; deepchem's splitters stand as one line each."""
    from chmr_bench.data.deepchem_bridge import SPLITTERS

    titles = {
        "reference": "as published for the dataset, or as a column of your table says (--parts)",
        "scaffold": "whole Bemis-Murcko families, the largest to train (OGB's rule)",
        "strict": "no molecule in any form, no flat scaffold in two parts; 80/10/10, seeded",
        "random": "molecules at random, seeded",
        "cv5x5": "5 x 5 folds by molecule, 70/10/20; split seed = 5 x repeat + fold, 0 to 24",
    }
    return titles | {DEEPCHEM_PREFIX + s.name: s.title for s in SPLITTERS.values()}


def depends_on_seed(method: str) -> bool:
    """Return whether another seed gives another split."""
    from chmr_bench.data.deepchem_bridge import SPLITTERS

    splitter = SPLITTERS.get(method.removeprefix(DEEPCHEM_PREFIX))
    if method.startswith(DEEPCHEM_PREFIX):
        return splitter is not None and splitter.seeded
    return method in DRAWN


def check_method(method: str) -> None:
    """Raise UnknownNameError where no split method has that name."""
    known = methods()
    if method not in known:
        deepchem = {name for name in known if name.startswith(DEEPCHEM_PREFIX)}
        own = {*known} - deepchem | {f"{DEEPCHEM_PREFIX}NAME"}
        raise UnknownNameError(
            "split", method, deepchem if method.startswith(DEEPCHEM_PREFIX) else own
        )


def check_seed(method: str, seed: int) -> None:
    """Raise SettingError where the method has no split of that seed, before any data are read."""
    if method == "cv5x5":
        check_fold(seed)


def needs_keys(method: str) -> bool:
    """Return whether `make_split` must be given the molecules' connectivity keys."""
    return method in KEYED


def make_split(
    method: str,
    dataset: Dataset,
    *,
    rule: SplitRule | None = None,
    seed: int = 0,
    keys: Sequence[str] | MoleculeKeys = (),
    n_jobs: int | None = None,
) -> Split:
    """Return the rows of train, valid and test: every row in exactly one part.

    Parameters
    ----------
    method : str
        ``reference``, ``scaffold``, ``strict``, ``random``, ``cv5x5`` or ``deepchem:NAME``; see
        `methods`.
    rule : SplitRule or None
        The dataset's reference rule, or None where it has none.
    seed : int
        Of the methods that draw (`depends_on_seed`); the same seed gives the same split on every
        platform for ``random``, ``strict`` and ``cv5x5``.
    keys : Sequence[str] or MoleculeKeys
        n connectivity keys, "" where none can be made; the dataset's own where it has some. Only
        where `needs_keys`. With the neutral parents, these need not be computed.
    n_jobs : int or None
        Worker processes for scaffolds and forms of molecules, the reference rule's too; None = all
        cores.

    Raises
    ------
    UnknownNameError
        No such method.
    UsageError
        ``reference`` without a rule.
    SettingError
        A seed of ``cv5x5`` above 24.
    DataError
        A part would be empty, or keys are needed and not given.
    """
    with kept_to(n_jobs):
        given = _SplitInputs(dataset, rule, seed, _named(keys, dataset), n_jobs)
        split = _split(method, given)
    try:
        check_split(split, len(dataset), complete=method != "reference")
    except DataError as error:
        raise DataError(f"split {method!r} of {len(dataset)} molecules: {error}") from error
    return split


@dataclass(frozen=True)
class _SplitInputs:
    dataset: Dataset
    rule: SplitRule | None
    seed: int
    keys: MoleculeKeys
    n_jobs: int | None

    def molecules(self) -> list[Sequence[str]]:
        """Return names at the two levels at which rows are one molecule."""
        from chmr_bench.features import cache

        smiles, keys = self.dataset.smiles, self.keys
        parents = keys.parents or cache.neutral_parent_keys(smiles, **self._where())
        return [molecule_names(smiles, keys.keys), parents]

    def families(self) -> list[Sequence[str]]:
        """Return names at the levels that a strict split keeps together beside `molecules`."""
        from chmr_bench.features import cache

        identities = cache.identities(self.dataset.smiles, **self._where())
        return [identities["parent"], identities["scaffold"]]

    def _where(self) -> dict[str, Any]:
        from chmr_bench import paths

        return {"n_jobs": self.n_jobs, "cache": paths.feature_folder()}


def _named(keys: Sequence[str] | MoleculeKeys, dataset: Dataset) -> MoleculeKeys:
    if isinstance(keys, MoleculeKeys):
        return keys
    return MoleculeKeys(tuple(keys) or dataset.keys, ())


def _split(method: str, given: _SplitInputs) -> Split:
    check_method(method)
    dataset, seed = given.dataset, given.seed
    if method.startswith(DEEPCHEM_PREFIX):
        return _deepchem(method.removeprefix(DEEPCHEM_PREFIX), dataset, seed)
    makers: Mapping[str, Callable[[], Split]] = {
        "reference": lambda: _reference(dataset, given.rule),
        "scaffold": lambda: pour_balanced(group_by_scaffold(scaffold_smiles(dataset.smiles))),
        "strict": lambda: strict_split(given.molecules() + given.families(), seed),
        "random": lambda: _random(len(dataset), seed),
        "cv5x5": lambda: repeated_fold(given.molecules(), seed),
    }
    return makers[method]()


def _reference(dataset: Dataset, rule: SplitRule | None) -> Split:
    if rule is None:
        raise SettingError(
            "this dataset has no reference split; choose --split scaffold, strict, random, cv5x5 "
            "or deepchem:NAME"
        )
    return rule(dataset)


def _random(n: int, seed: int) -> Split:
    """Cut a seeded permutation at the rounded-down shares; the rest is test."""
    rows = np.random.default_rng(seed).permutation(n)
    of_train, of_valid, _ = FRACTIONS
    first = math.floor(of_train * n)
    second = first + math.floor(of_valid * n)
    return Split(
        train=ascending(rows[:first]),
        valid=ascending(rows[first:second]),
        test=ascending(rows[second:]),
    )


def _deepchem(name: str, dataset: Dataset, seed: int) -> Split:
    from chmr_bench.data import deepchem_bridge

    train, valid, test = deepchem_bridge.split_rows(name, dataset, seed=seed)
    return Split(train=ascending(train), valid=ascending(valid), test=ascending(test))

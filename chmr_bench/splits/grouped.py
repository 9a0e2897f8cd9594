"""Splits that keep together whatever is one molecule: ``strict`` and ``cv5x5``.

What is drawn is drawn by hashing names, so a split does not depend on the version of numpy, nor on
the order of the rows.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.errors import DataError, SettingError
from chmr_bench.features.groups import molecule_groups
from chmr_bench.splits.assignment import FRACTIONS, ascending
from chmr_bench.types import IntArray

REPEATS, FOLDS = 5, 5
VALID_SHARE = 1 / 8
"""Of what a fold leaves: 70 % train, 10 % valid, 20 % test."""

LARGE = 0.01
"""A group of more than this share of all rows, and of two at least, is large."""

Order: TypeAlias = Sequence[int] | IntArray


def molecule_names(smiles: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Return what tells molecules apart: the connectivity, else the canonical SMILES.

    Parameters
    ----------
    keys : Sequence[str]
        n connectivity keys, "" where none can be made.

    Raises
    ------
    DataError
        There are no keys, or of another number of molecules.
    """
    if len(keys) != len(smiles):
        raise DataError(
            f"{len(keys)} connectivity keys for {len(smiles)} molecules; expected one each: pass "
            "keys=chmr_bench.features.cache.connectivity_keys(smiles) to make_split"
        )
    return [key or _canonical(text) for key, text in zip(keys, smiles, strict=True)]


def strict_split(levels: Sequence[Sequence[str]], seed: int) -> Split:
    """Return parts of which no two share a molecule, at any of several levels of what is one.

    Molecules that share a name at some level are one group, and so are those of groups that meet.
    Large groups (`LARGE`) come first, the largest ahead: to test or to valid with the probability
    that is the part's share, where that has room, else to train. The others then go in drawn order
    to test where they fit in what is left of its share, else to valid where they fit, else to
    train. So a molecule of a large family is tested about as often as any other, but for a family
    larger than the test part, which stays in train; and sizes are the nominal ones as far as groups
    allow: large groups fill what room is left in the end. A part that nothing fitted gets the
    smallest.

    The name "" is none, and shares nothing: a molecule without a ring has no scaffold. One group of
    all of them (1,956 of ToxCast's 8,576) would have nothing in common but the lack of a ring, and
    would always be in train.

    Parameters
    ----------
    levels : Sequence[Sequence[str]]
        n names each, equal where two rows are one at that level: `molecule_names` first, which
        every row has.

    Raises
    ------
    DataError
        There are fewer groups than parts.
    """
    group = molecule_groups(levels)
    _check_groups(group, 3, "no two parts of a strict split share a molecule or a scaffold")
    sizes = np.bincount(group)
    firsts, what = _first_names(levels[0], group), f"strict {seed}"
    _, of_valid, of_test = FRACTIONS
    n_valid, n_test = math.floor(of_valid * len(group)), math.floor(of_test * len(group))
    large = sizes > max(LARGE * len(group), 1)
    ends = {"test": of_test, "valid": of_test + of_valid}
    wanted: dict[int, str] = {}
    for g in np.flatnonzero(large).tolist():
        u = int.from_bytes(_hash(what, firsts[g])[:8], "big") / 2**64
        wanted[g] = next((part for part, end in ends.items() if u < end), "train")
    order = drawn(firsts, what)
    ordered = [*sorted(wanted, key=lambda g: (-sizes[g], firsts[g])), *order[~large[order]]]
    train, test, valid = _filled(group, ordered, {"test": n_test, "valid": n_valid}, wanted)
    return Split(train=train, valid=valid, test=test)


def repeated_fold(levels: Sequence[Sequence[str]], seed: int) -> Split:
    """Return one fold of 5 x 5-fold cross-validation: repeat ``seed // 5``, fold ``seed % 5``.

    The fold is test, an eighth of the rest valid. The five folds of a repeat are disjoint and hold
    every row; rows of one molecule are never in two of them. Molecules of many rows are dealt
    first, each to the fold with the fewest rows, so folds differ by a row where there are single
    ones.

    Parameters
    ----------
    levels : Sequence[Sequence[str]]
        n names each, equal where two rows are one molecule: `molecule_names` first.
    seed : int
        0 to 24.

    Raises
    ------
    SettingError
        Another seed.
    DataError
        There are fewer molecules than folds.
    """
    check_fold(seed)
    repeat, number = divmod(seed, FOLDS)
    group = molecule_groups(levels)
    _check_groups(group, FOLDS, "rows of one molecule are in one fold")
    firsts = _first_names(levels[0], group)
    fold = _dealt(group, drawn(firsts, f"cv5x5 repeat {repeat}"))
    test = fold == number
    order = drawn(firsts, f"cv5x5 repeat {repeat} fold {number} valid")
    in_test = test[group]
    n_valid = math.floor(VALID_SHARE * np.count_nonzero(~in_test))
    train, valid = _filled(group, [g for g in order if not test[g]], {"valid": n_valid})
    return Split(train=train, valid=valid, test=ascending(_where(in_test)))


def check_fold(seed: int) -> None:
    """Raise SettingError where `repeated_fold` has no fold of that seed."""
    if not 0 <= seed < REPEATS * FOLDS:
        raise SettingError(
            f"split seed {seed}: cv5x5 has 0 to {REPEATS * FOLDS - 1}; "
            "seed 7 is fold 2 of repeat 1 (both counted from 0)"
        )


def _check_groups(group: IntArray, n_needed: int, why: str) -> None:
    sizes = np.bincount(group)
    if len(sizes) < n_needed:
        groups = "1 group" if len(sizes) == 1 else f"{len(sizes)} groups"
        raise DataError(
            f"{groups}, the largest of {int(sizes.max())} rows; at least {n_needed} are needed: "
            f"{why}; choose another split"
        )


def drawn(names: Sequence[str], what: str) -> IntArray:
    """Return an order of the names that `what` alone draws: by the sha256 of both."""
    hashes = [_hash(what, name) for name in names]
    return np.array(sorted(range(len(names)), key=hashes.__getitem__), dtype=np.int64)


def _hash(what: str, name: str) -> bytes:
    return hashlib.sha256(f"{what}\n{name}".encode()).digest()


def _first_names(names: Sequence[str], group: IntArray) -> list[str]:
    """Return the first name by the alphabet of each group: no other group has it."""
    firsts: dict[int, str] = {}
    for name, g in zip(names, group.tolist(), strict=True):
        firsts[g] = min(name, firsts.get(g, name))
    return [firsts[g] for g in range(len(firsts))]


def _dealt(group: IntArray, order: Order) -> IntArray:
    """Return the fold of each group: the largest first, to the fold that has the fewest rows."""
    sizes = np.bincount(group)
    fold = np.zeros(len(sizes), dtype=np.int64)
    heap = [(0, number) for number in range(FOLDS)]
    for g in sorted(order, key=lambda g: -sizes[g]):
        rows, number = heap[0]
        fold[g] = number
        heapq.heapreplace(heap, (rows + int(sizes[g]), number))
    return fold


def _filled(
    group: IntArray,
    order: Order,
    rooms: Mapping[str, int],
    wanted: Mapping[int, str] = MappingProxyType({}),
) -> list[IntArray]:
    """Return the rows of train, then of each part of `rooms`, of the groups in `order`.

    A group goes to the part it is `wanted` in, if that has room, else to train; one that is not
    wanted anywhere to the first part that has room for it, else to train. What is in train then
    fills what room there still is.
    """
    sizes = np.bincount(group).tolist()
    left = dict(rooms)
    place: dict[str, list[int]] = {"train": [], **{part: [] for part in rooms}}

    def put(g: int, parts: Iterable[str]) -> None:
        part = next((p for p in parts if sizes[g] <= left.get(p, 0)), "train")
        place[part].append(g)
        if part in left:
            left[part] -= sizes[g]

    for g in order:
        put(g, [wanted[g]] if g in wanted else rooms)
    others, place["train"] = place["train"], []
    for g in others:  # where only large groups are left to fill a part with
        put(g, rooms)
    for part in rooms:
        if not place[part] and len(place["train"]) > 1:
            smallest = min(place["train"], key=sizes.__getitem__)
            place["train"].remove(smallest)
            place[part].append(smallest)
    return [ascending(_where(np.isin(group, groups))) for groups in place.values()]


def _where(chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> IntArray:
    return np.flatnonzero(chosen).astype(np.int64)


def _canonical(smiles: str) -> str:
    from rdkit import Chem

    from chmr_bench.features.molecules import parse

    return Chem.MolToSmiles(parse(smiles))

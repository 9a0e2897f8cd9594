"""Cell modalities masked on purpose, reproducibly: what is lost, by whom, and at which stage.

At random, what is masked depends on a molecule's connectivity, the modality and a seed alone, so
that every model and dataset loses the same. By every mechanism, what is masked at a rate is masked
at every higher one. The definitions are those of an experiment nobody had published, see
``docs/missing.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from chmr_bench.ablation.phenotype import any_observed, phenotype_rank
from chmr_bench.contracts import HeldRows, MatrixBlock, modality_of
from chmr_bench.errors import DataError, SettingError, UnknownNameError
from chmr_bench.types import BoolArray, FloatArray

Stage = Literal["pretrain", "finetune", "test"]
STAGES: tuple[Stage, ...] = ("pretrain", "finetune", "test")
WORLD = "world"
"""All stages at once: the world lacks what is masked."""
Mechanism = Literal["random", "scaffold", "asymmetric", "activity"]
"""``random``: each molecule on its own. ``scaffold``: whole scaffold families; a molecule without a
ring is its own family. ``asymmetric``: a molecule that is hit keeps at most one modality.
``activity``: the weakest phenotypes of a source first, not at random."""
Fill = Literal["none", "zero", "mean", "neighbour", "propagation"]
"""``none``: the model's own affair. ``mean``: of the observed. ``neighbour``: the mean of the
nearest observed molecules. ``propagation``: the neighbours' mean, passed on step by step (eq. 1).
"""
_SMILES = "smiles:"
"""What stands before the SMILES of a molecule without a connectivity."""


@dataclass(frozen=True)
class Missing:
    """One cell of the ablation: what is masked, where, and what is put in its place.

    Attributes
    ----------
    rate :
        Share of the observed entries that is masked, 0 to 1, on top of what is missing by
        nature. With ``asymmetric`` the share of molecules that are hit.
    stages :
        What lacks it: the atlas that is learnt from, the training and validation rows, the
        test rows.
    modalities :
        Those that are masked; none named = every one.
    seed :
        Of the draw.
    shuffled :
        Negative control: what is left is permuted over the molecules.
    replaced :
        Frozen control: so many times each test molecule's profile is replaced by another's, after
        the fit; see `ablation.replacement`. 0 = it is not that.
    """

    rate: float
    stages: tuple[Stage, ...] = STAGES
    modalities: tuple[str, ...] = ()
    mechanism: Mechanism = "random"
    fill: Fill = "none"
    seed: int = 0
    shuffled: bool = False
    replaced: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise SettingError(f"the rate of missing entries is {self.rate}; expected 0 to 1")
        if not self.stages:
            raise SettingError(f"no stage is named; expected some of {', '.join(STAGES)}")
        _check_name("stage", self.stages, STAGES)
        _check_name("mechanism", [self.mechanism], get_args(Mechanism))
        _check_name("fill", [self.fill], get_args(Fill))

    def __str__(self) -> str:
        if self.replaced:
            return (
                f"{'+'.join(self.modalities) or 'cells'} of others at test, {self.replaced} draws"
            )
        where = WORLD if set(self.stages) == set(STAGES) else "+".join(self.stages)
        what = "+".join(self.modalities) or "cells"
        how = "" if self.mechanism == "random" else f", {self.mechanism}"
        how += "" if self.fill == "none" else f", filled with {self.fill}"
        how += ", shuffled" if self.shuffled else ""
        return f"{100 * self.rate:g} % of {what} masked ({where}{how})"

    @property
    def is_nothing(self) -> bool:
        """Return whether everything stays as it is."""
        return self.rate == 0 and not self.shuffled and not self.replaced

    @property
    def is_everything(self) -> bool:
        """Return whether no entry is left, whatever the seed."""
        return self.rate == 1 and self.mechanism != "asymmetric"

    def settled(self) -> Missing | None:
        """Return the one way to write it; None where nothing is masked.

        Where every entry goes, seed, mechanism and shuffling change nothing; where nothing goes,
        the mechanism and the fill do not; the weakest phenotypes are the same for every seed.
        """
        if self.is_nothing:
            return None
        stages = tuple(stage for stage in STAGES if stage in self.stages)
        canonical = replace(self, stages=stages, modalities=tuple(sorted(set(self.modalities))))
        if self.is_everything:
            canonical = replace(canonical, seed=0, mechanism="random", shuffled=False)
        if self.rate == 0:
            canonical = replace(canonical, mechanism="random", fill="none")
        return canonical if canonical.draws else replace(canonical, seed=0)

    def at_fit(self) -> Missing | None:
        """Return what of it reaches the fit; None where it is all of the test rows.

        Where the harness imputes, what training rows lack by nature is filled in too.
        """
        if self.stages != ("test",):
            return self
        if self.fill == "none":
            return None
        return replace(self, rate=0.0, mechanism="random", seed=0, shuffled=False)

    @property
    def draws(self) -> bool:
        """Return whether another seed masks other entries, or permutes them otherwise."""
        return (
            self.shuffled
            or self.replaced > 0
            or not (self.is_everything or self.mechanism == "activity")
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it for a record: JSON-able, every field named."""
        return {
            "rate": float(self.rate),
            "stages": list(self.stages),
            "modalities": list(self.modalities),
            "mechanism": self.mechanism,
            "fill": self.fill,
            "seed": self.seed,
            "shuffled": self.shuffled,
            **({"replaced": self.replaced} if self.replaced else {}),
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Missing:
        """Return what `settings` gave; SettingError where it is no such thing."""
        try:
            lists = {name: tuple(settings[name]) for name in ("stages", "modalities")}
            return cls(**{**settings, **lists})
        except (KeyError, TypeError) as error:
            raise SettingError(
                f"{dict(settings)!r} does not say what is missing: {error}"
            ) from error

    def atlas_dict(self) -> dict[str, Any] | None:
        """Return what it does to an atlas, None where it does nothing."""
        if "pretrain" not in self.stages:
            return None
        settled = self.settled()
        if settled is None:
            return None
        return {name: value for name, value in settled.to_dict().items() if name != "stages"}


def _check_name(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(what, name, known)


# ----------------------------------------------------------------------------------- what is masked


@dataclass(frozen=True)
class MoleculeNames:
    """Who the rows are, as far as masking needs to know.

    Attributes
    ----------
    smiles :
        N SMILES.
    keys :
        N connectivity keys, "" where there is none.
    scaffolds :
        N scaffolds without chirality, "" for a molecule without a ring; read by the
        mechanism ``scaffold`` alone, else may be empty.
    """

    smiles: Sequence[str]
    keys: Sequence[str]
    scaffolds: Sequence[str] = ()

    def names(self) -> list[str]:
        """Return what each molecule is known by: its connectivity, else its SMILES."""
        return [key or _SMILES + s for key, s in zip(self.keys, self.smiles, strict=True)]

    def families(self) -> list[str]:
        """Return the scaffold of each molecule, its own name where it has none."""
        if len(self.scaffolds) != len(self.smiles):
            raise DataError(f"{len(self.scaffolds)} scaffolds for {len(self.smiles)} molecules")
        pairs = zip(self.scaffolds, self.names(), strict=True)
        return [f"scaffold:{scaffold}" if scaffold else name for scaffold, name in pairs]


MaskedEntries: TypeAlias = dict[str, BoolArray]
"""Modality -> (n,) True where what was observed is masked."""


def uniform(seed: int, names: Sequence[str], salt: str) -> FloatArray:
    """Return (n,) numbers in [0, 1): the first 8 bytes of sha256 over seed, salt and name.

    They depend on nothing else: not on the other names, their order, or the numpy version.
    """
    head = f"{seed}\n{salt}\n".encode()
    digests = b"".join(hashlib.sha256(head + name.encode()).digest()[:8] for name in names)
    drawn = np.frombuffer(digests, dtype="<u8") >> np.uint64(11)  # 53 bits, exact in a float
    return drawn.astype(np.float64) * 2.0**-53


def masked_entries(
    missing: Missing, molecules: MoleculeNames, blocks: Mapping[str, MatrixBlock]
) -> MaskedEntries:
    """Return which observed entries are masked, a modality each of those that are to be.

    A modality is observed where any of its blocks is; the part of a block's name before the first
    dot is its modality.
    """
    named = {name: blocks[name] for name in named_blocks(missing, blocks)}
    by_modality = _by_modality(named)
    observed = {m: any_observed(parts) for m, parts in by_modality.items()}
    if missing.mechanism == "asymmetric":
        return _asymmetric(missing, molecules.names(), observed)
    if missing.mechanism == "activity":
        ranks = activity_ranks(molecules.names(), named)
        return {m: observed[m] & (ranks[m] < missing.rate) for m in by_modality}
    names = molecules.families() if missing.mechanism == "scaffold" else molecules.names()
    return {m: observed[m] & (uniform(missing.seed, names, m) < missing.rate) for m in by_modality}


def activity_ranks(
    names: Sequence[str], blocks: Mapping[str, MatrixBlock]
) -> dict[str, FloatArray]:
    """Return by modality (n,) the share of observed molecules that are weaker; 1 = not observed.

    Parameters
    ----------
    names :
        What each molecule is known by, see `MoleculeNames.names`.
    """
    return {
        modality: phenotype_rank(parts, uniform(0, names, modality))
        for modality, parts in _by_modality(blocks).items()
    }


def named_blocks(missing: Missing, blocks: Mapping[str, MatrixBlock]) -> list[str]:
    """Return the blocks of the modalities that are masked."""
    chosen = missing.modalities
    return [name for name in blocks if not chosen or modality_of(name) in chosen]


def _by_modality(blocks: Mapping[str, MatrixBlock]) -> dict[str, list[MatrixBlock]]:
    by_modality: dict[str, list[MatrixBlock]] = {}
    for name in sorted(blocks):
        by_modality.setdefault(modality_of(name), []).append(blocks[name])
    return by_modality


def _asymmetric(
    missing: Missing, names: Sequence[str], observed: Mapping[str, BoolArray]
) -> MaskedEntries:
    """Return what goes where a molecule that is hit keeps one modality, drawn of those it has."""
    if not observed:
        return {}
    hit = uniform(missing.seed, names, "asymmetric") < missing.rate
    drawn = [
        np.where(seen, uniform(missing.seed, names, f"keep {m}"), -1.0)
        for m, seen in observed.items()
    ]
    kept = np.argmax(drawn, axis=0)  # (n,)
    return {m: seen & hit & (kept != i) for i, (m, seen) in enumerate(observed.items())}


# ----------------------------------------------------------------------------------- blocks without


def without(blocks: Mapping[str, MatrixBlock], gone: MaskedEntries) -> dict[str, MatrixBlock]:
    """Return the blocks where nothing is left of what is masked: NaN, or empty where sparse."""
    remaining = dict(blocks)
    for name, block in blocks.items():
        modality = modality_of(name)
        if modality in gone and gone[modality].any():
            remaining[name] = _emptied(block, gone[modality])
    return remaining


def _emptied(block: MatrixBlock, rows: BoolArray) -> MatrixBlock:
    observed = block.observed & ~(rows[:, None] if block.in_part else rows)
    if isinstance(block.values, HeldRows):
        return replace(block, values=block.values.without(rows), observed=observed)
    if isinstance(block.values, np.ndarray):
        values = np.array(block.values, dtype=np.result_type(block.values, np.float32), copy=True)
        values[rows] = np.nan
        return replace(block, values=values, observed=observed)
    from scipy import sparse

    kept = sparse.diags_array(~rows, dtype=block.values.dtype)
    return replace(block, values=sparse.csr_array(kept @ block.values), observed=observed)


def permuted(
    missing: Missing, molecules: MoleculeNames, blocks: Mapping[str, MatrixBlock]
) -> dict[str, MatrixBlock]:
    """Return the blocks with the observed rows given to each other; who has a read-out stays.

    Of a block measured in part a row goes with which of its entries were measured.

    The observed rows of a block stand in the order of `uniform`, those of one molecule together and
    as they stood. Each is given the row that is `step` on, after the last the first: `step` is how
    many rows the molecule with the most of them has. So no molecule is given a row of its own,
    unless one has more than half of the rows: k of n, and 2k - n of its rows get one of its own.
    """
    names, shuffled = molecules.names(), dict(blocks)
    for name, block in blocks.items():
        modality = modality_of(name)
        if missing.modalities and modality not in missing.modalities:
            continue
        rows = np.flatnonzero(block.observed_rows)
        drawn = uniform(missing.seed, names, f"shuffle {modality}")[rows]
        order = rows[np.argsort(drawn, kind="stable")]
        step = int(np.unique(drawn, return_counts=True)[1].max(initial=1))
        giver = np.arange(len(block))
        giver[order] = np.roll(order, -step)
        shuffled[name] = block.take(giver)
    return shuffled

"""What a model may see of each part where cell modalities are masked on purpose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench.ablation.missing import Missing, MoleculeNames, Stage
from chmr_bench.contracts import (
    Inputs,
    Progress,
    Split,
    no_progress,
)
from chmr_bench.runner.features import FINGERPRINT, bits_of
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.types import PARTS, IntArray, Part

if TYPE_CHECKING:
    from scipy import sparse

STAGE_OF: Mapping[Part, Stage] = {"train": "finetune", "valid": "finetune", "test": "test"}
"""Validation rows say when to stop: they belong to the fit."""


@dataclass(frozen=True)
class SplitInputs:
    """The three parts as the model sees them.

    Attributes
    ----------
    masked :
        Part -> modality -> entries observed, hidden, filled; None where nothing was masked.
    givers :
        (n_draws, n_test) whose profile each test molecule is given after the fit, -1 = its own;
        None but for the frozen control.
    blocks :
        The blocks that are given.
    """

    train: Inputs
    valid: Inputs
    test: Inputs
    masked: Mapping[str, Any] | None = None
    givers: IntArray | None = None
    blocks: tuple[str, ...] = ()

    def of_test(self) -> SplitInputs:
        """Return it without the rows that a fit reads: another has them."""
        none = self.train.take(np.zeros(0, dtype=np.int64))
        return dataclasses.replace(self, train=none, valid=none)


def split_inputs(
    inputs: Inputs,
    split: Split,
    missing: Missing | None,
    data: LoadedDataset,
    progress: Progress = no_progress,
    views: Sequence[str] = (),
) -> SplitInputs:
    """Return the parts of a dataset's inputs, without what is masked.

    Cell blocks are those that come with the dataset. What a model has computed of a structure is
    masked only where it is one of the model's `views`, and named. Only training molecules, as the
    model sees them, donate values to others.
    """
    parts = {part: inputs.take(split.part(part)) for part in PARTS}
    if missing is not None and missing.replaced:
        return _frozen(parts, split, missing, data, progress)
    named = set(views) & set(missing.modalities if missing else ())
    cells = {n: inputs.matrix(n) for n in inputs.blocks if n in data.dataset.blocks or n in named}
    if missing is None or not {"finetune", "test"} & set(missing.stages) or not cells:
        return SplitInputs(parts["train"], parts["valid"], parts["test"])
    from chmr_bench.ablation import masking

    before = masking.unmasked(cells)
    after = masking.mask(missing, _molecules(missing, data, progress), cells)
    seen = {part: after if STAGE_OF[part] in missing.stages else before for part in PARTS}
    donors = (seen["train"].take(split.train), _Bits(split.train, data, progress))
    counts: dict[str, Any] = {}
    for part in PARTS:
        rows = split.part(part)
        own = seen[part].take(rows)
        blocks = masking.imputed(missing.fill, own, _Bits(rows, data, progress), donors)
        counts[part] = masking.counts(before.take(rows).blocks, own, blocks)
        both = {**parts[part].blocks, **blocks}
        parts[part] = dataclasses.replace(parts[part], blocks=both)
    return SplitInputs(parts["train"], parts["valid"], parts["test"], counts)


def _frozen(
    parts: Mapping[Part, Inputs],
    split: Split,
    missing: Missing,
    data: LoadedDataset,
    progress: Progress,
) -> SplitInputs:
    """Return the parts as they are, and whose profiles the test molecules are given later."""
    from chmr_bench.ablation.missing import named_blocks
    from chmr_bench.ablation.replacement import givers

    test = parts["test"]
    cells = {n: test.matrix(n) for n in test.blocks if n in data.dataset.blocks}
    names = tuple(named_blocks(missing, cells))
    given = None
    if names:
        molecules = MoleculeNames(test.smiles, data.keys_of(split.test, progress))
        given = givers(missing.seed, molecules, {n: cells[n] for n in names}, missing.replaced)
    return SplitInputs(parts["train"], parts["valid"], test, givers=given, blocks=names)


def _molecules(missing: Missing, data: LoadedDataset, progress: Progress) -> MoleculeNames:
    from chmr_bench.splits import scaffold_smiles

    smiles = data.dataset.smiles
    families: list[str] = []
    if missing.mechanism == "scaffold":
        families = scaffold_smiles(smiles, chirality=False, n_jobs=data.n_jobs)
    return MoleculeNames(smiles, data.keys(progress), families)


@dataclass(frozen=True)
class _Bits:
    """The fingerprint bits of some rows, computed where somebody needs them."""

    rows: IntArray
    data: LoadedDataset
    progress: Progress

    def __call__(self) -> sparse.csr_array:
        return bits_of(self.data.feature(FINGERPRINT, self.progress))[self.rows]

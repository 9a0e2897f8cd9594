"""What a run's model may see of each part where cell modalities are hidden on purpose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chmr_bench.ablation.missing import Missing, Molecules, Stage
from chmr_bench.contracts import (
    FeatureRequest,
    Inputs,
    MatrixBlock,
    Progress,
    Split,
    no_progress,
)
from chmr_bench.runner.workspace import Opened, Workspace
from chmr_bench.types import PARTS, Part

if TYPE_CHECKING:
    from scipy import sparse

    from chmr_bench.ablation.masking import Concealed

STAGE_OF: Mapping[Part, Stage] = {"train": "finetune", "valid": "finetune", "test": "test"}
"""Validation rows say when to stop: they belong to the fit."""


@dataclass(frozen=True)
class Seen:
    """The three parts as the model sees them.

    Attributes
    ----------
    hidden : part -> modality -> entries observed, hidden, filled; None where nothing was hidden.
    """

    train: Inputs
    valid: Inputs
    test: Inputs
    hidden: Mapping[str, Any] | None = None


def parts_seen(
    inputs: Inputs,
    split: Split,
    missing: Missing | None,
    opened: Opened,
    workspace: Workspace,
    progress: Progress = no_progress,
) -> Seen:
    """Return the parts of a dataset's inputs, without what is hidden of them.

    Cell blocks are those that come with the dataset; what a model has computed of a structure is
    never hidden. Only training molecules, as the model sees them, lend to others.
    """
    cells = {n: inputs.matrix(n) for n in inputs.blocks if n in opened.dataset.blocks}
    hides = missing is not None and {"finetune", "test"} & set(missing.stages)
    if missing is None or not hides or not cells:
        return Seen(*_parts(inputs, split))
    from chmr_bench.ablation import masking

    everything = masking.plain(cells)
    concealed = masking.conceal(missing, _molecules(missing, opened, workspace, progress), cells)
    lent = (concealed if "finetune" in missing.stages else everything).take(split.train)
    lenders = (lent, _Bits(split.train, opened, workspace, progress))
    found: dict[Part, Mapping[str, MatrixBlock]] = {}
    told: dict[str, Any] = {}
    for part in PARTS:
        rows = split.part(part)
        whole = STAGE_OF[part] not in missing.stages
        own: Concealed = (everything if whole else concealed).take(rows)
        bits = _Bits(rows, opened, workspace, progress)
        found[part] = masking.filled(missing.fill, own, bits, lenders)
        told[part] = masking.counts(everything.take(rows).blocks, own, found[part])
    train, valid, test = _parts(inputs, split)
    return Seen(
        _with(train, found["train"]), _with(valid, found["valid"]), _with(test, found["test"]), told
    )


def _parts(inputs: Inputs, split: Split) -> tuple[Inputs, Inputs, Inputs]:
    return inputs.take(split.train), inputs.take(split.valid), inputs.take(split.test)


def _with(inputs: Inputs, blocks: Mapping[str, MatrixBlock]) -> Inputs:
    return dataclasses.replace(inputs, blocks={**inputs.blocks, **blocks})


def _molecules(
    missing: Missing, opened: Opened, workspace: Workspace, progress: Progress
) -> Molecules:
    from chmr_bench.splits import scaffold_smiles

    smiles = opened.dataset.smiles
    families: list[str] = []
    if missing.mechanism == "scaffold":
        families = scaffold_smiles(smiles, chirality=False, n_jobs=workspace.n_jobs)
    return Molecules(smiles, workspace.keys(opened, progress), families)


@dataclass(frozen=True)
class _Bits:
    """The Morgan bits of some rows, computed where somebody asks for them."""

    rows: Any
    opened: Opened
    workspace: Workspace
    progress: Progress

    def __call__(self) -> sparse.csr_array:
        from scipy import sparse

        block = self.workspace.feature(self.opened, FeatureRequest("morgan"), self.progress)
        if not isinstance(block, MatrixBlock):  # registered so
            raise TypeError("the feature 'morgan' is no matrix")
        found: sparse.csr_array = sparse.csr_array(block.values)[self.rows]
        return found

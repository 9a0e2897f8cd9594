"""What walks on the context graph met: the targets that a pretraining reconstructs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chmr_bench.nn.losses import Bounds


@dataclass(frozen=True)
class WalkTargets:
    """Features met on walks, of one kind of node.

    Attributes
    ----------
    molecule : Tensor
        (k,) int64, row of the batch the walk began at.
    target : Tensor
        (k, d) bits or scaled values; NaN = not known.
    weight : Tensor
        (k,) product of the walk's edge weights.
    bounds : Bounds | None
        Where targets are censored.
    """

    molecule: Tensor
    target: Tensor
    weight: Tensor
    bounds: Bounds | None = None

    @classmethod
    def of_walks(cls, target: Tensor, weight: Tensor) -> WalkTargets:
        """Return the targets of b walks of s nodes: (b, s, d), NaN where a node lacks it; (b, s).

        Examples
        --------
        >>> WalkTargets.of_walks(torch.zeros(2, 3, 4), torch.ones(2, 3)).molecule.tolist()
        [0, 0, 0, 1, 1, 1]
        """
        molecule = torch.arange(len(target)).repeat_interleave(target.shape[1])
        return cls(molecule, target.flatten(0, 1), weight.flatten())

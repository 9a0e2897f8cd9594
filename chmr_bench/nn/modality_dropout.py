"""Modalities masked at random while a network learns, so that it can do without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    import torch


def masked(x: torch.Tensor, modalities: Sequence[slice], share: float) -> torch.Tensor:
    """Return x (b, d) with each modality's columns zero in a share of the rows."""
    import torch

    x = x.clone()
    for columns in modalities:
        kept = torch.rand(len(x), 1, device=x.device) >= share
        x[:, columns] *= kept
    return x


def masked_sparse(
    x: sparse.csr_array, modalities: Sequence[slice], share: float
) -> sparse.csr_array:
    """Return the same of a sparse matrix."""
    import torch

    x = x.copy()
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))  # of every entry
    for columns in modalities:
        lost = (torch.rand(x.shape[0]) < share).numpy()
        inside = (x.indices >= columns.start) & (x.indices < columns.stop)
        x.data[inside & lost[rows]] = 0.0
    return x

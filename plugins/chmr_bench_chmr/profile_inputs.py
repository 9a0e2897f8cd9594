"""What `chmr.cell-finetuned` reads beside structure: the molecule's own profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import sparse

from chmr_bench import Inputs
from chmr_bench.features.profiles import ProfileColumns
from chmr_bench.nn.modality_dropout import masked, masked_sparse
from chmr_bench.types import FloatArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ProfileInputs:
    """Profiles as the last columns of what a network reads, masked at random while it learns.

    Attributes
    ----------
    dropout : float
        Share of the molecules that a modality is masked in, drawn anew in every step.
    """

    columns: ProfileColumns
    dropout: float

    def read(self, inputs: Inputs) -> FloatArray:
        """Return the columns of n molecules, (n, d) float32; none where no profile is read."""
        return self.columns.read(inputs)

    def masked(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (b, w) as one step reads it; the profiles are its last columns."""
        return masked(x, self._places(x.shape[1]), self.dropout)

    def masked_sparse(self, x: sparse.csr_array) -> sparse.csr_array:
        """Return the same of a sparse matrix."""
        return masked_sparse(x, self._places(x.shape[1]), self.dropout)

    def _places(self, width: int) -> list[slice]:
        first = width - self.columns.width
        return [slice(first + s.start, first + s.stop) for s in self.columns.modalities]


NO_PROFILES = ProfileInputs(ProfileColumns({}, ()), 0.0)
"""For `chmr.finetuned`, which reads structure alone."""

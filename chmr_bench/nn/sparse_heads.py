"""Networks from sparse features, such as fingerprint counts, to every task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from chmr_bench import FitContext
from chmr_bench.nn.heads import TaskNetwork, row_batches
from chmr_bench.nn.trainer import TrainerSettings, masked_loss
from chmr_bench.types import FloatArray

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 4096
"""Molecules a forward pass in prediction."""


@dataclass(frozen=True)
class SparseHeadSettings(TrainerSettings):
    """How networks on sparse features are trained; the defaults are those of `fingerprint.mlp`.

    Attributes
    ----------
    shapes : tuple[str, ...]
        Networks by the widths of their hidden layers: 512 has one, 1024-1024-512 three.
    dropout : float
        After every hidden layer.
    batch_size : int
        Molecules a step.
    """

    weight_decay: float = 0.05
    epochs: int = 50
    patience: int = 8
    shapes: tuple[str, ...] = ("512", "1024-1024-512")
    dropout: float = 0.4
    batch_size: int = 256


class SparseHeads:
    """The mean of networks of several shapes; of each the best epoch on validation rows stays."""

    def __init__(self, settings: SparseHeadSettings) -> None:
        self.settings = settings

    def fit(
        self,
        x_train: sparse.csr_array,
        y_train: FloatArray,
        x_valid: sparse.csr_array,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Train every network on features (n, d) and labels (n, t), NaN = not measured."""
        self._networks = []
        for shape in self.settings.shapes:
            network = SparseHead(self.settings, [int(width) for width in shape.split("-")])
            network.fit(x_train, y_train, x_valid, y_valid, context)
            self._networks.append(network)

    def predict(self, x: sparse.csr_array) -> FloatArray:
        """Return probabilities of class 1, or values in the labels' unit, (n, t)."""
        return np.asarray(np.mean([one.predict(x) for one in self._networks], axis=0))


class SparseHead(TaskNetwork):
    """A sparse matrix (n, d) to every task."""

    settings: SparseHeadSettings

    def __init__(self, settings: SparseHeadSettings, hidden: Sequence[int]) -> None:
        super().__init__(settings)
        self.hidden = hidden

    def _build(self, d: int, t: int) -> torch.nn.Module:
        from chmr_bench.nn.sparse_network import SparseNetwork

        return SparseNetwork(d, self.hidden, t, self.settings.dropout)

    def _losses(self, x: sparse.csr_array, y: torch.Tensor) -> Iterator[torch.Tensor]:
        for rows in row_batches(len(y), self.settings.batch_size):
            yield masked_loss(self._outputs(x[rows.numpy()]), y[rows], self._is_classifier)

    def _raw(self, x: sparse.csr_array) -> torch.Tensor:
        import torch

        starts = range(0, x.shape[0], ROWS_AT_ONCE)
        parts = [self._outputs(x[i : i + ROWS_AT_ONCE]) for i in starts]
        return torch.cat(parts) if parts else torch.zeros(0, len(self._centre))

    def _outputs(self, x: sparse.csr_array) -> torch.Tensor:
        """Return the network's outputs: it takes what is not zero, and where rows begin."""
        import torch

        device = self._context.device
        columns, begins = (
            torch.from_numpy(part.astype(np.int64)).to(device)
            for part in (x.indices, x.indptr[:-1])
        )
        values = torch.from_numpy(np.ascontiguousarray(x.data, dtype=np.float32)).to(device)
        raw: torch.Tensor = self._network(columns, begins, values)
        return raw  # (b, t)

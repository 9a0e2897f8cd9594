"""A multi-task network on fingerprint bits; entries without a label do not enter the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import sparse

from chmr_bench import Inputs
from chmr_bench.features.bits import FingerprintConfig
from chmr_bench.nn.heads import TaskNetwork
from chmr_bench.nn.trainer import TrainerSettings, masked_loss
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.model import FingerprintModel

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 4096
"""Molecules a forward pass in prediction."""


class MlpConfig(FingerprintConfig):
    """Settings of `fingerprint.mlp`."""

    hidden: int = Field(512, ge=8, le=8192, description="width of every hidden layer")
    layers: int = Field(1, ge=1, le=6, description="hidden layers")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout after every hidden layer")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's learning rate")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="AdamW's weight decay")
    batch_size: int = Field(256, ge=2, description="molecules a step")
    epochs: int = Field(50, ge=1, le=10_000, description="epochs at most")
    patience: int = Field(
        8, ge=1, description="epochs without a better validation score before it stops"
    )


class Mlp(FingerprintModel):
    """Bits to all tasks at once; the epoch with the best validation score is kept."""

    config: MlpConfig

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        self._network = BitHead(self.config)
        self._network.fit(bits, y, self._bits(valid), y_valid, self._context)

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        return self._network.predict(bits)


class BitHead(TaskNetwork):
    """Bits (n, d), sparse, to every task."""

    def __init__(self, config: MlpConfig) -> None:
        super().__init__(TrainerSettings.of(config))
        self.config = config

    def _build(self, d: int, t: int) -> torch.nn.Module:
        from chmr_bench_fingerprints.mlp_network import BitNetwork

        config = self.config
        return BitNetwork(d, [config.hidden] * config.layers, t, config.dropout)

    def _losses(self, x: sparse.csr_array, y: torch.Tensor) -> Iterator[torch.Tensor]:
        import torch

        for rows in torch.split(torch.randperm(len(y)), self.config.batch_size):
            yield masked_loss(self._outputs(x[rows.numpy()]), y[rows], self._is_classifier)

    def _raw(self, x: sparse.csr_array) -> torch.Tensor:
        import torch

        starts = range(0, x.shape[0], ROWS_AT_ONCE)
        parts = [self._outputs(x[i : i + ROWS_AT_ONCE]) for i in starts]
        return torch.cat(parts) if parts else torch.zeros(0, len(self._centre))

    def _outputs(self, bits: sparse.csr_array) -> torch.Tensor:
        """Return the network's outputs: it takes the bits that are set, and where rows begin."""
        import torch

        set_bits = (bits.indices, bits.indptr[:-1])
        given = (torch.from_numpy(part.astype(np.int64)) for part in set_bits)
        raw: torch.Tensor = self._network(*(part.to(self._context.device) for part in given))
        return raw  # (b, t)

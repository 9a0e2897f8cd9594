"""A multi-task network on fingerprint bits; entries without a label do not enter the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, bits_of, requests
from chmr_bench.nn.early_stopping import EarlyStopping, label_scale
from chmr_bench.nn.steps import masked_loss, one_thread
from chmr_bench.types import FloatArray

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


class Mlp:
    """Bits to all tasks at once; the epoch with the best validation score is kept."""

    def __init__(self, config: MlpConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: MlpConfig) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads."""
        return requests(config)

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Train until the validation score no longer improves."""
        import torch

        self._context = context
        self._centre, self._spread = label_scale(y_train, context.tasks.task_type)
        with torch.random.fork_rng(devices=self._cuda()), one_thread():
            torch.manual_seed(context.seed)
            bits = bits_of(train, self.config)
            self._network = self._build(bits.shape[1], y_train.shape[1]).to(context.device)
            self._train(*self._labelled(bits, y_train), bits_of(valid, self.config), y_valid)

    def _train(
        self,
        bits: sparse.csr_array,
        targets: torch.Tensor,
        valid: sparse.csr_array,
        y_valid: FloatArray,
    ) -> None:
        """Run the epochs and leave the best one's weights in the network."""
        import torch

        config = self.config
        optimiser = torch.optim.AdamW(
            self._network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        stopping = EarlyStopping(self._context.tasks, config.patience)
        for epoch in range(config.epochs):
            self._epoch(bits, targets, optimiser)
            self._context.progress(epoch + 1, config.epochs, "epochs")
            if stopping.says_stop(y_valid, self._forward(valid), self._state):
                break
        if stopping.state is not None:
            self._network.load_state_dict(stopping.state)
        self._context.log.info("best validation score %s, %d epochs", stopping.best, epoch + 1)

    def _state(self) -> dict[str, torch.Tensor]:
        """Return a copy of the weights."""
        return {name: value.clone() for name, value in self._network.state_dict().items()}

    def _epoch(
        self, bits: sparse.csr_array, targets: torch.Tensor, optimiser: torch.optim.Optimizer
    ) -> None:
        """Take one step a batch, in a fresh order."""
        import torch

        self._network.train()
        order = torch.randperm(len(targets))
        for rows in torch.split(order, self.config.batch_size):
            y = targets[rows].to(self._context.device)  # (b, t)
            raw = self._network(*self._set_bits(bits[rows.numpy()]))  # (b, t)
            loss = masked_loss(raw, y, self._is_classifier)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        with one_thread():
            return self._forward(bits_of(inputs, self.config))

    def _forward(self, bits: sparse.csr_array) -> FloatArray:
        import torch

        self._network.eval()
        with torch.inference_mode():
            parts = [
                self._network(*self._set_bits(bits[i : i + ROWS_AT_ONCE])).double().cpu()
                for i in range(0, bits.shape[0], ROWS_AT_ONCE)
            ]
            raw = torch.cat(parts) if parts else torch.zeros(0, len(self._centre))
            values = torch.sigmoid(raw) if self._is_classifier else raw
        return np.asarray(values.numpy() * self._spread + self._centre)

    def _build(self, d: int, t: int) -> torch.nn.Module:
        from chmr_bench_fingerprints.mlp_network import BitNetwork

        config = self.config
        return BitNetwork(d, [config.hidden] * config.layers, t, config.dropout)

    def _labelled(
        self, bits: sparse.csr_array, y_train: FloatArray
    ) -> tuple[sparse.csr_array, torch.Tensor]:
        """Return the rows with any label: bits (n, d), and standardised labels (n, t) float32."""
        import torch

        rows = np.flatnonzero(np.isfinite(y_train).any(axis=1))
        targets = (y_train[rows] - self._centre) / self._spread
        return bits[rows], torch.from_numpy(targets.astype(np.float32))

    def _set_bits(self, bits: sparse.csr_array) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which bits are set, row by row, and where each row begins."""
        import torch

        device = self._context.device
        begins = torch.from_numpy(bits.indptr[:-1].astype(np.int64)).to(device)
        return torch.from_numpy(bits.indices.astype(np.int64)).to(device), begins

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"

    def _cuda(self) -> list[int]:
        return [0] if self._context.device == "cuda" else []

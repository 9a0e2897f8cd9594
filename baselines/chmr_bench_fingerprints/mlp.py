"""Multi-task networks on fingerprint counts and descriptors; what has no label enters no loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, field_validator
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, log_counts_of, requests
from chmr_bench.features.properties import PROPERTIES, ClippedScale, property_request
from chmr_bench.nn.heads import TaskNetwork, row_batches
from chmr_bench.nn.trainer import TrainerSettings, masked_loss
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.model import FingerprintModel

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 4096
"""Molecules a forward pass in prediction."""


class MlpConfig(FingerprintConfig):
    """Settings of `fingerprint.mlp`."""

    counts: bool = Field(
        True, description="read log(1 + how often a bit is set), where a fingerprint says so"
    )
    descriptors: tuple[str, ...] = Field(
        PROPERTIES, description="RDKit descriptors read beside the fingerprints; '' = none"
    )
    shapes: tuple[Annotated[str, Field(pattern=r"^[1-9]\d{0,3}(-[1-9]\d{0,3}){0,5}$")], ...] = (
        Field(
            ("512", "1024-1024-512"),
            min_length=1,
            description="networks whose mean is the prediction, each by the widths of its hidden "
            "layers: 512 has one, 1024-1024-512 three",
        )
    )
    dropout: float = Field(0.4, ge=0, lt=1, description="dropout after every hidden layer")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's learning rate")
    weight_decay: float = Field(0.05, ge=0, le=1, description="AdamW's weight decay")
    batch_size: int = Field(256, ge=2, description="molecules a step")
    epochs: int = Field(50, ge=1, le=10_000, description="epochs at most")
    patience: int = Field(
        8, ge=1, description="epochs without a better validation score before it stops"
    )

    @field_validator("descriptors", "shapes", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Take ``a`` or ``a,b`` for a list, as a command line gives it; and 512 for "512"."""
        if isinstance(value, int):
            return (str(value),)
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value


class Mlp(FingerprintModel):
    """Counts and descriptors to all tasks at once, the mean of networks of several shapes."""

    config: MlpConfig

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads, and the descriptors."""
        requested = dict(requests(config, counts=config.counts))
        if config.descriptors:
            requested["descriptors"] = property_request(config.descriptors)
        return requested

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit on the training rows; of each network the best epoch on the validation rows stays."""
        if self.config.descriptors:
            self._columns = ClippedScale.of(train.matrix("descriptors"))
        super().fit(train, y_train, valid, y_valid, context)

    def _bits(self, inputs: Inputs) -> sparse.csr_array:
        """Return log counts and standardised descriptors side by side, (n, d) float32."""
        counts = log_counts_of(inputs, self.config.features)
        if not self.config.descriptors:
            return counts
        scaled = sparse.csr_array(self._columns.apply(inputs.matrix("descriptors")))
        return sparse.csr_array(sparse.hstack([counts, scaled], format="csr"))

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        self._networks = []
        x_valid = self._bits(valid)
        for shape in self.config.shapes:
            network = SparseHead(self.config, [int(width) for width in shape.split("-")])
            network.fit(bits, y, x_valid, y_valid, self._context)
            self._networks.append(network)

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        return np.asarray(np.mean([one.predict(bits) for one in self._networks], axis=0))


class SparseHead(TaskNetwork):
    """A sparse matrix (n, d) to every task."""

    def __init__(self, config: MlpConfig, hidden: Sequence[int]) -> None:
        super().__init__(TrainerSettings.of(config))
        self.config, self.hidden = config, hidden

    def _build(self, d: int, t: int) -> torch.nn.Module:
        from chmr_bench_fingerprints.mlp_network import SparseNetwork

        return SparseNetwork(d, self.hidden, t, self.config.dropout)

    def _losses(self, x: sparse.csr_array, y: torch.Tensor) -> Iterator[torch.Tensor]:
        for rows in row_batches(len(y), self.config.batch_size):
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

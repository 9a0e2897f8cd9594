"""Networks from sparse features, such as fingerprint counts, to every task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from pydantic import Field, field_validator
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, requests
from chmr_bench.features.properties import (
    DESCRIPTORS,
    PROPERTIES,
    CountedColumns,
    property_request,
)
from chmr_bench.nn.heads import BatchSettings, TaskNetwork
from chmr_bench.types import FloatArray

if TYPE_CHECKING:
    import torch

SparseOrDense: TypeAlias = sparse.csr_array | FloatArray
"""Features (n, d); of dense ones the zeros are left out."""
Augment: TypeAlias = Callable[[sparse.csr_array], sparse.csr_array]
"""What becomes of a batch (b, d) before a step: of the same shape, the batch itself unchanged."""


class CountsConfig(FingerprintConfig):
    """The settings of a model on fingerprint counts and descriptors."""

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

    def columns(self, train: Inputs) -> CountedColumns:
        """Return the counts and descriptors it reads, as the training rows scale them."""
        return CountedColumns.of(train, self.features, bool(self.descriptors))

    def needs(self) -> dict[str, FeatureRequest]:
        """Return the features behind them."""
        requested = dict(requests(self, counts=self.counts))
        if self.descriptors:
            requested[DESCRIPTORS] = property_request(self.descriptors)
        return requested


@dataclass(frozen=True)
class SparseHeadSettings(BatchSettings):
    """How networks on sparse features are trained; the defaults are those of `fingerprint.mlp`.

    Attributes
    ----------
    shapes : tuple[str, ...]
        Networks by the widths of their hidden layers: 512 has one, 1024-1024-512 three.
    dropout : float
        After every hidden layer.
    """

    weight_decay: float = 0.05
    epochs: int = 50
    patience: int = 8
    shapes: tuple[str, ...] = ("512", "1024-1024-512")
    dropout: float = 0.4
    batch_size: int = 256


class SparseHeads:
    """The mean of networks of several shapes; of each the best epoch on validation rows stays."""

    def __init__(self, settings: SparseHeadSettings, augment: Augment | None = None) -> None:
        self.settings, self.augment = settings, augment

    def fit(
        self,
        x_train: SparseOrDense,
        y_train: FloatArray,
        x_valid: SparseOrDense,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Train every network on features (n, d) and labels (n, t), NaN = not measured."""
        x_train, x_valid = sparse.csr_array(x_train), sparse.csr_array(x_valid)
        self._networks = []
        for shape in self.settings.shapes:
            widths = [int(width) for width in shape.split("-")]
            network = SparseHead(self.settings, widths, self.augment)
            network.fit(x_train, y_train, x_valid, y_valid, context)
            self._networks.append(network)

    def predict(self, x: SparseOrDense) -> FloatArray:
        """Return probabilities of class 1, or values in the labels' unit, (n, t)."""
        x = sparse.csr_array(x)
        return np.asarray(np.mean([one.predict(x) for one in self._networks], axis=0))


class SparseHead(TaskNetwork):
    """A sparse matrix (n, d) to every task."""

    settings: SparseHeadSettings
    rows_at_once = 4096

    def __init__(
        self, settings: SparseHeadSettings, hidden: Sequence[int], augment: Augment | None = None
    ) -> None:
        super().__init__(settings, augment)
        self.hidden = hidden

    def _build(self, d: int, t: int) -> torch.nn.Module:
        from chmr_bench.nn.sparse_network import SparseNetwork

        return SparseNetwork(d, self.hidden, t, self.settings.dropout)

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

"""Multi-task networks on fingerprint counts and descriptors; what has no label enters no loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, log_counts_of, requests
from chmr_bench.features.properties import PROPERTIES, ClippedScale, property_request
from chmr_bench.nn.sparse_heads import SparseHeads, SparseHeadSettings
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.model import FingerprintModel


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
        self._heads = SparseHeads(SparseHeadSettings.of(self.config))
        self._heads.fit(bits, y, self._bits(valid), y_valid, self._context)

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        return self._heads.predict(bits)

"""A multi-task network on bits and profiles; a profile that is missing is zeros and a flag."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chmr_bench import FitContext
from chmr_bench.features.profiles import ProfileView
from chmr_bench.nn.heads import Head, HeadSettings
from chmr_bench.nn.modality_dropout import masked
from chmr_bench.types import FloatArray
from chmr_bench_profiles.model import CellModel, CellsConfig, LabelledTable, Member


class CellsMlpConfig(CellsConfig):
    """Settings of `cells.mlp`."""

    hidden: int = Field(512, ge=8, le=8192, description="width of every hidden layer")
    layers: int = Field(1, ge=0, le=6, description="hidden layers; 0 = a linear model")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout after every hidden layer")
    input_dropout: float = Field(0.0, ge=0, lt=1, description="dropout of what it reads")
    norm: Literal["layer", "none"] = Field("layer", description="norm after every hidden layer")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's learning rate")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="AdamW's weight decay")
    batch_size: int = Field(256, ge=2, description="molecules a step")
    epochs: int = Field(100, ge=1, le=10_000, description="epochs at most")
    patience: int = Field(
        20, ge=1, description="epochs without a better validation score before it stops"
    )


class CellsMlp(CellModel):
    """Networks as members; the epoch with the best validation score is kept of each."""

    config: CellsMlpConfig
    on_logits = True

    def _columns(self, view: ProfileView) -> FloatArray:
        return view.filled()

    def _fit_member(self, table: LabelledTable, context: FitContext) -> Member:
        head = Head(HeadSettings.of(self.config), augment=self._masking(table, masked))
        head.fit(table.x, table.y, table.x_valid, table.y_valid, context)
        return head

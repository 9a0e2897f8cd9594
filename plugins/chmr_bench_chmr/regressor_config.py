"""The settings of `cells.regressor`, and the bits it reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from chmr_bench import FeatureRequest

NO_LAYERS = "no_layers"
"""The one tensor of weights that were made of no read-out at all."""
LAYERS = frozenset({"first.weight", "first.bias", "last.weight", "last.bias", "mean", "sd"})
"""The tensors of all others."""


class RegressorConfig(BaseModel):
    """Settings of `cells.regressor`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atlas: tuple[str, ...] = Field(
        ("jump-activity",), min_length=1, description="atlases to learn from, merged in this order"
    )
    transductive: bool = Field(
        False, description="keep molecules that are in a benchmark's test part (without labels)"
    )
    pretrain_seed: int | Literal["run"] = Field(
        0, description="seed of pretraining; 'run' = another one for every run's seed"
    )
    radius: int = Field(2, ge=0, le=6, description="radius of the Morgan bits")
    n_bits: int = Field(2048, ge=64, le=8192, description="number of Morgan bits")
    hidden: int = Field(512, ge=8, le=8192, description="width of the first hidden layer")
    embedding: int = Field(64, ge=2, le=4096, description="width of the last hidden layer")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout after the first hidden layer")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="AdamW's")
    batch_size: int = Field(64, ge=2, description="molecules a step")
    epochs: int = Field(100, ge=1, le=10_000, description="passes over the atlas at most")
    patience: int = Field(8, ge=1, description="epochs without a smaller held-out error")
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (10.0, 30.0, 100.0, 300.0, 1000.0),
        min_length=1,
        description="L2 penalties of the linear model; the best on the validation rows is taken",
    )


def requests(config: RegressorConfig) -> dict[str, FeatureRequest]:
    """Return the bits: Morgan, then MACCS."""
    bits = {"radius": config.radius, "n_bits": config.n_bits}
    return {"morgan": FeatureRequest("morgan", bits), "maccs": FeatureRequest("maccs")}

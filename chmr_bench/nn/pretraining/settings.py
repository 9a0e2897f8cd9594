"""The settings that pretrained models share: what they learn from, their steps, their heads."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def listed(value: Any) -> Any:
    """Take ``a`` or ``a,b`` for a list, as a command line gives it."""
    return tuple(filter(None, value.split(","))) if isinstance(value, str) else value


LISTED = BeforeValidator(listed)
"""Of a setting that is a list."""


class AtlasSettings(BaseModel):
    """What a pretraining learns from; a model's own settings add to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atlas: Annotated[tuple[str, ...], LISTED] = Field(
        ("jump-activity",), min_length=1, description="atlases to learn from, merged in this order"
    )
    transductive: bool = Field(
        False, description="keep molecules that are in a benchmark's test part (without labels)"
    )
    pretrain_seed: int | Literal["run"] = Field(
        0, description="seed of pretraining; 'run' = another pretraining for every run's seed"
    )
    encoder: Literal["pretrained", "random"] = Field(
        "pretrained", description="'random' = the encoder as it was initialised"
    )
    cells: Annotated[tuple[str, ...] | None, LISTED] = Field(
        None,
        description="cell modalities to learn from; null = all of the atlas, [] = molecules alone",
    )
    shuffle_cells: bool = Field(
        False,
        description="negative control: permute profiles, and labelled assays, among the molecules",
    )


class HeadConfig(BaseModel):
    """The head on what a pretrained encoder gives; `nn.heads.HeadSettings.of(..., "head_")`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    head_layers: int = Field(1, ge=0, le=6, description="hidden layers of the head; 0 = linear")
    head_hidden: int = Field(512, ge=8, le=8192, description="width of the head's hidden layers")
    head_dropout: float = Field(0.5, ge=0, lt=1, description="dropout in the head")
    head_input_dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the head's inputs")
    head_norm: Literal["layer", "batch", "none"] = Field("layer", description="norm in the head")
    head_learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's in the head")
    head_weight_decay: float = Field(1e-4, ge=0, le=10, description="AdamW's in the head")
    head_epochs: int = Field(300, ge=1, le=100_000, description="epochs at most")
    head_patience: int = Field(
        50, ge=1, description="epochs without a better validation score before it stops"
    )
    head_batch_size: int = Field(0, ge=0, description="molecules a step; 0 = all at once")


class StepSettings(Protocol):
    """How the steps of a pretraining are made: Adam, and a moving average of the weights.

    Attributes
    ----------
    epochs : int
        Passes over the atlas.
    batch_size : int
        Molecules a step.
    learning_rate, weight_decay : float
        Adam's; the latter as an L2 penalty.
    average : float
        Decay of the moving average.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    average: float

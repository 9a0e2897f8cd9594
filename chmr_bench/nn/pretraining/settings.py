"""The settings that every pretraining has: what it learns from, and how its steps are made."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator


class AtlasSettings(BaseModel):
    """What a pretraining learns from; a model's own settings add to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atlas: tuple[str, ...] = Field(
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
    cells: tuple[str, ...] | None = Field(
        None,
        description="cell modalities to learn from; null = all of the atlas, [] = molecules alone",
    )
    shuffle_cells: bool = Field(
        False,
        description="negative control: permute profiles, and labelled assays, among the molecules",
    )

    @field_validator("atlas", "cells", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        """Take ``a`` or ``a,b`` for a list, as a command line gives it."""
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value


class StepSettings(Protocol):
    """How the steps of a pretraining are made: Adam, and a moving average of the weights."""

    @property
    def epochs(self) -> int:
        """Passes over the atlas."""
        ...

    @property
    def batch_size(self) -> int:
        """Molecules a step."""
        ...

    @property
    def learning_rate(self) -> float:
        """Adam's."""
        ...

    @property
    def weight_decay(self) -> float:
        """Adam's, as an L2 penalty."""
        ...

    @property
    def average(self) -> float:
        """Decay of the moving average."""
        ...

"""The settings, under chemprop's names where it has one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ChempropConfig(BaseModel):
    """Settings of `chemprop`; the defaults are those of its command line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    members: int = Field(1, ge=1, le=20, description="networks whose predictions are averaged")
    depth: int = Field(3, ge=1, le=10, description="message-passing steps")
    message_hidden_dim: int = Field(300, ge=4, le=4096, description="width of a bond's message")
    ffn_hidden_dim: int = Field(300, ge=4, le=4096, description="width of the read-out's layers")
    ffn_num_layers: int = Field(1, ge=1, le=6, description="hidden layers of the read-out")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout everywhere")
    batch_size: int = Field(64, ge=2, description="molecules a step")
    epochs: int = Field(50, ge=1, le=1000, description="epochs; the one with the best loss is kept")
    warmup_epochs: int = Field(2, ge=0, description="epochs over which the rate rises")
    init_lr: float = Field(1e-4, gt=0, description="learning rate at the start")
    max_lr: float = Field(1e-3, gt=0, description="the highest learning rate")
    final_lr: float = Field(1e-4, gt=0, description="learning rate at the end")

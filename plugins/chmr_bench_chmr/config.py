"""The settings of CHMR: what pretraining depends on, and what fine-tuning adds.

Names follow the paper (arXiv 2511.21120) where it has one; its value stands in the description
where ours differs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from chmr_bench.nn.pretraining.settings import LISTED, AtlasSettings, HeadConfig, listed

HeadInput = Literal[
    "bits",
    "counts",
    "descriptors",
    "fingerprint",
    "graph",
    "geometry",
    "anchor",
    "readouts",
    "cells",
]
HeadKind = Literal["network", "bits", "counts", "anchor", "readouts", "cells"]
LATER = {"balance": "even"}
"""Settings that came after weights and runs were on record, with the value those had."""


class PretrainConfig(AtlasSettings):
    """All that the pretrained weights depend on, besides the data, the device and the precision."""

    geometry: Literal["geometry", "unimol", "none"] = Field(
        "geometry", description="feature of the 3D modality; unimol needs its extra"
    )
    radius: int = Field(2, ge=0, le=6, description="radius of the Morgan bits (paper: 1, 2 and 4)")
    n_bits: int = Field(2048, ge=64, le=8192, description="number of Morgan bits (paper: 1024)")

    hidden: int = Field(300, ge=8, le=4096, description="width of the shared space and the GIN")
    layers: int = Field(5, ge=1, le=12, description="layers of the GIN with virtual node")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout in the encoder while pretraining")
    latent_dropout: float = Field(
        0.5, ge=0, lt=1, description="dropout of projected modalities while pretraining (paper: 0)"
    )
    modality_dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="chance that the anchor does without a molecule's bits, or without its shape, "
        "while pretraining: else the bits, learnt first, leave the graph nothing to learn "
        "(paper: 0)",
    )
    fingerprint_hidden: int = Field(
        512, ge=0, le=8192, description="hidden layer in the projector of the bits (paper: 0, none)"
    )
    decoder_hidden: int = Field(1200, ge=8, le=8192, description="width of the decoders")

    neighbours: int = Field(10, ge=1, le=1000, description="K of eq. 1, by Tanimoto similarity")
    propagation_steps: int = Field(5, ge=1, le=100, description="T of eq. 1")
    fill: Literal["propagation", "neighbour", "zero", "random"] = Field(
        "propagation", description="what augments a molecule's missing read-out (eq. 1)"
    )

    instance_alignment: bool = Field(True, description="InfoNCE of anchor and cells (eq. 2)")
    distribution_alignment: bool = Field(True, description="VICReg of cells, augmented (eq. 3)")
    temperature: float = Field(0.2, gt=0, le=10, description="of InfoNCE")
    sca_weight: float = Field(0.1, ge=0, description="lambda 1 (paper: 10)")
    balance: Literal["even", "uncertainty"] = Field(
        "even",
        description="what a cell modality counts: as much as any other, or by its molecules and "
        "by what is foretold of it for molecules held out",
    )

    tree: Literal["tree", "flat", "none"] = Field("tree", description="quantisation (eq. 5 to 9)")
    depth: int = Field(6, ge=1, le=12, description="levels of the tree")
    commitment: float = Field(1.0, ge=0, description="eta of eq. 9")
    tree_weight: float = Field(0.1, ge=0, description="lambda 2 (paper: 0.1 to 10)")

    reconstruction: bool = Field(True, description="context-propagation reconstruction (eq. 10)")
    walk: bool = Field(True, description="reconstruct what a walk meets, not the molecule alone")
    walk_length: int = Field(4, ge=1, le=64, description="steps of a walk on the context graph")

    epochs: int = Field(6, ge=0, le=100_000, description="passes over the atlas (paper: 300)")
    batch_size: int = Field(512, ge=3, description="molecules a step (paper: 3072)")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's (paper: 1e-4)")
    weight_decay: float = Field(1e-8, ge=0, le=1, description="Adam's, as an L2 penalty")
    average: float = Field(
        0.99, ge=0, lt=1, description="decay of the weights' moving average, which is what is kept"
    )
    state_factors: int = Field(
        12, ge=0, le=256, description="width of the cell state learnt last; 0 = none"
    )
    as_published: bool = Field(
        False, description="follow the published code where it departs from the paper"
    )

    @model_serializer(mode="wrap")
    def _written(
        self, values_of: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Leave `LATER` settings out where they change nothing: what was made keeps its name."""
        values: dict[str, Any] = values_of(self)
        if (info.context or {}).get("every"):
            return values
        return {n: v for n, v in values.items() if n not in LATER or v != LATER[n]}


class ChmrConfig(HeadConfig, PretrainConfig):
    """Settings of `chmr` and of its variants: pretraining, and the head on the frozen encoder."""

    weights: str = Field(
        "", description="a safetensors file of `chmr-bench pretrain` to start from"
    )
    heads: tuple[HeadKind, ...] = Field(
        ("network", "bits", "anchor", "readouts"),
        min_length=1,
        description="heads to fit, the best on the validation rows is kept: a network on "
        "head_inputs (the paper's), or a linear one on the bits, on log counts of the Morgan bits "
        "and fifteen descriptors, on the anchor, on predicted read-outs, or on the cell state that "
        "these and the molecule's own cells tell of",
    )
    head_blend: bool = Field(
        True,
        description="keep the mean of the best few heads where that is better on the validation "
        "rows; false = the best one alone",
    )
    head_strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (10.0, 30.0, 100.0, 300.0, 1000.0),
        min_length=1,
        description="L2 penalties tried for a linear head",
    )
    head_inputs: tuple[HeadInput, ...] = Field(
        ("bits", "fingerprint", "graph", "geometry"),
        min_length=1,
        description="what the head reads: raw bits, log counts, descriptors, projected 1D, 2D, "
        "3D, their sum, predicted read-outs, own cells",
    )
    head_embedding_scale: float = Field(
        0.3, gt=0, le=100, description="spread of a standardised embedding column, beside bits of 1"
    )
    forest_weight: float | None = Field(
        None,
        ge=0,
        description="gamma of chmr.forest-ensemble, gamma x head + forest; for it alone",
    )

    @field_validator("heads", "head_inputs", "head_strengths", mode="before")
    @classmethod
    def _one_or_more_heads(cls, value: Any) -> Any:
        """Take ``a`` or ``a,b`` for a list, as a command line gives it; and 3 for (3,)."""
        return (value,) if isinstance(value, int | float) else listed(value)

    @field_validator("heads", "head_inputs")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each once")
        return value

    @model_validator(mode="after")
    def _norm_needs_two(self) -> ChmrConfig:
        if self.head_norm == "batch" and self.head_batch_size == 1:
            raise ValueError("head_norm=batch needs a head_batch_size of 2 or more, or 0")
        return self


class FinetunedConfig(ChmrConfig):
    """Settings of `chmr.finetuned`: those of `chmr` for the frozen heads, and those of tuning."""

    candidates: Annotated[
        tuple[Literal["pretrained", "fresh", "frozen", "counts"], ...], LISTED
    ] = Field(
        ("pretrained", "fresh", "counts"),
        min_length=1,
        description="what is fitted: the pretrained encoder trained on, a fresh one of its shape, "
        "heads on the frozen one, or the networks of fingerprint.mlp on counts and descriptors; "
        "the best on the validation rows is kept, or a mean (head_blend)",
    )
    tune_graph: bool = Field(
        False,
        description="train the graph network too, some ten times slower; false = its projection, "
        "the bits and the shape alone, and no fresh encoder has a trained graph network",
    )
    tune_inputs: Annotated[tuple[Literal["bits", "counts", "descriptors"], ...], LISTED] = Field(
        ("counts", "descriptors"),
        min_length=1,
        description="what the tuned head reads beside the encoder: raw bits, log counts of the "
        "Morgan bits, fifteen descriptors",
    )
    tune_encoder_rate: float = Field(2e-4, gt=0, le=1, description="AdamW's, pretrained encoder")
    tune_fresh_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's in a fresh encoder")
    tune_learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's in the tuned head")
    tune_weight_decay: float = Field(0.01, ge=0, le=10, description="AdamW's while tuning")
    tune_encoder_dropout: float = Field(0.3, ge=0, lt=1, description="in the encoder while tuning")
    tune_dropout: float = Field(0.4, ge=0, lt=1, description="dropout in the tuned head")
    tune_hidden: int = Field(512, ge=8, le=8192, description="width of the tuned head")
    tune_batch_size: int = Field(128, ge=2, description="molecules a step while tuning")
    tune_epochs: int = Field(60, ge=1, le=10_000, description="epochs of tuning at most")
    tune_patience: int = Field(
        12, ge=1, description="epochs without a better validation score before tuning stops"
    )


class CellFinetunedConfig(FinetunedConfig):
    """Settings of `chmr.cell-finetuned`."""

    profile_dropout: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="share of the training molecules that an own profile is masked in, a modality "
        "at a time and drawn anew in every step",
    )

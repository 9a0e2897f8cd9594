"""The settings of MMSA: what pretraining depends on, and what fine-tuning adds.

Nothing of the paper (arXiv 2505.05877) but its abstract could be read, so that every value is an
assumption; the model card says which.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from chmr_bench.nn.pretraining.settings import LISTED, AtlasSettings, HeadConfig
from chmr_bench_mmsa.names import GRAPH, MODALITIES


class MmsaSettings(AtlasSettings):
    """All that the pretrained weights depend on, besides the data, the device and the precision."""

    cells: Annotated[tuple[()], LISTED] = Field(
        (), description="none: MMSA learns from structures alone"
    )
    shuffle_cells: Literal[False] = Field(False, description="there are no cells to permute")
    molecules: int = Field(
        20_000, ge=0, description="molecules of the atlas learnt from, drawn; 0 = all of them"
    )
    modalities: Annotated[tuple[str, ...], LISTED] = Field(
        MODALITIES, description="what is read of a molecule: graph, and of image and conformer any"
    )
    image_size: int = Field(
        64, ge=32, le=512, description="pixels of a drawing's side (on a GPU: 224)"
    )
    relaxed: bool = Field(False, description="relax conformers by MMFF94: ten times as slow")

    hidden: int = Field(300, ge=8, le=4096, description="width of the GIN")
    layers: int = Field(5, ge=1, le=12, description="layers of the GIN with virtual node")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout in the GIN while pretraining")
    image_width: int = Field(
        64, ge=4, le=256, description="channels of ResNet-18's first stage; 64 = as published"
    )
    conformer_hidden: int = Field(64, ge=8, le=1024, description="width of the 3D encoder")
    conformer_layers: int = Field(3, ge=1, le=12, description="interactions of the 3D encoder")
    cutoff: float = Field(5.0, gt=1, le=20, description="Angstrom as far as atoms see each other")
    code_hidden: int = Field(512, ge=8, le=8192, description="width between features and code")
    code: int = Field(256, ge=4, le=4096, description="width of the shared code")

    temperature: float = Field(0.1, gt=0, le=10, description="of the contrast between modalities")
    reconstruction_weight: float = Field(1.0, ge=0, description="of features from their own code")
    cross_weight: float = Field(1.0, ge=0, description="of features from another modality's code")
    hypergraph: bool = Field(True, description="learn from the nearest molecules, too")
    neighbours: int = Field(
        12, ge=2, le=1000, description="molecules of a hyperedge: one, and its nearest"
    )
    hypergraph_dropout: float = Field(0.5, ge=0, lt=1, description="dropout after the hypergraph")
    hypergraph_weight: float = Field(
        1.0, ge=0, description="of telling a molecule from what the hypergraph says of it"
    )
    anchors: int = Field(128, ge=0, le=65_536, description="anchors of the memory; 0 = no memory")
    address_temperature: float = Field(
        0.05, gt=0, le=1, description="of the cosines by which anchors are addressed"
    )
    memory_weight: float = Field(1.0, ge=0, description="of anchors drawn to molecules")
    commitment_weight: float = Field(0.25, ge=0, description="of molecules drawn to anchors")
    balance_weight: float = Field(1.0, ge=0, description="of using the anchors alike")

    epochs: int = Field(5, ge=0, le=100_000, description="passes over the molecules")
    batch_size: int = Field(256, ge=4, description="molecules a step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's")
    weight_decay: float = Field(1e-6, ge=0, le=1, description="Adam's, as an L2 penalty")
    average: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="decay of the weights' moving average, which is what is kept",
    )

    @field_validator("modalities")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Put them in their order; the graph, which every molecule has, is always among them."""
        if GRAPH not in value or not set(value) <= set(MODALITIES):
            raise ValueError(f"expected {GRAPH}, and of {', '.join(MODALITIES[1:])} any")
        return tuple(name for name in MODALITIES if name in value)


class MmsaConfig(HeadConfig, MmsaSettings):
    """Settings of `mmsa` and of its variants: pretraining, and the head on the embedding."""

    weights: str = Field(
        "", description="weights to start from: a safetensors file of `chmr-bench pretrain`"
    )
    graph_encoder: str = Field(
        "",
        description="weights of chmr, infoalign or mmsa whose graph encoder pretraining begins "
        "with: a safetensors file of `chmr-bench pretrain`",
    )

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        """Refuse an encoder from elsewhere that would pass for an untrained one, or for none."""
        if self.graph_encoder and (self.encoder == "random" or self.weights or not self.epochs):
            raise ValueError(
                "graph_encoder is where pretraining begins: it needs epochs, and neither "
                "encoder=random nor weights"
            )
        return self

"""The settings of InfoAlign: what pretraining depends on, and what fine-tuning adds.

The paper's value (arXiv 2406.12056) stands in the description where ours differs.
"""

from __future__ import annotations

from pydantic import Field

from chmr_bench.nn.pretraining.settings import AtlasSettings, HeadConfig


class InfoAlignSettings(AtlasSettings):
    """All that the pretrained weights depend on, besides the data, the device and the precision."""

    radius: int = Field(4, ge=0, le=6, description="radius of the Morgan bits to reconstruct")
    n_bits: int = Field(1024, ge=16, le=8192, description="number of Morgan bits to reconstruct")

    hidden: int = Field(300, ge=8, le=4096, description="width of the latent and the GIN")
    layers: int = Field(5, ge=1, le=12, description="layers of the GIN with virtual node")
    dropout: float = Field(
        0.2, ge=0, lt=1, description="dropout in the encoder while pretraining (paper: 0.5)"
    )
    decoder_hidden: int = Field(1200, ge=8, le=8192, description="width of the decoders")
    decoder_dropout: float = Field(0.5, ge=0, lt=1, description="dropout in the decoders")

    minimality_weight: float = Field(
        1e-9, ge=0, description="of the latent's divergence from the prior; 0 = no prior"
    )
    walk_length: int = Field(4, ge=1, le=64, description="steps of a walk on the context graph")
    neighbours: int = Field(
        0,
        ge=0,
        le=1000,
        description="structural neighbours a molecule is linked with, beside those of its "
        "scaffold (paper: none)",
    )

    epochs: int = Field(6, ge=0, le=100_000, description="passes over the atlas (paper: 300)")
    batch_size: int = Field(512, ge=3, description="molecules a step (paper: 3072)")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's (paper: 1e-4)")
    weight_decay: float = Field(1e-8, ge=0, le=1, description="Adam's, as an L2 penalty")
    average: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="decay of the weights' moving average, which is what is kept (paper: none)",
    )


class InfoAlignConfig(HeadConfig, InfoAlignSettings):
    """Settings of `infoalign` and of its variants: pretraining, and the head on the latent."""

    weights: str = Field(
        "",
        description="weights to start from: a safetensors file of `chmr-bench pretrain`, a .pt "
        "file with the tensors of the published code, or 'official' = the released checkpoint",
    )
    weights_sha256: str = Field(
        "",
        pattern="^([0-9a-f]{64})?$",
        description="sha256 that the file named by weights must have; '' = not checked, and of "
        "'official' the first download is pinned",
    )
    head_hidden: int = Field(1200, ge=8, le=8192, description="width of the head's hidden layers")


class InfoAlignTunedConfig(InfoAlignConfig):
    """Settings of `infoalign.finetuned`: the encoder is trained with the head."""

    tune_encoder_rate: float = Field(2e-4, gt=0, le=1, description="AdamW's in the encoder")
    tune_encoder_dropout: float = Field(0.2, ge=0, lt=1, description="in the encoder while tuning")
    head_epochs: int = Field(60, ge=1, le=100_000, description="epochs at most")
    head_patience: int = Field(
        12, ge=1, description="epochs without a better validation score before it stops"
    )
    head_batch_size: int = Field(128, ge=2, description="molecules a step")

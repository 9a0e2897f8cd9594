"""What CHMR reads of a molecule: the requests for its features, and the bits as a matrix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench import FeatureRequest, Inputs
from chmr_bench.types import FloatArray
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.weights import feature_requests

BITS = ("morgan", "maccs")
"""Blocks of the 1D modality, in their order."""


def requests(config: ChmrConfig) -> Mapping[str, FeatureRequest]:
    """Return what fine-tuning reads: the bits alone where the head reads nothing else."""
    needed = feature_requests(config)
    return needed if uses_encoder(config) else {name: needed[name] for name in BITS}


def uses_encoder(config: ChmrConfig) -> bool:
    """Return whether any head reads anything of the encoder."""
    network = "network" in config.heads and any(name != "bits" for name in config.head_inputs)
    return network or not set(config.heads) <= {"network", "bits"}


def uses_cells(config: ChmrConfig) -> bool:
    """Return whether the head reads the molecule's own cell read-outs."""
    return "cells" in config.head_inputs or "cells" in config.heads


def bits_of(inputs: Inputs) -> FloatArray:
    """Return the bits side by side, (n, d) float32; a molecule without them has none set."""
    parts = []
    for name in BITS:
        block = inputs.matrix(name)
        values = block.values if isinstance(block.values, np.ndarray) else block.values.toarray()
        parts.append(np.where(block.observed[:, None], values, 0).astype(np.float32))
    return np.concatenate(parts, axis=1)

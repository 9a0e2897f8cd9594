"""What CHMR reads of a molecule: the requests for its features, and the bits as a matrix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench import FeatureRequest, Inputs
from chmr_bench.features.properties import property_request
from chmr_bench.types import FloatArray
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.weights import feature_requests

BITS = ("morgan", "maccs")
"""Blocks of the 1D modality, in their order."""
RAW = frozenset({"bits", "counts", "descriptors"})
"""What a head reads of a molecule without the encoder."""


def requests(config: ChmrConfig) -> Mapping[str, FeatureRequest]:
    """Return what fine-tuning reads: the encoder's features only where the head reads those."""
    needed: dict[str, FeatureRequest] = feature_requests(config)
    if not uses_encoder(config):
        needed = {name: needed[name] for name in BITS}
    if uses_counts(config):
        needed |= counted(config)
    return needed


def counted(config: ChmrConfig) -> dict[str, FeatureRequest]:
    """Return the requests for counts of the Morgan bits, and for descriptors."""
    settings = {"radius": config.radius, "n_bits": config.n_bits, "counts": True}
    return {"counts": FeatureRequest("morgan", settings), "descriptors": property_request()}


def uses_counts(config: ChmrConfig) -> bool:
    """Return whether any head reads log counts or descriptors."""
    return "counts" in config.heads or bool({"counts", "descriptors"} & set(config.head_inputs))


def uses_encoder(config: ChmrConfig) -> bool:
    """Return whether any head reads anything of the encoder."""
    network = "network" in config.heads and not RAW.issuperset(config.head_inputs)
    return network or not set(config.heads) <= {"network", "bits", "counts"}


def uses_cells(config: ChmrConfig) -> bool:
    """Return whether the head reads the molecule's own cell read-outs."""
    return "cells" in config.head_inputs or "cells" in config.heads


def bits_of(inputs: Inputs, dtype: type = np.float32) -> FloatArray:
    """Return the bits side by side, (n, d); a molecule without them has none set."""
    blocks = [inputs.matrix(name) for name in BITS]
    ends = np.cumsum([block.values.shape[1] for block in blocks])
    bits: FloatArray = np.zeros((len(inputs), ends[-1]), dtype=dtype)
    for block, place in zip(blocks, np.split(bits, ends[:-1], axis=1), strict=True):
        values = block.dense()
        place[block.observed] = values[block.observed]
    return bits

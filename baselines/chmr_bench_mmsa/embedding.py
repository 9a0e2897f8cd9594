"""Unified codes of molecules by the frozen encoders."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import DataError, FitContext, Inputs
from chmr_bench.nn import embeddings
from chmr_bench.nn.pretraining.files import sha256_of
from chmr_bench.types import FloatArray
from chmr_bench_mmsa.weights import load_network

if TYPE_CHECKING:
    from chmr_bench_mmsa.network import MmsaNetwork

EMBEDDING_VERSION = "mmsa-1"
"""Changes whenever the same molecules and weights give other codes."""
IMAGES_AT_ONCE = 64
"""Molecules that go through the network at a time: drawings of 224 pixels take memory."""


@functools.lru_cache(maxsize=2)
def network_of(path: Path, sha256: str) -> MmsaNetwork:
    """Return the network of a weights file, read once a process; `sha256` names its content."""
    return load_network(path)[0]


def checked_network(context: FitContext) -> tuple[MmsaNetwork, str]:
    """Return the network of the context's weights, shared by all, and the sha256 of its file.

    Raises
    ------
    DataError
        No weights were given, or they are damaged.
    """
    if context.weights is None:
        raise DataError("MMSA starts from pretrained weights, and there are none")
    sha256 = sha256_of(context.weights)
    return network_of(context.weights, sha256), sha256


def unified_codes(inputs: Inputs, context: FitContext) -> FloatArray:
    """Return unified codes of n molecules, (n, k) float32: from the cache, or computed and cached.

    Of a modality that is not observed nothing enters the mean of a molecule's codes.
    """
    network, sha256 = checked_network(context)
    names = network.shape.modalities
    path = embeddings.cache_file(inputs, names, sha256, EMBEDDING_VERSION, context)
    k = network.shape.code
    codes = embeddings.read(path, len(inputs), k)
    if codes is None:
        moved = network.to(context.device)
        codes = embeddings.encoded(inputs, k, context, lambda part: _encode(part, moved, context))
        embeddings.write(path, codes, context)
    return codes


def _encode(inputs: Inputs, network: MmsaNetwork, context: FitContext) -> FloatArray:
    import torch

    from chmr_bench_mmsa.molecules import molecule_batch

    blocks = {name: inputs.blocks[name] for name in network.shape.modalities}
    reduced, parts = context.precision == "bfloat16", []
    with torch.inference_mode(), torch.autocast(context.device, torch.bfloat16, enabled=reduced):
        for start in range(0, len(inputs), IMAGES_AT_ONCE):
            rows = np.arange(start, min(start + IMAGES_AT_ONCE, len(inputs)))
            encoded = network.encode(molecule_batch(blocks, rows, context.device))
            parts.append(encoded.unified().float().cpu().numpy())
    return np.concatenate(parts)

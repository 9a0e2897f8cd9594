"""Latents of molecules by the frozen encoder."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import DataError, FitContext, Inputs
from chmr_bench.nn import embeddings
from chmr_bench.nn.pretraining.files import sha256_of
from chmr_bench.types import FloatArray
from chmr_bench_infoalign.weights import INPUTS, load_network

if TYPE_CHECKING:
    from chmr_bench_infoalign.network import InfoAlignNetwork

EMBEDDING_VERSION = "infoalign-1"
"""Changes whenever the same molecules and weights give other embeddings."""


@functools.lru_cache(maxsize=2)
def network_of(path: Path, sha256: str) -> InfoAlignNetwork:
    """Return the network of a weights file, read once a process; `sha256` names its content."""
    return load_network(path)[0]


def checked_network(context: FitContext) -> tuple[InfoAlignNetwork, str]:
    """Return the network of the context's weights, shared by all, and the sha256 of its file.

    Raises
    ------
    DataError
        No weights were given, or they are damaged.
    """
    if context.weights is None:
        raise DataError("InfoAlign starts from pretrained weights, and there are none")
    sha256 = sha256_of(context.weights)
    return network_of(context.weights, sha256), sha256


def embed(inputs: Inputs, context: FitContext) -> FloatArray:
    """Return mu of n molecules, (n, h) float32: from the cache, or computed and cached."""
    network, sha256 = checked_network(context)
    path = embeddings.cache_file(inputs, INPUTS, sha256, EMBEDDING_VERSION, context)
    h = network.shape.hidden
    latents = embeddings.read(path, len(inputs), h)
    if latents is None:
        moved = network.to(context.device)
        latents = embeddings.encoded(inputs, h, context, lambda part: _encode(part, moved, context))
        embeddings.write(path, latents, context)
    return latents


def _encode(inputs: Inputs, network: InfoAlignNetwork, context: FitContext) -> FloatArray:
    import torch

    from chmr_bench.nn.batch import graph_batch

    reduced = context.precision == "bfloat16"
    with torch.inference_mode(), torch.autocast(context.device, torch.bfloat16, enabled=reduced):
        mu = network.encode(graph_batch(inputs.graph(), device=context.device)).mu
    return np.asarray(mu.float().cpu().numpy())

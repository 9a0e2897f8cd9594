"""Latents of molecules by the frozen encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import FitContext, Inputs
from chmr_bench.nn import embeddings
from chmr_bench.types import FloatArray
from chmr_bench_infoalign.weights import INPUTS, WEIGHTS_FILE

if TYPE_CHECKING:
    from chmr_bench_infoalign.network import InfoAlignNetwork

EMBEDDING_VERSION = "infoalign-1"
"""Changes whenever the same molecules and weights give other embeddings."""


def checked_network(context: FitContext) -> tuple[InfoAlignNetwork, str]:
    """Return the network of the context's weights, shared by all, and the sha256 of its file.

    Raises
    ------
    DataError
        No weights were given, or they are damaged.
    """
    why = "InfoAlign starts from pretrained weights, and there are none"
    network, _, sha256 = WEIGHTS_FILE.of_context(context, why)
    return network, sha256


def embed(inputs: Inputs, context: FitContext) -> FloatArray:
    """Return mu of n molecules, (n, h) float32: from the cache, or computed and cached."""
    network, sha256 = checked_network(context)
    path = embeddings.cache_file(inputs, INPUTS, sha256, EMBEDDING_VERSION, context)
    h = network.shape.hidden
    return embeddings.cached(
        path, inputs, h, context, lambda part: _encode(part, network.to(context.device), context)
    )


def _encode(inputs: Inputs, network: InfoAlignNetwork, context: FitContext) -> FloatArray:
    import torch

    from chmr_bench.nn.batch import graph_batch

    with torch.inference_mode():
        mu = network.encode(graph_batch(inputs.graph(), device=context.device)).mu
    return np.asarray(mu.cpu().numpy())

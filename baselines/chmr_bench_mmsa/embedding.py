"""Unified codes of molecules by the frozen encoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import FitContext, Inputs
from chmr_bench.nn import embeddings
from chmr_bench.types import FloatArray
from chmr_bench_mmsa.weights import WEIGHTS_FILE

if TYPE_CHECKING:
    from chmr_bench_mmsa.network import MmsaNetwork

EMBEDDING_VERSION = "mmsa-1"
"""Changes whenever the same molecules and weights give other codes."""
IMAGES_AT_ONCE = 64
"""Molecules that go through the network at a time: drawings of 224 pixels take memory."""


def checked_network(context: FitContext) -> tuple[MmsaNetwork, str]:
    """Return the network of the context's weights, shared by all, and the sha256 of its file.

    Raises
    ------
    DataError
        No weights were given, or they are damaged.
    """
    why = "MMSA starts from pretrained weights, and there are none"
    network, _, sha256 = WEIGHTS_FILE.of_context(context, why)
    return network, sha256


def unified_codes(inputs: Inputs, context: FitContext) -> FloatArray:
    """Return unified codes of n molecules, (n, k) float32: from the cache, or computed and cached.

    Of a modality that is not observed nothing enters the mean of a molecule's codes.
    """
    network, sha256 = checked_network(context)
    names = network.shape.modalities
    path = embeddings.cache_file(inputs, names, sha256, EMBEDDING_VERSION, context)
    k = network.shape.code
    return embeddings.cached(path, inputs, k, context, lambda: _encoder(network, context))


def _encoder(network: MmsaNetwork, context: FitContext) -> Callable[[Inputs], FloatArray]:
    network = network.to(context.device)
    return lambda inputs: _encode(inputs, network, context)


def _encode(inputs: Inputs, network: MmsaNetwork, context: FitContext) -> FloatArray:
    import torch

    from chmr_bench_mmsa.molecules import molecule_batch

    blocks = {name: inputs.blocks[name] for name in network.shape.modalities}
    parts = []
    with torch.inference_mode():
        for start in range(0, len(inputs), IMAGES_AT_ONCE):
            rows = np.arange(start, min(start + IMAGES_AT_ONCE, len(inputs)))
            encoded = network.encode(molecule_batch(blocks, rows, context.device))
            parts.append(encoded.unified().cpu().numpy())
    return np.concatenate(parts)

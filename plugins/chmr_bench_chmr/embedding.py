"""What CHMR's frozen encoder makes of molecules; `nn.embeddings` keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench import DataError, FitContext, Inputs
from chmr_bench.nn import embeddings
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench.types import FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.shape import GEOMETRY, NetworkShape
from chmr_bench_chmr.weights import WEIGHTS_FILE, feature_requests

if TYPE_CHECKING:
    from torch import Tensor
    from torch_geometric.data import Batch

    from chmr_bench_chmr.network import ChmrNetwork

EMBEDDING_VERSION = "2"
"""Changes whenever the same molecules and weights give other embeddings."""
NO_WEIGHTS = "the head reads the encoder, but there are no pretrained weights"


def embed(inputs: Inputs, config: ChmrConfig, context: FitContext) -> dict[str, FloatArray]:
    """Return what the frozen encoder makes of n molecules.

    Returns
    -------
    dict of str to FloatArray
        (n, h) float32: the projected `fingerprint`, `graph` and (where the weights know it)
        `geometry`, and their sum, `anchor`; geometry that is not observed is zeros. And `readouts`
        (n, d): the standardised read-outs the decoders predict from the anchor, if there are any.

    Raises
    ------
    DataError
        There are no weights, or they were pretrained on other features.
    """
    (shape, d), metadata, sha256 = WEIGHTS_FILE.described(context, _shape_and_width, NO_WEIGHTS)
    _check_features(config, metadata)
    path = embeddings.cache_file(inputs, metadata.features, sha256, EMBEDDING_VERSION, context)
    latents = embeddings.cached(path, inputs, d, context, lambda: _encoder(config, context))
    names, h = shape.molecular, shape.hidden
    projected = {name: latents[:, i * h : (i + 1) * h] for i, name in enumerate(names)}
    anchor: FloatArray = np.sum(list(projected.values()), axis=0)
    readouts = {"readouts": latents[:, len(names) * h :]} if shape.cells else {}
    return {**projected, "anchor": anchor, **readouts}


def checked_network(config: ChmrConfig, context: FitContext) -> ChmrNetwork:
    """Return the network of the context's weights, shared by all: not to be trained.

    Raises
    ------
    DataError
        There are no weights, or they were pretrained on other features than the settings name.
    """
    network, metadata, _ = WEIGHTS_FILE.of_context(context, NO_WEIGHTS)
    _check_features(config, metadata)
    return network


def _check_features(config: ChmrConfig, metadata: WeightsMetadata[PretrainConfig]) -> None:
    """Raise DataError where the settings ask for other features than the weights were given."""
    wanted = feature_requests(config)
    differ = sorted(
        n for n in {*wanted, *metadata.features} if wanted.get(n) != metadata.features.get(n)
    )
    if differ:
        raise DataError(
            f"the weights were pretrained on another {', '.join(differ)} than the settings ask "
            f"for: set radius={metadata.config.radius}, n_bits={metadata.config.n_bits} and "
            f"geometry={metadata.config.geometry}, as the weights have them"
        )


def _shape_and_width(stored: Mapping[str, Any]) -> tuple[NetworkShape, int]:
    """Return the shape, and the columns of molecular latents and predicted read-outs."""
    shape = NetworkShape.from_json(stored)
    return shape, shape.hidden * len(shape.molecular) + sum(cell.d for cell in shape.cells)


def _encoder(config: ChmrConfig, context: FitContext) -> Callable[[Inputs], FloatArray]:
    network = checked_network(config, context).to(context.device)
    return lambda inputs: _encode(inputs, network, context)


def _encode(inputs: Inputs, network: ChmrNetwork, context: FitContext) -> FloatArray:
    """Return one chunk's molecular latents, then its predicted read-outs, side by side."""
    import torch

    with torch.inference_mode():
        parts = list(latents_of(inputs, network, context.device).values())
        if network.shape.cells:
            parts.append(network.readouts(torch.stack(parts).sum(0)))
    return np.concatenate([part.cpu().numpy() for part in parts], axis=1)


def latents_of(inputs: Inputs, network: ChmrNetwork, device: str) -> dict[str, Tensor]:
    """Return the projected molecular modalities of n molecules, name -> (n, h), on the device."""
    import torch

    from chmr_bench.features.profiles import CLIP
    from chmr_bench.nn.batch import graph_batch

    geometry = None
    if network.shape.geometry:
        block = inputs.matrix(GEOMETRY)
        raw = torch.from_numpy(np.asarray(block.values, dtype=np.float32)).to(device)
        values = network.standardise(GEOMETRY, raw).clamp(-CLIP, CLIP)  # as while learning
        geometry = values, torch.from_numpy(block.observed)
    graph, bits = graph_batch(inputs.graph(), device=device), reading.bits_of(inputs)
    return molecular_latents(network, torch.from_numpy(bits), graph, geometry)


def molecular_latents(
    network: ChmrNetwork, bits: Tensor, graph: Batch, geometry: tuple[Tensor, Tensor] | None
) -> dict[str, Tensor]:
    """Return the projected molecular modalities, name -> (b, h); zeros where not observed.

    Parameters
    ----------
    bits : Tensor
        (b, d) float32.
    geometry : tuple of Tensor | None
        Standardised (b, d), and which rows are observed (b,); None where the network has none.
    """
    import torch

    bits = bits.to(graph.x.device)
    if geometry is None:
        return network.encode(bits, graph)
    values, seen = (part.to(bits.device) for part in geometry)
    latents = network.encode(bits, graph, values, seen)
    latents[GEOMETRY] = torch.where(seen[:, None], latents[GEOMETRY], 0.0)
    return latents

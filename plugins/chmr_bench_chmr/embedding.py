"""Embeddings of the frozen encoder, computed once for the same molecules and weights.

The encoder is in eval mode: no dropout, batch norms with their stored statistics. So a molecule's
embedding depends on the molecule alone, and is read back from disk whenever it is wanted again.
"""

from __future__ import annotations

import functools
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import DataError, FitContext, Inputs, MatrixBlock
from chmr_bench.contracts.blocks import block_arrays
from chmr_bench.features.storage import read_block, write_block
from chmr_bench.nn.trainer import one_thread
from chmr_bench.paths import home
from chmr_bench.types import FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.weights import WeightsMetadata, feature_requests, load_network, sha256_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch_geometric.data import Batch

    from chmr_bench_chmr.network import ChmrNetwork

EMBEDDING_VERSION = "2"
"""Changes whenever the same molecules and weights give other embeddings."""
MOLECULES_AT_ONCE = 256


@functools.lru_cache(maxsize=2)
def network_of(path: Path, sha256: str) -> tuple[ChmrNetwork, WeightsMetadata]:
    """Return the network of a weights file, read once a process; `sha256` names its content."""
    return load_network(path)


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
    if context.weights is None:
        raise DataError("the head reads the encoder, but there are no pretrained weights")
    sha256 = sha256_of(context.weights)
    network, metadata = network_of(context.weights, sha256)
    _check_features(config, metadata)
    path = _cache_file(inputs, metadata, sha256, context)
    latents = _read(path, len(inputs), _width(network))
    if latents is None:
        latents = _compute(inputs, network, context)
        _write(path, latents, context)
    names, h = network.shape.molecular, network.shape.hidden
    found = {name: latents[:, i * h : (i + 1) * h] for i, name in enumerate(names)}
    anchor: FloatArray = np.sum(list(found.values()), axis=0)
    readouts = {"readouts": latents[:, len(names) * h :]} if network.shape.cells else {}
    return {**found, "anchor": anchor, **readouts}


def _check_features(config: ChmrConfig, metadata: WeightsMetadata) -> None:
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


def _compute(inputs: Inputs, network: ChmrNetwork, context: FitContext) -> FloatArray:
    """Encode in chunks, side by side; each chunk is computed alike whatever the cores."""
    starts = range(0, len(inputs), MOLECULES_AT_ONCE)
    chunks = [np.arange(s, min(s + MOLECULES_AT_ONCE, len(inputs))) for s in starts]
    moved = network.to(context.device)
    latents = np.zeros((len(inputs), _width(network)), dtype=np.float32)
    workers = context.n_jobs if context.device == "cpu" else 1
    with one_thread(), ThreadPoolExecutor(workers) as pool:
        encoded = pool.map(lambda rows: _encode(inputs.take(rows), moved, context), chunks)
        for done, (rows, part) in enumerate(zip(chunks, encoded, strict=True), start=1):
            latents[rows] = part
            context.progress(done, len(chunks), "batches embedded")
    return latents


def _width(network: ChmrNetwork) -> int:
    """Return the columns of the molecular latents and of the predicted read-outs."""
    shape = network.shape
    return shape.hidden * len(shape.molecular) + sum(cell.d for cell in shape.cells)


def _encode(inputs: Inputs, network: ChmrNetwork, context: FitContext) -> FloatArray:
    """Return one chunk's molecular latents, then its predicted read-outs, side by side."""
    import torch

    from chmr_bench.nn.batch import graph_batch
    from chmr_bench_chmr.network import GEOMETRY
    from chmr_bench_chmr.pretraining.values import CLIP

    reduced, geometry = context.precision == "bfloat16", None
    bits = torch.from_numpy(reading.bits_of(inputs))
    with torch.inference_mode(), torch.autocast(context.device, torch.bfloat16, enabled=reduced):
        if network.shape.geometry:
            block = inputs.matrix(GEOMETRY)
            raw = torch.from_numpy(np.asarray(block.values, dtype=np.float32)).to(context.device)
            values = network.standardise(GEOMETRY, raw).clamp(-CLIP, CLIP)  # as while learning
            geometry = values, torch.from_numpy(block.observed)
        graph = graph_batch(inputs.graph(), device=context.device)
        parts = list(molecular_latents(network, bits, graph, geometry).values())
        if network.shape.cells:
            parts.append(network.readouts(torch.stack(parts).sum(0)))
    return np.concatenate([part.float().cpu().numpy() for part in parts], axis=1)


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

    from chmr_bench_chmr.network import GEOMETRY

    bits = bits.to(graph.x.device)
    if geometry is None:
        return network.encode(bits, graph)
    values, seen = (part.to(bits.device) for part in geometry)
    latents = network.encode(bits, graph, values, seen)
    latents[GEOMETRY] = torch.where(seen[:, None], latents[GEOMETRY], 0.0)
    return latents


# ------------------------------------------------------------------------------------------- cache


def _cache_file(
    inputs: Inputs, metadata: WeightsMetadata, sha256: str, context: FitContext
) -> Path:
    """Return the place of these embeddings: named after all that they depend on."""
    digest = hashlib.sha256()
    for name in sorted(metadata.features):
        digest.update(name.encode() + b"\0")
        for array in block_arrays(inputs.blocks[name]):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data if array.size else b"")
    parts = [EMBEDDING_VERSION, sha256, digest.hexdigest(), context.device, context.precision]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return home() / "embeddings" / sha256[:16] / f"{key}.npz"


def _read(path: Path, n: int, d: int) -> FloatArray | None:
    """Return the stored (n, d) embeddings; None where there are none, or they are damaged."""
    try:
        block = read_block(path, n)
    except (FileNotFoundError, DataError):
        return None
    if not isinstance(block, MatrixBlock) or block.values.shape != (n, d):
        return None
    return np.asarray(block.values)


def _write(path: Path, latents: FloatArray, context: FitContext) -> None:
    try:
        write_block(path, MatrixBlock(latents, np.ones(len(latents), dtype=np.bool_)))
    except OSError as error:  # a cache that cannot be written costs time, never a result
        context.log.warning("embeddings are not cached: %s", error)

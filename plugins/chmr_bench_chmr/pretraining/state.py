"""The last thing to learn: the cell state, on what the finished network predicts of the atlas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from chmr_bench import WeightsRequest
from chmr_bench.nn.batch import graph_batch
from chmr_bench.types import BoolArray, IntArray
from chmr_bench_chmr.cell_state import Views
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.embedding import molecular_latents
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining.material import Material

MOLECULES = 20_000
"""At most, all modalities together; of each as many, at equal distances from those that have it."""
AT_ONCE = 256
HELD_OUT = 20
"""Measured molecules held out that a calibration needs."""
A_FACTOR = 4
"""Molecules that must have a modality, for each factor of the state."""


def factors(material: Material, config: PretrainConfig) -> int:
    """Return the width of the cell state: as set, or what so many read-outs can tell.

    Profiles measured in part are no part of it: its model of a cell takes a modality or leaves it.
    """
    cells = [v for v in material.cells.values() if not v.binary and v.entries is None]
    if not cells or config.encoder == "random":
        return 0
    fewest = min(int(values.observed.sum()) for values in cells)
    width = sum(values.x.shape[1] for values in material.cells.values())
    return min(config.state_factors, int(width), fewest // A_FACTOR)


def learn_state(
    network: ChmrNetwork, material: Material, request: WeightsRequest
) -> Mapping[str, float]:
    """Learn the network's cell state in place, if it has one; labels are not needed.

    Returns
    -------
    Mapping of str to float
        For the card: from how many molecules held out it was calibrated, and with what result;
        empty where there is no state, or too few of them were measured.
    """
    if network.state is None:
        return {}
    request.stage("cell state")
    seen = [material.cells[name].observed for name in network.state.cells]
    state = network.state.cpu()
    state.learn(_views(network, material, _drawn(seen), request.device))
    held_out = material.valid[np.any(seen, axis=0)[material.valid]]
    if len(held_out) < HELD_OUT:
        return {}
    trust, width = state.calibrate(_views(network, material, held_out, request.device))
    return {"held_out": len(held_out), "trust": round(trust, 4), "width": round(width, 4)}


def _views(network: ChmrNetwork, material: Material, rows: IntArray, device: str) -> Views:
    known = network.state.cells if network.state is not None else ()
    cells = {name: material.cells[name] for name in known}
    return Views(
        _predicted(network, material, rows, device),
        {name: torch.from_numpy(values.x[rows]) for name, values in cells.items()},
        {name: torch.from_numpy(values.observed[rows]) for name, values in cells.items()},
    )


def _drawn(observed: Sequence[BoolArray]) -> IntArray:
    """Return the rows to learn from, each once, in order."""
    parts = []
    for seen in observed:
        rows = np.flatnonzero(seen)
        n = min(len(rows), MOLECULES // len(observed))
        parts.append(rows[np.linspace(0, len(rows) - 1, n).astype(np.int64)])
    return np.unique(np.concatenate(parts))


def _predicted(network: ChmrNetwork, material: Material, rows: IntArray, device: str) -> Tensor:
    """Return the read-outs predicted from structure, (n, q) on the CPU."""
    parts = []
    for part in np.array_split(rows, -(-len(rows) // AT_ONCE)):
        latents = encoded(network, material, part, device)
        with torch.no_grad():
            parts.append(network.readouts(network.anchor(latents)).float().cpu())
    return torch.cat(parts)


@torch.no_grad()
def encoded(
    network: ChmrNetwork, material: Material, rows: IntArray, device: str
) -> dict[str, Tensor]:
    """Return the molecular latents of some molecules in eval mode; zeros where not observed."""
    bits = torch.from_numpy(material.bits[rows].toarray()).float()
    geometry = None
    if material.geometry is not None:
        part = material.geometry.x[rows], material.geometry.observed[rows]
        geometry = torch.from_numpy(part[0]), torch.from_numpy(part[1])
    graph = graph_batch(material.graph, rows, device)
    return molecular_latents(network.eval(), bits, graph, geometry)

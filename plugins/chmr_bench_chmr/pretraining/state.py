"""The last thing to learn: the cell state, on what the finished network predicts of the atlas."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chmr_bench import WeightsRequest
from chmr_bench.nn.batch import graph_batch
from chmr_bench.types import IntArray
from chmr_bench_chmr.cell_state import Views
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import GEOMETRY, ChmrNetwork
from chmr_bench_chmr.pretraining.material import Material

MOLECULES = 20_000
"""At most; drawn at equal distances from those with a read-out."""
A_FACTOR = 4
"""Molecules that must have a modality, for each factor of the state."""


def factors(material: Material, config: PretrainConfig) -> int:
    """Return the width of the cell state: as set, or what so many read-outs can tell."""
    cells = [values for values in material.cells.values() if not values.binary]
    if not cells or config.encoder == "random":
        return 0
    fewest = min(int(values.observed.sum()) for values in cells)
    width = sum(values.x.shape[1] for values in material.cells.values())
    return min(config.state_factors, int(width), fewest // A_FACTOR)


def learn_state(network: ChmrNetwork, material: Material, request: WeightsRequest) -> None:
    """Learn the network's cell state in place, if it has one; labels are not needed."""
    if network.state is None:
        return
    request.stage("cell state")
    cells = {name: material.cells[name] for name in network.state.cells}
    measured = np.flatnonzero(np.any([values.observed for values in cells.values()], axis=0))
    n = min(len(measured), MOLECULES)
    rows = measured[np.linspace(0, len(measured) - 1, n).astype(np.int64)]
    views = Views(
        _predicted(network, material, rows, request.device),
        {name: torch.from_numpy(values.x[rows]) for name, values in cells.items()},
        {name: torch.from_numpy(values.observed[rows]) for name, values in cells.items()},
    )
    network.state.cpu().learn(views)


def _predicted(network: ChmrNetwork, material: Material, rows: IntArray, device: str) -> Tensor:
    """Return the read-outs predicted from structure, (n, q) on the CPU."""
    network.eval()
    return torch.cat(
        [
            _part(network, material, part, device)
            for part in np.array_split(rows, -(-len(rows) // 256))
        ]
    )


@torch.no_grad()
def _part(network: ChmrNetwork, material: Material, rows: IntArray, device: str) -> Tensor:
    bits = torch.from_numpy(material.bits[rows].toarray()).to(device).float()
    values = seen = None
    if material.geometry is not None:
        values = torch.from_numpy(material.geometry.x[rows]).to(device)
        seen = torch.from_numpy(material.geometry.observed[rows]).to(device)
    latents = network.encode(bits, graph_batch(material.graph.take(rows), device), values, seen)
    anchor = network.anchor(latents, None if seen is None else {GEOMETRY: seen})
    return network.readouts(anchor).float().cpu()

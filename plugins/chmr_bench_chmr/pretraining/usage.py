"""How the finished tree is used: codes taken and perplexity of every level."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining.material import Material
from chmr_bench_chmr.pretraining.state import AT_ONCE, encoded
from chmr_bench_chmr.shape import GEOMETRY
from chmr_bench_chmr.tree_vq import perplexity

MOLECULES = 2048
"""Of the atlas, at equal distances; every modality they have counts."""


@torch.no_grad()
def tree_usage(network: ChmrNetwork, material: Material, device: str) -> list[dict[str, Any]]:
    """Return, level by level, its codes, those that are used, and their perplexity.

    A perplexity of 1 means that one code takes all, one of the number of codes that all take alike.
    """
    if network.tree is None:
        return []
    rows = np.linspace(0, len(material) - 1, min(MOLECULES, len(material))).astype(np.int64)
    codes = []
    for part in np.array_split(rows, -(-len(rows) // AT_ONCE)):
        latents = encoded(network, material, part, device)
        if material.geometry is not None:
            seen = torch.from_numpy(material.geometry.observed[part])
            latents[GEOMETRY] = latents[GEOMETRY][seen.to(device)]
        projections = list(latents.values())
        for name, values in material.cells.items():
            own = part[values.observed[part]]
            x, entries = torch.from_numpy(values.x[own]).to(device), None
            if values.entries is not None:
                entries = torch.from_numpy(values.entries[own]).to(device)
            projections.append(network.project(name, x, entries))
        codes += [network.codes(p).codes.cpu() for p in projections if len(p)]
    every = torch.cat(codes)
    return _levels(every, network.tree.sizes)


def _levels(codes: Tensor, sizes: Any) -> list[dict[str, Any]]:
    perplexities = perplexity(codes, sizes)
    return [
        {
            "level": level + 1,
            "codes": size,
            "used": len(torch.unique(codes[:, level])),
            "perplexity": round(perplexities[level], 2),
        }
        for level, size in enumerate(sizes)
    ]

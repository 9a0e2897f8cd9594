"""Tensor names of OGB's GIN with virtual node, as published models store it, under ours.

Published code keeps a table for every atom and bond feature, where `GinVirtualNode` keeps one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

ENCODER = "graph_encoder."
"""What the names of the encoder's tensors begin with, there and here."""
UNUSED = f"{ENCODER}bond_encoder."
"""Part of the published state that its forward pass never reads."""

_RENAMED = (
    (r"graph_encoder\.batch_norms\.(.+)", r"graph_encoder.norms.\1"),
    (r"graph_encoder\.mlp_virtualnode_list\.(.+)", r"graph_encoder.virtual_mlps.\1"),
    (r"graph_encoder\.virtualnode_embedding\.weight", "graph_encoder.virtual"),
    (r"(graph_encoder\.convs\.\d+\.(?:eps|mlp\..+))", r"\1"),
)
_TABLE = re.compile(r"(graph_encoder\.(?:convs\.\d+\.)?)(atom|bond)_encoder\..+\.(\d+)\.weight")


def translated(weights: Mapping[str, Tensor], renamed: Callable[[str], str]) -> dict[str, Tensor]:
    """Return published tensors under our names; what the published code never reads is left out.

    Parameters
    ----------
    renamed : Callable[[str], str]
        Gives our name of a tensor outside the encoder, or raises DataError.
    """
    tensors: dict[str, Tensor] = {}
    tables: dict[str, dict[int, Tensor]] = {}
    for key, tensor in weights.items():
        table = _TABLE.fullmatch(key)
        if key.startswith(UNUSED):
            continue
        if table:
            tables.setdefault(f"{table[1]}{table[2]}_table", {})[int(table[3])] = tensor
        else:
            tensors[_encoder_name(key) or renamed(key)] = tensor
    for key, parts in tables.items():
        tensors[key] = torch.cat([parts[i] for i in sorted(parts)])
    return tensors


def count(weights: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many tensors there are of a numbered name, from 0 on without a gap.

    Examples
    --------
    >>> count({"convs.0.eps": torch.ones(1), "convs.1.eps": torch.ones(1)}, "convs.{}.eps")
    2
    """
    n = 0
    while pattern.format(n) in weights:
        n += 1
    return n


def _encoder_name(key: str) -> str:
    """Return our name of a tensor of the encoder; "" where it is none."""
    for pattern, name in _RENAMED:
        match = re.fullmatch(pattern, key)
        if match:
            return match.expand(name)
    return ""

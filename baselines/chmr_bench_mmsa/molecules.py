"""Molecules in all their modalities: as blocks, and as tensors for the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from chmr_bench import DataError, GraphBlock, MatrixBlock
from chmr_bench.contracts import Block
from chmr_bench.nn.batch import graph_batch
from chmr_bench.types import IntArray
from chmr_bench_mmsa.names import CONFORMER, GRAPH, IMAGE

COLUMNS_OF_ATOM = 4
FULL_INK = 255.0


@dataclass(frozen=True)
class MoleculeBatch:
    """b molecules.

    Attributes
    ----------
    graph : Batch
        As `graph_batch` gives it.
    tensors : Mapping[str, Tensor]
        ``image`` -> (b, 3, s, s), ink from 0 to 1; ``conformer`` -> (b, v, 4), atomic number (0 =
        no atom) and place in Angstrom. What is not observed is 0.
    observed : Mapping[str, Tensor]
        Modality -> (b,) bool.
    """

    graph: Batch
    tensors: Mapping[str, Tensor]
    observed: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.graph.num_graphs)


def molecule_batch(
    blocks: Mapping[str, Block], rows: IntArray, device: torch.device | str = "cpu"
) -> MoleculeBatch:
    """Return molecules of these rows as tensors.

    Parameters
    ----------
    blocks : Mapping[str, Block]
        Modality -> its feature; the graph among them.

    Raises
    ------
    DataError
        A block is of the wrong kind.
    """
    graph = blocks.get(GRAPH)
    if not isinstance(graph, GraphBlock):
        raise DataError(f"MMSA reads a block {GRAPH!r} of graphs; there are {sorted(blocks)}")
    readers = {IMAGE: _images, CONFORMER: _atoms}
    tensors = {}
    observed = {GRAPH: torch.ones(len(rows), dtype=torch.bool, device=device)}
    for name, block in blocks.items():
        if name in readers:
            if not isinstance(block, MatrixBlock) or isinstance(block.values, np.ndarray):
                raise DataError(f"MMSA reads a block {name!r} as the feature {name!r} gives it")
            tensors[name] = readers[name](block.values[rows]).to(device)
            observed[name] = torch.from_numpy(block.observed_rows[rows]).to(device)
    return MoleculeBatch(graph_batch(graph, rows, device), tensors, observed)


def _images(ink: Any) -> Tensor:
    """Return drawings (b, s x s) as (b, 3, s, s): grey in three colours, which ResNet-18 reads."""
    size = round(ink.shape[1] ** 0.5)
    grey = torch.from_numpy(ink.toarray()).float() / FULL_INK
    return grey.view(-1, 1, size, size).expand(-1, 3, -1, -1)


def _atoms(values: Any) -> Tensor:
    """Return atoms (b, 4 v) as (b, v, 4), v the most that one of them has."""
    last = int(values.indices.max(initial=0))
    width = (last // COLUMNS_OF_ATOM + 1) * COLUMNS_OF_ATOM
    atoms = np.ascontiguousarray(values[:, :width].toarray(), dtype=np.float32)
    return torch.from_numpy(atoms).view(len(atoms), -1, COLUMNS_OF_ATOM)

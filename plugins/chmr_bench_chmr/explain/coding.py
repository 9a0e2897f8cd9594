"""Latents of every modality and their codes in the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from chmr_bench import FitContext, Inputs, MatrixBlock
from chmr_bench.errors import DataError, SettingError
from chmr_bench.features.profiles import CLIP
from chmr_bench.types import BoolArray, FloatArray, IntArray
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.embedding import embed
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.tree_vq import TreeVQ
from chmr_bench_chmr.weights import WEIGHTS_FILE

ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class CodedModality:
    """One modality of n molecules.

    Attributes
    ----------
    latents : FloatArray
        (n, h) projected values; rows that are not observed mean nothing.
    codes : IntArray
        (n, l) the code within each level, from 0; -1 where it is not observed.
    observed : BoolArray
        (n,) bool.
    """

    latents: FloatArray
    codes: IntArray
    observed: BoolArray


@dataclass(frozen=True)
class CodedLatents:
    """All modalities of the molecules.

    Attributes
    ----------
    modalities : Mapping[str, CodedModality]
        Name -> its latents and codes; the molecular ones first.
    sizes : tuple[int, ...]
        Number of codes of each of the l levels.
    is_tree : bool
        True where level h has 2^h codes and code c has the children 2c and 2c + 1.
    """

    modalities: Mapping[str, CodedModality]
    sizes: tuple[int, ...]
    is_tree: bool


def coded_latents(config: ChmrConfig, inputs: Inputs, context: FitContext) -> CodedLatents:
    """Encode the molecules with the context's weights and quantise what comes out."""
    if context.weights is None or not context.weights.is_file():
        raise DataError(
            f"there is no weights file to explain ({context.weights}); chmr-bench pretrain makes it"
        )
    network, *_ = WEIGHTS_FILE.of_context(context, "there are no weights to explain")
    if network.tree is None:
        raise SettingError(
            f"the weights {context.weights} were pretrained without a tree (tree='none'): there "
            "are no codes to explain; pretrain with tree='tree' or tree='flat'"
        )
    latents = embed(inputs, config, context)
    coded = {
        name: _coded(network, latents[name], _observed(inputs, name))
        for name in network.shape.molecular
    }
    network.to("cpu")  # where `embed` may have left it elsewhere
    for name, block in _known_cells(inputs, network):
        coded[name] = _coded(network, _projected(network, name, block), block.observed_rows)
    return CodedLatents(coded, tuple(network.tree.sizes), isinstance(network.tree, TreeVQ))


def _observed(inputs: Inputs, name: str) -> BoolArray:
    """Return which molecules have a molecular modality: all, but for the geometry."""
    block = inputs.blocks.get(name)
    if block is None:  # the bits come under their own names
        return np.ones(len(inputs), dtype=np.bool_)
    return block.observed


def _known_cells(inputs: Inputs, network: ChmrNetwork) -> Iterator[tuple[str, MatrixBlock]]:
    """Yield the cell blocks of which the network knows name and width."""
    for cell in network.shape.cells:
        block = inputs.blocks.get(cell.name)
        if isinstance(block, MatrixBlock) and block.values.shape[1] == cell.d:
            yield cell.name, block


def _projected(network: ChmrNetwork, name: str, block: MatrixBlock) -> FloatArray:
    """Return the latents of a cell block, (n, h); a value that is NaN counts as the mean.

    In part, the network reads which there are.
    """
    in_part = any(cell.in_part for cell in network.shape.cells if cell.name == name)
    if not in_part:
        block.settled().complete_rows(name, "a network that learnt from full ones")
    values = block.dense()
    latents = np.zeros((len(values), network.shape.hidden), dtype=np.float32)
    rows, entries = np.flatnonzero(block.observed_rows), block.entries
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        with torch.inference_mode():
            raw = torch.from_numpy(values[part].astype(np.float32))
            x = torch.nan_to_num(network.standardise(name, raw), nan=0.0).clamp(-CLIP, CLIP)
            known = torch.from_numpy(entries[part]) if in_part else None
            latents[part] = network.project(name, x, known).numpy()
    return latents


def _coded(network: ChmrNetwork, latents: FloatArray, observed: BoolArray) -> CodedModality:
    """Return the latents with their codes."""
    network.to("cpu")
    codes: list[IntArray] = []
    with torch.inference_mode():
        for start in range(0, len(latents), ROWS_AT_ONCE):
            part = np.ascontiguousarray(latents[start : start + ROWS_AT_ONCE], dtype=np.float32)
            codes.append(network.codes(torch.from_numpy(part)).codes.numpy())
    all_codes = np.concatenate(codes)
    all_codes[~observed] = -1
    return CodedModality(latents, all_codes, observed)

"""Compares the network with published tensors: ``python -m chmr_bench_infoalign.parity DIR``.

`DIR` is in the layout of `chmr_bench.nn.parity`; ``outputs.safetensors`` also gives ``walk_target``
(b, s, d), NaN where a node lacks the modality, ``walk_weight`` (b, s) and a sample ``z`` (b, h).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from chmr_bench import DataError
from chmr_bench.nn.parity import (
    TensorDifference,
    batch_of,
    differences,
    filled,
    report,
    stored,
)
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench_infoalign.network import InfoAlignNetwork
from chmr_bench_infoalign.objective import minimality, sufficiency
from chmr_bench_infoalign.published_keys import published_shape, translated

GIVEN = ("walk_target", "walk_weight", "z")
"""Tensors among the outputs that are given, not computed."""
PREDICTED: Mapping[str, tuple[str, ...]] = {
    "pred_molecule": ("molecule",),
    "pred_gene": ("gene.crispr", "gene.orf"),
    "pred_cell": ("morphology.bray", "morphology.jump"),
    "pred_expression": ("expression",),
}
"""Published output -> the target spaces whose logits stand in it, side by side."""


def compare(folder: Path) -> list[TensorDifference]:
    """Return the difference of every published output, in the order of their names.

    Raises
    ------
    DataError
        A file is missing or unreadable, or holds an output that cannot be computed here.
    """
    weights, graphs, given = (stored(folder, name) for name in ("weights", "graphs", "outputs"))
    missing = [name for name in GIVEN if name not in given]
    if missing:
        raise DataError(f"{folder}/outputs.safetensors lacks {missing}")
    with torch.no_grad():
        computed = outputs(load(weights), graphs, given)
    published = {name: tensor for name, tensor in given.items() if name not in GIVEN}
    return differences(folder, published, computed)


def load(weights: Mapping[str, Tensor]) -> InfoAlignNetwork:
    """Return the network of the published tensors, in eval mode; every tensor has its place."""
    return filled(InfoAlignNetwork(published_shape(weights)), translated(weights))


def outputs(
    network: InfoAlignNetwork, graphs: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return all that is compared, by the published names."""
    h = network.graph_encoder(batch_of(graphs))
    latent = network.latent(h)
    tensors = {"graph_representation": h, "mu": latent.mu, "sigma": latent.sigma}
    for name, spaces in PREDICTED.items():
        tensors[name] = torch.cat([network.decode(space, latent.mu) for space in spaces], dim=1)
    target, weight = given["walk_target"], given["walk_weight"]
    walk = WalkTargets.of_walks(target, weight)
    tensors["sufficiency_expression"] = sufficiency(network, latent.mu, "expression", walk)
    tensors["minimality_at_z"] = minimality(latent, given["z"])
    return tensors


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the differences of a folder; 0 where all agree, 1 where not, 2 for a wrong call."""
    return report("chmr_bench_infoalign.parity", compare, arguments)


if __name__ == "__main__":
    sys.exit(main())

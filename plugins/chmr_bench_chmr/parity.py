"""Compares the network with tensors of the published: ``python -m chmr_bench_chmr.parity DIR``.

`DIR` holds ``weights.safetensors`` (the published state), ``graphs.safetensors``,
``outputs.safetensors`` (what the published code gave, and its inputs ``x_*``, ``walk_*``) and
``meta.json``. The weights are loaded through a key map; every output is then computed here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from chmr_bench.nn.parity import (
    TensorDifference,
    batch_of,
    differences,
    filled,
    read_meta,
    report,
    stored,
)
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.objective import StepInputs, objective
from chmr_bench_chmr.published_keys import CELLS, DECODERS, published_shape, translated
from chmr_bench_chmr.shape import FINGERPRINT, GEOMETRY
from chmr_bench_chmr.tree_vq import code_to_sample_loss, tree_loss

INPUTS = ("x_", "walk_")
"""What the names of tensors begin with that are given, not computed."""

WRITTEN = "context_reconstruction_"


def compare(folder: Path) -> list[TensorDifference]:
    """Return the difference of every published output, in the order of their names.

    Raises
    ------
    DataError
        A file is missing or unreadable, or holds an output that cannot be computed here.
    """
    weights, graphs, given = (stored(folder, name) for name in ("weights", "graphs", "outputs"))
    network = load(weights)
    with torch.no_grad():
        computed = outputs(
            network,
            batch_of(graphs),
            given,
            read_meta(folder, {"temperature", "commitment_weight"}),
        )
    expected = sorted(name for name in given if not name.startswith(INPUTS))
    return differences(folder, {name: given[name] for name in expected}, computed)


def load(weights: Mapping[str, Tensor]) -> ChmrNetwork:
    """Return the network of the published tensors, in eval mode; every tensor has its place."""
    network = ChmrNetwork(published_shape(weights))
    own = {name: t for name, t in network.state_dict().items() if name.startswith("scales.")}
    return filled(network, {**own, **translated(weights)})


def outputs(
    network: ChmrNetwork, graph: Batch, given: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return all that is compared, by the published names."""
    latents = network.encode(given["x_fingerprint"], graph, given["x_geometry"])
    anchor = network.anchor(latents)
    outputs = {"anchor": anchor, "graph_representation": network.graph_encoder(graph)}
    both = latents | {name: network.project(name, given[f"x_{name}"]) for name in CELLS}
    for name, p in both.items():
        codes = network.codes(p)
        outputs[f"latent_{name}"] = p
        outputs[f"codes_{name}"], outputs[f"quantised_{name}"] = codes.codes, codes.quantised
    outputs["tree_vq_loss"] = tree_vq_loss(network, both.values(), meta["commitment_weight"])
    for name in DECODERS:
        outputs[f"reconstruction_{name}"] = network.decode(name, both.get(name, anchor))
    return outputs | losses(network, latents, given, meta["temperature"])


def tree_vq_loss(network: ChmrNetwork, latents: Iterable[Tensor], extra_weight: float) -> Tensor:
    """Return the published quantisation loss, its code-to-sample term included."""
    terms = []
    for p in latents:
        codes = network.codes(p)
        loss = tree_loss(p, codes, 1.0)
        if network.tree is not None:
            loss = loss + extra_weight * code_to_sample_loss(network.tree, p, codes)
        terms.append(loss)
    return torch.stack(terms).mean()


def losses(
    network: ChmrNetwork,
    latents: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    temperature: float,
) -> dict[str, Tensor]:
    """Return the published losses as the objective gives them with `as_published`."""
    everywhere = torch.ones(len(latents[FINGERPRINT]), dtype=torch.bool)
    kinds = [name.removeprefix(WRITTEN) for name in given if name.startswith(WRITTEN)]
    step = StepInputs(
        latents=latents,
        observed=dict.fromkeys((GEOMETRY, *CELLS), everywhere),
        cells={name: given[f"x_{name}"] for name in CELLS},
        augmented={name: given[f"x_{name}_augmented"] for name in CELLS},
        walks=dict.fromkeys(
            kinds, WalkTargets.of_walks(given["walk_target"], given["walk_weight"])
        ),
    )
    settings = {"as_published": True, "temperature": temperature}
    terms = objective(network, PretrainConfig.model_validate(settings), step)
    outputs = {f"{WRITTEN}{kind}": terms[f"reconstruction.{kind}"] for kind in kinds}
    for term in ("instance_alignment", "distribution_alignment"):
        outputs[term] = torch.stack([terms[f"{term}.{name}"] for name in CELLS])
    return outputs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the differences of a folder; 0 where all agree, 1 where not, 2 for a wrong call."""
    return report("chmr_bench_chmr.parity", compare, arguments)


if __name__ == "__main__":
    sys.exit(main())

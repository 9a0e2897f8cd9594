"""A step of InfoAlign's pretraining beside a plain loop over the steps of its walks, same batch.

    python benchmarks/infoalign.py [--molecules 512] [--batch 256] [--hidden 300] [--repeats 3]

The plain step follows the formula: molecules are collated one by one, PyTorch Geometric sends the
messages, and for each step of the walks every target space is decoded and compared anew. The two
take turns, on one thread, and processor time counts. Without dropout their losses must agree on the
same walks: a fast wrong step does not count. Ends with 1 where they do not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import Any

import numpy as np
import torch
from encoder import molecules, seconds
from results import result
from scipy import sparse
from torch.nn import functional
from torch_geometric.data import Batch, Data

from chmr_bench import MatrixBlock
from chmr_bench.cells import Atlas, walks
from chmr_bench.cells.graph import GraphSettings, build
from chmr_bench.features.graphs import graph
from chmr_bench.features.plugin import FEATURES
from chmr_bench.lazy import load_object
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.pretraining.batches import TargetSampler
from chmr_bench.nn.pretraining.material import AtlasMaterial
from chmr_bench.nn.pretraining.values import min_max
from chmr_bench_infoalign.config import InfoAlignSettings
from chmr_bench_infoalign.network import MOLECULE, InfoAlignNetwork
from chmr_bench_infoalign.objective import objective
from chmr_bench_infoalign.pretraining.learning import new_network

AT_LEAST = 1.3
"""1.6 was measured where 3 was hoped for: both steps share the encoder's matrix products.

Of 1.13 s of processor time a step (256 molecules, width 300) the encoder takes 1.01 s, forward and
backward; walks and batches 3 ms, decoders and losses 0.11 s. The plain step takes 1.5 to 2 s, of
which 1.1 s in the same encoder. Were all else free, the ratio would be 1.5 to 2."""
TOLERANCE = 1e-4
LENGTH = 4
PROFILES = {"morphology": (812, 0.6), "expression": (978, 0.3)}
"""Block -> columns, and the share of molecules that have it; as in the small real atlases."""


def atlas(n: int) -> Atlas:
    """Return drug-like molecules with simulated profiles."""
    rng, smiles = np.random.default_rng(0), tuple(molecules(n))
    blocks = {
        name: MatrixBlock(rng.normal(size=(n, d)), rng.random(n) < share)
        for name, (d, share) in PROFILES.items()
    }
    return Atlas("simulated", smiles, tuple(map(str, range(n))), blocks, synthetic=True)


def material(n: int) -> AtlasMaterial:
    """Return such molecules with their context graph."""
    simulated = atlas(n)
    smiles, blocks = simulated.smiles, simulated.blocks
    spec = next(spec for spec in FEATURES if spec.name == "morgan")
    bits = sparse.csr_array(
        load_object(spec.compute)(smiles, **{**spec.settings, "radius": 4, "n_bits": 1024}).values,
        dtype=np.uint8,
    )
    links = build(simulated, bits, GraphSettings(neighbours=0))
    rows = np.arange(n)
    cells = {name: min_max(block) for name, block in blocks.items()}
    return AtlasMaterial(simulated.every_key, bits, graph(smiles), cells, links, rows, rows[:0])


class Plain:
    """The step as the formula reads; its molecules are PyTorch Geometric's `Data`, one each."""

    def __init__(self, m: AtlasMaterial, network: InfoAlignNetwork) -> None:
        self.m, self.network = m, network
        self.data = []
        for row in range(len(m)):
            one = graph_batch(m.graph, np.array([row]))
            self.data.append(Data(x=one.x, edge_index=one.edge_index, edge_attr=one.edge_attr))
        self.bits = m.bits.toarray().astype(np.float32)

    def loss(self, rows: Any, met: walks.Walks) -> torch.Tensor:
        """Return the total of the loss terms, without the prior's sample."""
        self.network.graph_encoder.backend = "pyg"
        mu = self.network.encode(Batch.from_data_list([self.data[row] for row in rows])).mu
        sums = {name: [torch.zeros(()), 0] for name in (MOLECULE, *self.m.cells)}
        for name, values in self.m.cells.items():  # a walk begins at its molecule
            there = np.flatnonzero(values.observed[rows])
            self._add(sums[name], name, mu, there, values.x[rows[there]], np.ones(len(there)))
        links: Any = self.m.links
        for step in range(LENGTH + 1):
            nodes, weight = met.nodes[:, step], met.weight[:, step]
            for at, name in enumerate(links.kinds):
                there = np.flatnonzero((links.kind[nodes] == at) & (weight > 0))
                row = links.row[nodes[there]]
                x = self.bits[row] if name == MOLECULE else self.m.cells[name].x[row]
                self._add(sums[name], name, mu, there, x, weight[there])
        entries = {name: d for name, (_, d) in sums.items()}
        entries[MOLECULE] = len(rows) * self.bits.shape[1]  # as ours: of every molecule once
        return torch.stack([total / entries[name] for name, (total, _) in sums.items()]).sum()

    def _add(self, into: list[Any], name: str, mu: Any, there: Any, x: Any, weight: Any) -> None:
        logits = self.network.decode(name, mu)[there]
        error = functional.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(np.ascontiguousarray(x)), reduction="none"
        )
        into[0] = into[0] + (error * torch.from_numpy(weight.astype(np.float32))[:, None]).sum()
        into[1] += error.numel()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return times, their ratio, and how far the losses are apart."""
    m = material(options.molecules)
    config = InfoAlignSettings(hidden=options.hidden, dropout=0.0, decoder_dropout=0.0)
    network = new_network(m, config, 0).train()
    plain, sampler = Plain(m, network), TargetSampler(m, LENGTH, torch.device("cpu"))
    rows = np.random.default_rng(1).permutation(len(m))[: options.batch]
    losses: dict[str, float] = {}

    def learn(name: str, loss: torch.Tensor) -> None:
        network.zero_grad()
        loss.backward()
        losses[name] = loss.item()

    def ours() -> None:
        network.graph_encoder.backend = "compiled"
        targets = sampler.targets(rows, np.random.default_rng(2))
        latent = network.encode(graph_batch(m.graph, rows))
        learn("ours", objective(network, latent, targets, 0.0)["total"])

    def theirs() -> None:
        met = walks.walk(m.links, rows, LENGTH, np.random.default_rng(2))
        learn("plain", plain.loss(rows, met))

    first, second = seconds([ours, theirs], options.repeats)
    ratios = [b / a for a, b in zip(first, second, strict=True)]
    return {
        "ours_s": round(min(first), 3),
        "plain_s": round(min(second), 3),
        "ratio": round(statistics.median(ratios), 2),
        "loss": losses["ours"],
        "difference": abs(losses["ours"] - losses["plain"]) / abs(losses["plain"]),
    }


def main() -> int:
    """Print the report; 1 where the losses differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value in (("molecules", 512), ("batch", 256), ("hidden", 300), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    torch.set_num_threads(1)
    report = measure(parser.parse_args())
    print(json.dumps(report, indent=1))
    what = "InfoAlign's pretraining step against a plain loop over walk steps, times as fast"
    result(what, report["ratio"], at_least=AT_LEAST)
    return int(report["difference"] > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())

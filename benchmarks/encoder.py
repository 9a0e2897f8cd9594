"""The graph encoder: compiled kernels beside PyTorch Geometric's, on the same weights and graphs.

    python benchmarks/encoder.py [--molecules 256] [--hidden 300] [--layers 5] [--repeats 7]

The back ends take turns, on one thread, and processor time counts, so that other work on the
machine bears on both alike. Without dropout their outputs must agree: a fast wrong encoder does not
count. Ends with 1 where they do not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from chmr_bench.features.graphs import graph
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.gnn import GinVirtualNode

TOLERANCE = 1e-6
"""Largest difference that counts as equal, over the largest output."""
RINGS = ("c1ccccc1", "c1ccncc1", "C1CCNCC1", "c1ccsc1", "c1ccc2[nH]ccc2c1")
LINKS = ("C(=O)N", "CC", "S(=O)(=O)N", "OCC", "C(=O)O", "NC(=O)")
ENDS = ("C", "O", "F", "C#N", "C(F)(F)F", "C(C)C", "N(C)C", "OC")


def molecules(n: int) -> list[str]:
    """Return SMILES of the size of drugs."""
    parts = itertools.product(ENDS, LINKS, RINGS, LINKS, ENDS)
    every = [f"{a}{link}{ring[:-1]}({other}{b}){ring[-1]}" for a, link, ring, other, b in parts]
    return [every[i * len(every) // n] for i in range(n)]


def seconds(calls: Sequence[Callable[[], Any]], repeats: int) -> list[list[float]]:
    """Return the processor time of each call, in turns; the first turn warms up."""
    per_call: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 1):
        for call, times in zip(calls, per_call, strict=True):
            started = time.process_time()
            call()
            if turn:
                times.append(time.process_time() - started)
    return per_call


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return times, ratios and the largest difference."""
    torch.manual_seed(0)
    network = GinVirtualNode(options.hidden, options.layers, options.dropout)
    batch = graph_batch(graph(molecules(options.molecules)))
    report: dict[str, Any] = {"atoms": batch.num_nodes, "bonds": batch.num_edges}

    def encode(backend: Any, learning: bool) -> Any:
        network.backend = backend
        network.train(learning)
        with torch.inference_mode(not learning):
            out = network(batch)
        if learning:
            out.square().mean().backward()
        return out

    for name, learning in (("forward", False), ("forward_backward", True)):
        calls = [lambda b=b, k=learning: encode(b, k) for b in ("compiled", "pyg")]
        ours, theirs = seconds(calls, options.repeats)
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        report[name] = {
            "compiled_s": round(min(ours), 4),
            "pyg_s": round(min(theirs), 4),
            "ratio": round(statistics.median(ratios), 2),
        }
    ours, theirs = (encode(backend, False) for backend in ("compiled", "pyg"))
    report["difference"] = float((ours - theirs).abs().max() / theirs.abs().max())
    return report


def main() -> int:
    """Print the report as JSON; 1 where the back ends differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("molecules", 256), ("hidden", 300), ("layers", 5), ("repeats", 7)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dropout", type=float, default=0.2)
    torch.set_num_threads(1)
    report = measure(parser.parse_args())
    print(json.dumps(report, indent=1))
    return 0 if report["difference"] <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())

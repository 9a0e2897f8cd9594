"""All registered atlases of measured cells merged, and the context graph that CHMR walks on.

    CHMR_BENCH_MIRROR=FOLDER python benchmarks/all_atlases.py [--jobs 2] [--share 0.5]
        [--atlas NAME ...] [--without NAME ...]

Every step is that of a pretraining of `chmr`: atlases opened and merged, the benchmarks' test
molecules left out, bits, exact neighbours, the rest of the graph. Keys, bits and neighbours are
cached: a first run with an empty CHMR_BENCH_HOME is cold, a second warm. The peak is the resident
memory of the process and its workers together; seconds of all cores tell of the work where a
machine has other work, too. `--share` makes the graph of so many of the molecules alone.

Of a block that few of the molecules have, their rows alone are held; what all would take laid out
for every molecule is printed beside it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from context_graph import Clock
from results import result
from threadpoolctl import threadpool_limits

from chmr_bench import AtlasSpec, MatrixBlock, WeightsRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.cells.graph import ContextGraph, GraphSettings
from chmr_bench.data.fetch import options_from_env
from chmr_bench.features.neighbours import kept_nearest
from chmr_bench.nn.pretraining.features import compute_features
from chmr_bench.nn.pretraining.material import cell_blocks, context_graph
from chmr_bench.nn.pretraining.values import standardised
from chmr_bench.paths import neighbour_folder
from chmr_bench.plugins import registry
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.pretraining.material import MAX_LINKS, joined_bits
from chmr_bench_chmr.weights import feature_requests

SECONDS_TARGET, GIGABYTES_TARGET = 1200.0, 8.0
HARD_LIMIT = 14e9
"""Bytes the process may ask for: other work on the machine is not to end for lack of memory."""
BYTES = np.dtype(np.float32).itemsize


class Steps:
    """Takes the time of each step, and the seconds of all cores that it took."""

    def __init__(self) -> None:
        self.clock, self.cores, self.seconds = Clock(), cores_seconds(), 0.0

    def done(self, what: str) -> None:
        """Print what the step since the last one took."""
        before, self.cores = self.cores, cores_seconds()
        self.seconds += self.clock.lap(what)
        print(f"{'':34s} {self.cores - before:8.1f} s of all cores", flush=True)


def cores_seconds() -> float:
    """Return the seconds that all cores worked for this process and its workers so far."""
    own = psutil.Process()
    return sum(sum(one.cpu_times()[:4]) for one in (own, *own.children(recursive=True)))


def chosen(arguments: argparse.Namespace) -> list[AtlasSpec]:
    """Return the atlases of measured cells whose files are pinned, or those that are named."""
    specs = [registered.spec for registered in registry().atlases.values()]
    cells = [s for s in specs if s.kind == "cells" and s.sources and not s.synthetic]
    wanted = [s for s in cells if s.name in (arguments.atlas or [s.name])]
    return [s for s in wanted if s.name not in arguments.without]


def graph_of(atlas: Atlas, jobs: int, steps: Steps) -> ContextGraph:
    """Return the context graph as a pretraining of `chmr` makes it."""
    config = PretrainConfig()
    with tempfile.TemporaryDirectory() as folder:
        request = WeightsRequest(AtlasData(options_from_env()), Path(folder), n_jobs=jobs)
        atlas = replace(atlas, blocks=cell_blocks(atlas, config, 0))
        wanted = {k: v for k, v in feature_requests(config).items() if k in ("morgan", "maccs")}
        bits = joined_bits(compute_features(atlas.smiles, wanted, request))
        steps.done("bits")
        morgan: Any = bits[:, : config.n_bits]
        near = kept_nearest(morgan, config.neighbours, neighbour_folder(), n_jobs=jobs)
        steps.done(f"{config.neighbours} nearest neighbours, exact")
        cells = {name: standardised(block) for name, block in atlas.blocks.items()}
        settings = GraphSettings(neighbours=min(MAX_LINKS, config.neighbours))
        graph = context_graph(atlas, cells, (morgan, near), settings, request)
        steps.done("the rest of the graph")
    return graph


def entries_of(block: MatrixBlock) -> int:
    """Return how many numbers of a block were measured."""
    observed = int(block.observed.sum())
    return observed if block.in_part else observed * block.values.shape[1]


def describe(atlas: Atlas, graph: ContextGraph) -> None:
    """Print how large all of it is."""
    columns = sum(block.values.shape[1] for block in atlas.blocks.values())
    measured, cells = sum(map(entries_of, atlas.blocks.values())), len(atlas) * columns
    print(f"\n{len(atlas):,} molecules, {columns:,} read-outs in {len(atlas.blocks)} blocks")
    print(f"{len(atlas.modalities)} modalities: {', '.join(atlas.modalities)}")
    print(f"{measured:,} entries measured, {measured / cells:.2%} of all")
    print(f"laid out for every molecule they would take {BYTES * cells / 1e9:.1f} GB")
    print(f"{graph.n_nodes:,} nodes, {graph.n_edges:,} edges")


def measure(arguments: argparse.Namespace) -> tuple[float, float]:
    """Return the seconds and the peak in GB."""
    names = [spec.name for spec in chosen(arguments)]
    steps = Steps()
    atlas, info = AtlasData(options_from_env(), arguments.jobs).open(names, transductive=False)
    steps.done(f"opened and merged, {info['n_left_out']:,} left out")
    if arguments.share < 1:
        n = round(arguments.share * len(atlas))
        atlas = atlas.take(np.sort(np.random.default_rng(0).permutation(len(atlas))[:n]))
        steps.done(f"{arguments.share:.0%} of the molecules taken")
    describe(atlas, graph_of(atlas, arguments.jobs, steps))
    return steps.seconds, steps.clock.peak


def main() -> int:
    """Parse the arguments, measure, report; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--atlas", action="append")
    parser.add_argument("--without", action="append", default=[])
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (int(HARD_LIMIT), int(HARD_LIMIT)))
    with threadpool_limits(arguments.jobs):
        seconds, peak = measure(arguments)
    fast = result("all atlases and their graph, seconds", seconds, at_most=SECONDS_TARGET)
    small = result("all atlases and their graph, peak GB", peak, at_most=GIGABYTES_TARGET)
    return int(not (fast and small))


if __name__ == "__main__":
    sys.exit(main())

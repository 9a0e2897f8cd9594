"""The context graph at the size of the papers: 129,592 molecules, about 277,000 nodes.

    python benchmarks/context_graph.py [--molecules 129592] [--jobs 2]

The atlas is made up, in shape like InfoAlign's: two morphology blocks, one of expression, genes.
Molecules are real enough to have scaffolds and fingerprints: ring systems with two substituents.
The graph's time has everything in it that follows the fingerprints: neighbours, scaffolds, k-means,
edges. The peak is the resident memory of the process and its workers together, the atlas included.
Propagation and walks are timed besides.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from results import result
from threadpoolctl import threadpool_limits

from chmr_bench import MatrixBlock
from chmr_bench.cells.atlas import Atlas, Genes
from chmr_bench.cells.graph import build
from chmr_bench.cells.propagation import propagate
from chmr_bench.cells.walks import walk
from chmr_bench.features.cache import featurise
from chmr_bench.features.tanimoto import nearest
from chmr_bench.plugins import registry

SECONDS_TARGET, GIGABYTES_TARGET = 600.0, 8.0
N_GENES, N_GENE_EDGES = 13_000, 300_000
BATCH, LENGTH, K, STEPS = 3072, 4, 10, 5


@dataclass(frozen=True)
class Shape:
    """A block: its columns, and the share of the molecules that have it."""

    d: int
    share: float


SHAPES = {
    "morphology.jump": Shape(966, 0.81),
    "morphology.bray": Shape(1783, 0.147),
    "expression": Shape(978, 0.08),
}
CORES = (
    *("c1cc({a})ccc1{b}", "c1c({a})cccc1{b}", "n1cc({a})ccc1{b}", "c1nc({a})ncc1{b}"),
    *("C1CN({a})CCN1{b}", "C1CC({a})CCN1{b}", "C1CC({a})CCC1{b}", "c1c({a})[nH]cc1{b}"),
    *("c1cc2c({a})cccc2nc1{b}", "c1cc2[nH]c({a})cc2cc1{b}", "c1c({a})oc2ccc({b})cc12"),
    *("c1c({a})sc2ccc({b})cc12", "c1cc2nc({a})sc2cc1{b}", "c1c({a})sc({b})n1"),
    *("c1c({a})onc1{b}", "n1n({a})cc({b})c1", "C1CC(=O)N({a})C1{b}", "O=C1N({a})c2ccccc2C1{b}"),
    *("c1cc({a})ccc1-c1ccc({b})cc1", "c1cc({a})ccc1Oc1ccc({b})cc1", "CC({a})C{b}"),
    *("c1cc({a})ccc1C(=O)Nc1ccc({b})cc1", "c1cc({a})ccc1S(=O)(=O)Nc1ccc({b})cc1"),
    *("C1CCN(C1)C(=O)c1cc({a})cc({b})c1", "CC({a})CCC(=O)N{b}"),
)
TAILS = ("", "C", "CC", "C(C)C", "CO", "CN", "C(=O)O", "C(=O)N", "CF", "CCl", "C#N", "c1ccccc1")
LINKS = ("C", "O", "N", "C(=O)", "C(=O)N", "S", "S(=O)(=O)", "CC(=O)", "NC(=O)")


def molecules(n: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return n different SMILES: a core with two substituents each."""
    groups = [link + tail for link, tail in itertools.product(LINKS, TAILS)]
    total = len(CORES) * len(groups) ** 2
    chosen = rng.choice(total, n, replace=False)
    core, pair = np.divmod(chosen, len(groups) ** 2)
    left, right = np.divmod(pair, len(groups))
    return tuple(
        CORES[i].format(a=groups[a], b=groups[b])
        for i, a, b in zip(core.tolist(), left.tolist(), right.tolist(), strict=True)
    )


def block(n: int, shape: Shape, names: tuple[str, ...], rng: np.random.Generator) -> MatrixBlock:
    """Return profiles of low rank with noise, many of them close to another."""
    observed = rng.random(n) < shape.share
    size = int(observed.sum())
    centres = rng.normal(size=(max(size // 40, 1), 32)).astype(np.float32)
    loading = rng.normal(size=(32, shape.d)).astype(np.float32)
    values = np.full((n, shape.d), np.nan, dtype=np.float32)
    for rows in np.array_split(np.flatnonzero(observed), max(size // 4096, 1)):
        state = centres[rng.integers(0, len(centres), len(rows))]
        state = state + rng.normal(size=state.shape, scale=0.4).astype(np.float32)
        noise = rng.standard_normal((len(rows), shape.d), dtype=np.float32)
        values[rows] = state @ loading + 2 * noise
    return MatrixBlock(values, observed, names)


def make_atlas(n: int, rng: np.random.Generator) -> Atlas:
    """Return the made-up atlas."""
    landmarks = tuple(f"gene {i}" for i in range(SHAPES["expression"].d))
    genes = Genes(
        names=tuple(f"gene {i}" for i in range(N_GENES)),
        edges=np.sort(rng.choice(N_GENES, (N_GENE_EDGES, 2)), axis=1).T,
        weights=np.ones(N_GENE_EDGES, dtype=np.float32),
        columns={name: i for i, name in enumerate(landmarks)},
    )
    blocks = {
        name: block(n, shape, landmarks if name == "expression" else (), rng)
        for name, shape in SHAPES.items()
    }
    keys = tuple(f"key {i}" for i in range(n))
    return Atlas("made up", molecules(n, rng), keys, blocks, synthetic=True, genes=genes)


class Clock:
    """Prints what took how long, and the most memory seen so far, workers included."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.peak = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def lap(self, what: str) -> float:
        """Print and return the seconds since the last lap."""
        seconds = time.perf_counter() - self.begun
        print(f"{what:34s} {seconds:8.1f} s   peak {self.peak:5.2f} GB", flush=True)
        self.begun = time.perf_counter()
        return seconds

    def _watch(self) -> None:
        """Look at the memory of this process and its workers ten times a second."""
        own = psutil.Process()
        while True:
            workers = own.children(recursive=True)
            held = own.memory_info().rss
            for worker in workers:
                with contextlib.suppress(psutil.Error):  # it has just ended
                    held += worker.memory_info().rss
            self.peak = max(self.peak, held / 1e9)
            time.sleep(0.1)


def measure(n: int, jobs: int) -> tuple[float, float, Any]:
    """Return the seconds of the graph (neighbours included), the peak, and the graph."""
    rng = np.random.default_rng(0)
    clock = Clock()
    atlas = make_atlas(n, rng)
    clock.lap("making the atlas up")
    feature = registry().feature("morgan").spec
    bits: Any = featurise(feature, {"radius": 2, "n_bits": 1024}, atlas.smiles, n_jobs=jobs)
    clock.lap("fingerprints")
    neighbours = nearest(bits.values, K, n_jobs=jobs)
    seconds = clock.lap(f"{K} nearest neighbours, exact")
    graph = build(atlas, bits.values, neighbours=neighbours, n_jobs=jobs)
    seconds += clock.lap("the rest of the graph")
    peak = clock.peak
    walk(graph, rng.integers(0, n, BATCH), LENGTH, rng)
    clock.lap(f"first {BATCH} walks")
    for _ in range(100):
        walk(graph, rng.integers(0, n, BATCH), LENGTH, rng)
    clock.lap(f"100 x {BATCH} walks of length {LENGTH}")
    one = atlas.blocks["morphology.bray"]
    filled = propagate(np.asarray(one.values), one.observed, neighbours, STEPS)
    clock.lap(f"propagation, 1783 columns, T = {STEPS}")
    print(f"\nreached by propagation: {filled.reached.mean():.1%} of the molecules")
    return seconds, peak, graph


def main() -> int:
    """Parse the arguments, measure, report; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--molecules", type=int, default=129_592)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with threadpool_limits(arguments.jobs):
        seconds, peak, graph = measure(arguments.molecules, arguments.jobs)
    print(f"{graph.n_nodes:,} nodes, {graph.n_edges:,} edges")
    for name, value in graph.report.items():
        print(f"    {name:32s} {value:12,.2f}")
    fast = result("context graph at paper size, seconds", seconds, at_most=SECONDS_TARGET)
    small = result("context graph at paper size, peak GB", peak, at_most=GIGABYTES_TARGET)
    return int(not (fast and small))


if __name__ == "__main__":
    sys.exit(main())

"""Drawings of molecules per second: over all cores, against one process, side by side.

    python benchmarks/drawings.py [--molecules 2000] [--pixels 64] [--repeats 3]

The feature ``image`` is computed by the workers of a run, and by a plain call in this process; they
take turns, and nothing is cached. Ends with 1 where their drawings differ.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from encoder import molecules
from results import result

from chmr_bench.features.cache import available_cores, featurise
from chmr_bench.features.plugin import FEATURES
from chmr_bench.lazy import load_object

AT_LEAST = 1.7
"""Times as fast, on two cores that nothing else is at work on."""


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that it took, and what it gave."""
    started = time.perf_counter()
    value = work()
    return time.perf_counter() - started, value


def main() -> int:
    """Print the report; 1 where the drawings differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value in (("molecules", 2000), ("pixels", 64), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    spec = next(spec for spec in FEATURES if spec.name == "image")
    settings, smiles = {"size": options.pixels}, molecules(options.molecules)
    draw, cores = load_object(spec.compute), available_cores()
    featurise(spec, settings, smiles[: 8 * cores], n_jobs=cores)  # starts the workers
    ratios, same = [], True
    for _ in range(options.repeats):
        plain, one = timed(lambda: draw(smiles, **{**spec.settings, **settings}))
        parallel, many = timed(lambda: featurise(spec, settings, smiles, n_jobs=cores))
        ratios.append(plain / parallel)
        same = same and (one.values != many.values).nnz == 0
        rates = {"one": len(smiles) / plain, "parallel": len(smiles) / parallel}
        print(json.dumps({"cores": cores, **{k: round(v, 1) for k, v in rates.items()}}))
    what = "drawings a second over all cores against one process, times as many"
    result(what, round(statistics.median(ratios), 2), at_least=AT_LEAST)
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())

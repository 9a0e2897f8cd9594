"""How long ``chmr-bench --help`` and ``list`` take, each against importing everything at start.

Usage: ``python benchmarks/startup.py [--rounds 9]``. Leaves with 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from results import result

LIMITS = {
    "--help": 0.5,
    "list datasets": 1.0,
    "list models": 1.0,
    "list features": 1.0,
    "list plugins": 1.0,
}
EVERYTHING = "import chmr_bench.cli.app, rdkit.Chem, pandas, sklearn.ensemble, scipy.stats, pyarrow"


def seconds(command: list[str], rounds: int) -> float:
    """Return the median wall-clock seconds of a command; the first, cold round is left out."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> int:
    """Print a line a command, and one JSON line a result for the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    python = [sys.executable, "-c", EVERYTHING]
    plain = seconds(python, max(rounds // 3, 1))
    print(f"plain way, importing the libraries at start: {plain:.2f} s")
    missed = 0
    for arguments, limit in LIMITS.items():
        took = seconds([sys.executable, "-m", "chmr_bench", *arguments.split()], rounds)
        print(f"chmr-bench {arguments:14s} {took:.3f} s (limit {limit} s), {plain / took:.1f} x")
        missed += not result(f"chmr-bench {arguments}, seconds", took, at_most=limit)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())

"""What worker processes cost: a hundred jobs of ``mean`` beside an older checkout in the same run.

Usage: ``python benchmarks/isolation.py [--base FOLDER] [--rounds 3]``; FOLDER is a checkout of the
commit to compare with (``git worktree add FOLDER COMMIT``). The two run in turn; without FOLDER
only the seconds are printed. Also printed: seconds a call of `chmr_bench.isolation` and of
`pebble.ProcessPool` with one task a process. Leaves with 1 where the ratio is above its limit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from results import result

HERE = Path(__file__).resolve().parents[1]
LIMIT = 1.2
CALLS = 20
ASKED = ("run", "-m", "mean", "-d", "planted", "--split", "random", "--split-seeds", "100")


def seconds_of_jobs(tree: Path, home: Path) -> float:
    """Return the seconds of a hundred jobs, in a fresh folder."""
    folders = [str(tree / name) for name in (".", "plugins", "baselines")]
    with tempfile.TemporaryDirectory() as out:
        paths = {"PYTHONPATH": os.pathsep.join(folders), "CHMR_BENCH_HOME": str(home)}
        command = [sys.executable, "-m", "chmr_bench", *ASKED, "--jobs", "1", "-q", "--out", out]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **paths})
        return time.perf_counter() - start


def nothing(value: int) -> int:
    """Return the value: what a call costs that does nothing."""
    return value


def seconds_a_call() -> tuple[float, float]:
    """Return the median seconds of a call here, and of one through pebble."""
    import pebble

    from chmr_bench import isolation

    isolation.call("builtins:id")  # the server starts
    ours = [_timed(lambda: isolation.call("builtins:id")) for _ in range(CALLS)]
    context = multiprocessing.get_context("forkserver")
    with pebble.ProcessPool(max_workers=1, max_tasks=1, context=context) as pool:
        theirs = [
            _timed(lambda: pool.schedule(nothing, args=(1,), timeout=60).result())
            for _ in range(CALLS)
        ]
    return statistics.median(ours), statistics.median(theirs)


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> int:
    """Print what both cost, and one JSON line for the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ours, theirs = seconds_a_call()
    print(f"a call in a worker: {1000 * ours:.0f} ms; through pebble: {1000 * theirs:.0f} ms")
    trees = [HERE] + ([arguments.base.resolve()] if arguments.base else [])
    times: list[list[float]] = [[] for _ in trees]
    with tempfile.TemporaryDirectory() as homes:
        for number in range(arguments.rounds + 1):  # the first fills the caches
            for i, (tree, per_round) in enumerate(zip(trees, times, strict=True)):
                per_round.append(seconds_of_jobs(tree, Path(homes) / str(i)))
                print(f"round {number}: {tree.name} {per_round[-1]:.2f} s", flush=True)
    best = [min(per_round[1:]) for per_round in times]
    if len(best) == 1:
        return 0
    ratio = best[0] / best[1]
    print(f"a hundred jobs of mean: {best[0]:.2f} s, {best[1]:.2f} s at the base, {ratio:.2f} x")
    return int(not result("a hundred jobs of mean, against the base", ratio, at_most=LIMIT))


if __name__ == "__main__":
    sys.exit(main())

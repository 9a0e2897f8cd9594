"""Reading ten thousand runs, beside an earlier commit in one run; `tables.py` measures tables.

Usage: ``python benchmarks/records.py [--against COMMIT] [--runs 10000]``. The code of COMMIT, read
through git, works in turn with this one's on the same made-up runs; without it only seconds are
printed. Where COMMIT cannot do something, its error stands in place of the ratio. All seconds are
CPU seconds. Leaves with 1 where something takes longer than its limit.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from results import result
from tables import HERE, python

from chmr_bench.records import Predictions, RecordStore, packed
from chmr_bench.records.arrays import Arrays
from chmr_bench.records.run import RunContents, sealed

LIMIT = 2.0
"""Seconds for 10,000 runs."""
FIXTURE = HERE / "tests" / "fixtures" / "version-1"
CODE = ("chmr_bench", "plugins", "baselines")
LIST = '"-m", "chmr_bench", "records", "list", "--json", "--out", root'
READ = {
    "lines()": "list(RecordStore(Path(root)).lines())",
    "a DataFrame of lines()": "pandas.DataFrame(RecordStore(Path(root)).lines())",
    "records list --json, a new process": f"subprocess.check_output([sys.executable, {LIST}])",
    "load_runs()": "load_runs(root)",
}
"""What is measured, and the statement that does it."""
READABLE = """
import sys
from pathlib import Path
from chmr_bench.records import RecordStore

n, wanted = sum(1 for _ in RecordStore(Path(sys.argv[1])).lines()), int(sys.argv[2])
sys.exit(f"it reads {n:,} of {wanted:,} runs" if n != wanted else 0)
"""
"""An earlier commit with another layout of records reads nothing, and would seem fast."""
TIMED = """
import os, subprocess, sys
from pathlib import Path
import pandas
from chmr_bench import load_runs
from chmr_bench.records import RecordStore

root, times = sys.argv[1], []
for _ in range(3):
    start = os.times()
    {work}
    times.append(sum(b - a for a, b in zip(start[:4], os.times()[:4])))
print(min(times))
"""


def fill(root: Path, n_runs: int, n_models: int) -> int:
    """Write packs of made-up runs, each like one of the committed ones; return how many."""
    like = [run.record for run in RecordStore(FIXTURE).stored()]
    generator = np.random.default_rng(0)
    for m in range(n_models):
        wholes = {}
        for i in range(n_runs // n_models):
            record = like[i % len(like)]
            tasks = [task.task for task in record.metrics.per_task] if record.metrics else []
            values = generator.random((20, len(tasks))).astype(np.float16)
            arrays = Arrays(
                Predictions(np.arange(20, dtype=np.int32), values, tuple(tasks)),
                generator.random(1000).astype(np.float32),
                np.zeros((0, 3)),
            )
            content = record.model_dump(mode="json")
            content["identity"] = hashlib.sha256(f"{m} {i}".encode()).hexdigest()
            content["model"]["id"], content["seed"] = f"model{m}", i
            whole = RunContents(sealed(content, arrays), arrays, "a line of a log\n" * 8)
            wholes[content["identity"]] = whole
        place = root / "runs" / "reference"
        place.mkdir(parents=True, exist_ok=True)
        for file in packed.write(place, wholes, []):
            file.rename(place / file.name.replace("pack", f"model{m}"))
    return n_runs // n_models * n_models


def size(folder: Path) -> str:
    """Return the files and megabytes of a folder, locks left out."""
    files = [p for p in folder.rglob("*") if p.is_file() and ".locks" not in p.parts]
    return f"{len(files):,} files, {sum(p.stat().st_size for p in files) / 1e6:.1f} MB"


def extract(commit: str, folder: Path) -> Path:
    """Return a folder with the code of a commit."""
    command = ["git", "-C", str(HERE), "archive", commit, *CODE]
    done = subprocess.run(command, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def read(work: str, root: Path, n_runs: int, tree: Path) -> float:
    """Return the CPU seconds of a way to read the runs of a folder, the least of three."""
    python(tree, READABLE, str(root), str(n_runs))
    return float(python(tree, TIMED.format(work=work), str(root)))


def report(what: str, measure: Callable[[Path], float], earlier: Path | None, limit: float) -> bool:
    """Print seconds and ratio, also as `run.py` reads them; return whether the limit is met."""
    seconds, against = measure(HERE), ""
    kept = result(f"{what}, CPU seconds", seconds, at_most=limit)
    if earlier:
        try:
            ratio = seconds / measure(earlier)
            against = f", {ratio:.2f} x the earlier commit's"
            result(f"{what}, against the earlier commit", ratio)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip() or "no message").splitlines()[-1]
            against = f"; the earlier commit cannot do it: {reason}"
    print(f"{seconds:6.2f} s  {what}{against}", flush=True)
    return kept


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--against", metavar="COMMIT", help="an earlier commit")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        earlier = None
        if arguments.against:
            earlier = extract(arguments.against, folder / "earlier")
        print(f"making up {arguments.runs:,} runs", flush=True)
        root, good = folder / "made-up", []
        n_runs = fill(root, arguments.runs, arguments.models)
        print(f"{n_runs:,} runs of {arguments.models} models: {size(root)}", flush=True)
        limit = LIMIT * max(n_runs / 10_000, 1)
        for name, work in READ.items():
            print(f"reading: {name}", flush=True)
            what = f"{name}, {n_runs:,} runs"
            good.append(report(what, partial(read, work, root, n_runs), earlier, limit))
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())

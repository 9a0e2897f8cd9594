"""Ten thousand runs: processor seconds to read their lines, a frame of them, and ``records list``.

Usage: ``python benchmarks/records.py [--runs 10000] [--before FOLDER --after FOLDER]``. With both
(an output folder before and after ``records pack``) the files and megabytes of both are printed.
Leaves with 1 where reading takes longer than its limit.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.records import Predictions, RecordStore, packed
from chmr_bench.records.arrays import Arrays
from chmr_bench.records.run import Whole, sealed
from chmr_bench.report.runs import runs_frame

LIMIT = 2.0
"""Seconds for 10,000 runs."""
FIXTURE = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "version-1"


def fill(root: Path, n_runs: int, n_models: int) -> None:
    """Write packs of made-up runs, each like one of the committed ones."""
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
            whole = Whole(sealed(content, arrays), arrays, "a line of a log\n" * 8)
            wholes[content["identity"]] = whole
        place = root / "runs" / "reference"
        place.mkdir(parents=True, exist_ok=True)
        for file in packed.write(place, wholes, []):
            file.rename(place / file.name.replace("pack", f"model{m}"))


def seconds(work: Callable[[], Any], rounds: int = 3) -> float:
    """Return the shortest of several times, of this process and those it starts."""
    times = []
    for _ in range(rounds):
        start = os.times()
        work()
        times.append(sum(b - a for a, b in zip(start[:4], os.times()[:4], strict=True)))
    return min(times)


def size(folder: Path) -> str:
    """Return the files and megabytes of a folder, locks left out."""
    files = [p for p in folder.rglob("*") if p.is_file() and ".locks" not in p.parts]
    return f"{len(files):,} files, {sum(p.stat().st_size for p in files) / 1e6:.1f} MB"


def main() -> int:
    """Print the table; return the exit code."""
    import pandas as pd

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--after", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, asked.runs, asked.models)
        command = [sys.executable, "-m", "chmr_bench", "records", "list", "--json", "--out", folder]
        found = {
            "lines()": seconds(lambda: list(RecordStore(root).lines())),
            "a DataFrame of lines()": seconds(lambda: pd.DataFrame(RecordStore(root).lines())),
            "records list --json, a new process": seconds(
                lambda: subprocess.run(command, check=True, capture_output=True)
            ),
        }
        print(f"{asked.runs:,} runs of {asked.models} models: {size(root)}")
        everything = seconds(lambda: runs_frame(RecordStore(root)), rounds=1)
    for what, spent in found.items():
        print(f"{spent:6.2f} s  {what}")
    print(f"{everything:6.2f} s  runs_frame, a frame with all that tables need (no limit here)")
    for name in ("before", "after"):
        if getattr(asked, name):
            print(f"{name}: {size(getattr(asked, name))}")
    return int(max(found.values()) > LIMIT * max(asked.runs / 10_000, 1))


if __name__ == "__main__":
    sys.exit(main())

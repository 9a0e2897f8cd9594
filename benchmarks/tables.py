"""What tables cost in a store of 2,000 runs: a build from nothing, and an update after one run.

Usage: ``python benchmarks/tables.py [--base CHECKOUT]``, where CHECKOUT is a clone of an earlier
commit that is measured beside this one, each with the records it has committed. Leaves with 1 where
the update takes more than its limit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from results import result

HERE = Path(__file__).resolve().parents[1]
N_RUNS = 2000
UPDATE_SECONDS = 2.0
"""CPU seconds after one more run, importing included."""
COPIED = ("records", "runs", "boards", "audit")
FILL = """
import sys
from pathlib import Path
from chmr_bench.records import RecordStore

store, n = RecordStore(Path(sys.argv[1])), int(sys.argv[2])
store.prepare()
records = store.records()
templates = [r for r in records if r.status == "ok" and r.seed is not None and r.missing is None]
for number in range(len(records), n):
    record = templates[number % len(templates)]
    changes = {"seed": 1000 + number, "identity": f"{number:064d}"}
    made = record.model_copy(update=changes)
    store.write(made, store.predictions(record), store.replicates(record), "made up")
if hasattr(store, "pack"):  # as `run` does when it ends
    store.pack()
"""
BUILD = """
import sys, time
from pathlib import Path
from chmr_bench.records import RecordStore
from chmr_bench.report import leaderboard

leaderboard.build(RecordStore(Path(sys.argv[1])), Path(sys.argv[1]))
print(time.process_time())
"""


def python(checkout: Path, script: str, *arguments: str) -> str:
    """Run a script with the code of a checkout, and return what it prints."""
    folders = [checkout, checkout / "plugins", checkout / "baselines"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(
        command, cwd=checkout, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def measure(checkout: Path) -> dict[str, float]:
    """Return the CPU seconds of a build from nothing, of one again, and of one after a new run."""
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            if (checkout / "leaderboards" / name).is_dir():
                shutil.copytree(checkout / "leaderboards" / name, Path(folder) / name)
        python(checkout, FILL, folder, str(N_RUNS))
        first = float(python(checkout, BUILD, folder))
        python(checkout, FILL, folder, str(N_RUNS + 1))
        update = float(python(checkout, BUILD, folder))
        again = float(python(checkout, BUILD, folder))
    return {"build": first, "update": update, "again": again}


def main() -> int:
    """Print a line a measurement, and one JSON line a result for the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="a clone of an earlier commit")
    base = parser.parse_args().base
    now, kept = measure(HERE), True
    before = measure(base.resolve()) if base else {}
    for name, seconds in now.items():
        ratio = f", {before[name] / seconds:.1f} x faster than the base" if before else ""
        print(f"{name:8s} {seconds:.2f} CPU s{ratio}")
        limit = {"at_most": UPDATE_SECONDS} if name == "update" else {}
        kept &= result(f"tables of {N_RUNS} runs, {name}, CPU seconds", seconds, **limit)
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())

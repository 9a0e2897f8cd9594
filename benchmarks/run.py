"""Run every benchmark of speed and end with one summary (``make bench``).

Each script prints lines ``RESULT {"what": ..., "value": ..., "at_least" or "at_most": ...}``, which
are collected here; everything else it prints is passed on as it comes. Arguments are names of
scripts to run instead of all.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from results import MARK, is_kept

HERE = Path(__file__).resolve().parent
SCRIPTS = (
    "startup",
    "isolation",
    "tables",
    "records",
    "features",
    "drawings",
    "encoder",
    "infoalign",
    "forest",
    "finetune",
    "beside_chemprop",
    "context_graph",
)


def run_script(name: str) -> tuple[list[dict[str, Any]], int]:
    """Run one script, passing its lines on; return its results and its exit code."""
    results = []
    command = [sys.executable, "-u", str(HERE / f"{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if line.startswith(MARK):
                results.append(json.loads(line.removeprefix(MARK)))
            else:
                print(line, end="", flush=True)
    return results, process.returncode


def verdict(result: dict[str, Any]) -> str:
    """Return what was asked of a result and whether it holds."""
    limit = {name: result[name] for name in ("at_least", "at_most") if name in result}
    word = "holds" if is_kept(result["value"], **limit) else "MISSED"
    return "".join(f"{n.replace('_', ' ')} {asked:g}: {word}" for n, asked in limit.items())


def main(names: list[str]) -> int:
    """Run the scripts, print the summary, return 1 where one fails or a limit is missed."""
    lines, failed = [], 0
    for name in names or SCRIPTS:
        print(f"=== {name}", flush=True)
        results, code = run_script(name)
        lines += [f"{r['what']:58s} {r['value']:10.3f}   {verdict(r)}" for r in results]
        if code != 0:
            lines.append(f"{name}: left with exit code {code}")
        failed += code != 0
    print("\n=== summary\n" + "\n".join(lines))
    return int(failed > 0 or any("MISSED" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

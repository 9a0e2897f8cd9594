"""chemprop beside CHMR's fine-tuning on ChEMBL2K: seconds and score, side by side.

    export CHMR_BENCH_PYTHON_CHEMPROP=~/chemprop/bin/python    # see plugins/chemprop
    python benchmarks/beside_chemprop.py [--finetuned] [--seeds 2] [--jobs 2] [--to FILE]

All run through the harness, on one split, so that seconds (fit and predict, features left out),
scores and memory are measured alike. Of `chmr` the first seed embeds the molecules, the others
find them embedded, as a user does. With `--finetuned` also `chmr.finetuned`, whose encoder is
trained on. Pretrained weights are used where they are at hand, else an untrained encoder of the
same size: then CHMR's seconds hold and its score is that of a control. Both are said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import finetune
from results import result

from chmr_bench import load_runs, run
from chmr_bench.errors import ChmrBenchError
from chmr_bench.features.cache import available_cores
from chmr_bench.paths import data_folder, feature_folder
from chmr_bench.plugins import registry

CHEMPROP = "chemprop"
COLUMNS = ("model", "seed", "seconds", "score %", "peak MB")


def measure(models: list[str], seeds: int, jobs: int) -> dict[str, Any]:
    """Return a row a run, and what CHMR started from."""
    data = finetune.load(jobs)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        weights = data.weights or finetune.untrained(data, folder / "untrained.safetensors")
        settings = {f"{m}:weights": str(weights) for m in models if m != CHEMPROP}
        linked_home(folder / "home")
        finetune.at_home(text, "home", lambda: fitted(folder, models, (seeds, jobs), settings))
        runs = load_runs(folder / "runs")
    runs = runs.assign(needed=runs["fit_seconds"] + runs["predict_seconds"])
    rows = [
        {
            "model": line["model"],
            "seed": line["seed"],
            "seconds": round(float(line["needed"]), 1),
            "score %": round(100 * float(line["score"]), 1),
            "peak MB": line["peak_memory_mb"],
        }
        for _, line in runs.sort_values(["model", "seed"]).iterrows()
    ]
    pretrained = (
        "an untrained encoder" if data.weights is None else f"weights {weights.parent.name}"
    )
    commit = runs["commit"].iloc[0]
    return {
        "dataset": finetune.DATASET,
        "from": pretrained,
        "cores": jobs,
        "cpu": runs["cpu"].iloc[0],
        "commit": commit,
        "rows": rows,
    }


def linked_home(place: Path) -> None:
    """Make a home with the data and features of the real one, and no embeddings."""
    place.mkdir()
    for folder in (data_folder(), feature_folder()):
        folder.mkdir(parents=True, exist_ok=True)
        (place / folder.name).symlink_to(folder)


def fitted(
    folder: Path, models: list[str], work: tuple[int, int], settings: dict[str, str]
) -> None:
    """Run the models."""
    seeds, jobs = work
    run(
        models,
        finetune.DATASET,
        seeds=seeds,
        jobs=jobs,
        settings=settings,
        out=folder / "runs",
        quiet=True,
    )


def report(measured: dict[str, Any]) -> None:
    """Print the table, and the ratios as `run.py` reads them."""
    print(f"\n{measured['dataset']}, CHMR from {measured['from']}, {measured['cores']} cores")
    print("  ".join(f"{name:>15}" for name in COLUMNS))
    for row in measured["rows"]:
        print("  ".join(f"{row[name]!s:>15}" for name in COLUMNS))
    means: dict[str, list[float]] = {}
    for row in measured["rows"]:
        means.setdefault(row["model"], []).append(row["seconds"])
    theirs = sum(means[CHEMPROP]) / len(means[CHEMPROP])
    for model, seconds in means.items():
        if model != CHEMPROP:
            what = f"chemprop's seconds over those of {model}, {measured['dataset']}"
            value = theirs / (sum(seconds) / len(seconds))
            result(what, value)


def main() -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--finetuned", action="store_true", help="also chmr.finetuned")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=available_cores())
    parser.add_argument("--to", type=Path, help="also write the rows as JSON there")
    arguments = parser.parse_args()
    if CHEMPROP not in registry().models or "CHMR_BENCH_PYTHON_CHEMPROP" not in os.environ:
        print("skipped: plugins/chemprop is not installed, or its interpreter is not named")
        return 0
    models = ["chmr", *(["chmr.finetuned"] if arguments.finetuned else []), CHEMPROP]
    try:
        measured = measure(models, arguments.seeds, arguments.jobs)
    except ChmrBenchError as error:
        print(f"skipped: {finetune.DATASET} is not here ({error})")
        return 0
    report(measured)
    if arguments.to:
        arguments.to.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

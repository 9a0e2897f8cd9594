"""Predictions of `chmr.finetuned` averaged over its pretrainings: what their spread costs.

    CHMR_BENCH_MIRROR=FOLDER python benchmarks/pretrainings_averaged.py [RECORDS] [DATASET ...]

Each run of `pretrain_seed=run` has a pretraining of its own. Here the stored predictions of all of
them, of logits for classes, are averaged and scored on the validation and the test rows, with real
and with permuted profiles. Nothing is chosen, and nothing enters a record.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.data.fetch import options_from_env
from chmr_bench.records import RecordStore
from chmr_bench.records.predictions import Predictions
from chmr_bench.runner import DatasetRequest, Datasets
from chmr_bench.runner.ensembling import mean_of
from chmr_bench.runner.scoring import score_only

KINDS = {"real": {"pretrain_seed": "run"}}
KINDS["permuted"] = KINDS["real"] | {"shuffle_cells": True}


def main() -> int:
    """Print, a line a dataset and kind of profile, the mean over runs and that of their average."""
    store = RecordStore(Path(sys.argv[1] if len(sys.argv) > 1 else "leaderboards"))
    runs = _runs(store)
    datasets = Datasets(options_from_env(), n_jobs=1)
    for name in sys.argv[2:] or sorted(runs):
        loaded = datasets.load(DatasetRequest(name=name))
        for kind, of in runs[name].items():
            kept = [run.predictions() for run in of]
            parts = {"test": kept, "valid": [one.valid for one in kept]}
            shown = [f"{part}: {_scores(loaded, these)}" for part, these in parts.items()]
            print(f"{name}, {kind}, {len(of)} pretrainings; {'; '.join(shown)}", flush=True)
    return 0


def _runs(store: RecordStore) -> dict[str, dict[str, list[Any]]]:
    """Return dataset -> real or permuted -> the runs of the reference split, by seed."""
    runs: dict[str, dict[str, list[Any]]] = {}
    for run in store.stored():
        record = run.record
        for kind, overrides in KINDS.items():
            wanted = ("chmr.finetuned", overrides, "reference")
            if (record.model.id, record.model.overrides, record.split.name) == wanted:
                runs.setdefault(record.dataset.name, {}).setdefault(kind, []).append(run)
    return runs


def _scores(loaded: Any, kept: list[Predictions | None]) -> str:
    """Return the mean score of single runs, and that of their averaged predictions."""
    runs = [one for one in kept if one is not None]
    if len(runs) < len(kept):
        return "not kept"
    single = [score_only(loaded.spec, loaded.dataset, one).macro for one in runs]
    averaged = mean_of([(1 / len(runs), one) for one in runs], loaded.spec)
    together = score_only(loaded.spec, loaded.dataset, averaged).macro
    return f"{np.mean([s for s in single if s is not None]):.4f} alone, {together:.4f} averaged"


if __name__ == "__main__":
    sys.exit(main())

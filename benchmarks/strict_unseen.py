"""The gain of real over permuted profiles on toxcast's strict splits, on what nobody saw before.

    CHMR_BENCH_MIRROR=FOLDER python benchmarks/strict_unseen.py [RECORDS]

Pretraining leaves out the test part of the reference split. So it has seen, without labels, some
test molecules of the strict ones. Here the stored predictions of `chmr.finetuned` are scored again
on all test molecules and on those alone that are in no form in the atlas; nothing enters a record.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench import paths
from chmr_bench.data.fetch import options_from_env
from chmr_bench.features.cache import molecule_keys
from chmr_bench.metrics import macro, score_tasks
from chmr_bench.records import RecordStore
from chmr_bench.runner import DatasetRequest, Datasets
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench.statistics.resampled import corrected_resampled

ROW = {"pretrain_seed": "run"}


def main() -> int:
    """Print both gains, a split a number, with the corrected resampled t-test."""
    store = RecordStore(Path(sys.argv[1] if len(sys.argv) > 1 else "leaderboards"))
    options = options_from_env()
    data = Datasets(options, n_jobs=1).load(DatasetRequest(name="toxcast"))
    atlas, _ = AtlasData(options).open(("jump-activity",), transductive=False)
    keys = molecule_keys(data.dataset.smiles, n_jobs=1, cache=paths.feature_folder())
    known = set(atlas.every_key)
    pairs = zip(keys.keys, keys.parents, strict=True)
    seen = np.array([bool(known & set(pair)) for pair in pairs])
    runs = _runs(store)
    for name, keep in (("all", np.ones_like(seen)), ("unseen", ~seen)):
        gains = np.array([_gain(data, runs[split], keep) for split in sorted(runs)])
        kept = [int(keep[run[False].predictions().rows].sum()) for run in runs.values()]
        found = corrected_resampled(gains, _n_train(runs), float(np.mean(kept)))
        shown = ", ".join(f"{100 * gain:.1f}" for gain in gains)
        mean, low, high = (100 * value for value in (found.mean, found.low, found.high))
        print(f"{name} ({min(kept)} to {max(kept)} molecules): {shown}")
        print(f"  mean {mean:.1f} ({low:.1f} to {high:.1f}), p {found.p:.3f}")
    return 0


def _runs(store: RecordStore) -> dict[int, dict[bool, Any]]:
    """Return split seed -> whether profiles were permuted -> the run."""
    runs: dict[int, dict[bool, Any]] = {}
    for run in store.stored():
        record = run.record
        changed = {k: v for k, v in record.model.overrides.items() if k != "shuffle_cells"}
        if (record.dataset.name, record.model.id, changed) != ("toxcast", "chmr.finetuned", ROW):
            continue
        if record.split.name == "strict" and record.split.seed is not None:
            permuted = bool(record.model.overrides.get("shuffle_cells"))
            runs.setdefault(record.split.seed, {})[permuted] = run
    return runs


def _n_train(runs: dict[int, dict[bool, Any]]) -> float:
    return float(np.mean([run[False].record.split.n_train for run in runs.values()]))


def _gain(data: Any, of: dict[bool, Any], keep: np.ndarray[Any, Any]) -> float:
    """Return the score with real profiles less that with permuted ones, on the rows to keep."""
    scores = []
    for permuted in (False, True):
        predictions = of[permuted].predictions()
        here = keep[predictions.rows]
        y, y_pred = data.dataset.y[predictions.rows][here], predictions.values[here]
        y_pred = np.where(np.isfinite(y), y_pred, 0.0)  # what has no label is not stored
        tasks = score_tasks("roc_auc", data.dataset.task_names, y, y_pred)
        scores.append(macro(tasks) or np.nan)
    return float(scores[0] - scores[1])


if __name__ == "__main__":
    sys.exit(main())

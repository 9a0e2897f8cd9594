"""An ensemble of stored runs: their predictions are weighed, and nothing is trained.

Rows are picked one by one, each as often as it helps, by the score that the mean has on the
validation rows (Caruana et al., ICML 2004). Test rows are read only when the weights stand.
"""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chmr_bench.contracts import DatasetSpec
from chmr_bench.metrics import METRICS
from chmr_bench.records import (
    ModelInfo,
    PluginRef,
    Predictions,
    Record,
    Resources,
    Stored,
    Timing,
)
from chmr_bench.records.environment import environment
from chmr_bench.records.predictions import as_stored
from chmr_bench.records.pretrained import pretrained_on
from chmr_bench.runner.job import key_of
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.runner.scoring import clusters_of, score, score_only
from chmr_bench.types import FloatArray

NAME, VERSION = "zoo.ensemble", "1"
PICKS = 10
"""Rows picked, one row as often as it helps; weights are tenths."""
LEAST = 1e-4
"""A probability nearer to 0 or 1 counts as this near: float16 tells no more."""


@dataclass(frozen=True)
class Members:
    """The runs of one dataset and split: row -> one run a seed, all in the order of `seeds`.

    Attributes
    ----------
    seeds :
        (None,) where every row is deterministic; such a row gives the same run to every seed.
    """

    rows: Mapping[str, tuple[Stored, ...]]
    seeds: tuple[int | None, ...]


@dataclass(frozen=True)
class Ensemble:
    """A run of the ensemble, to be stored.

    Attributes
    ----------
    weights :
        Row -> its share, the largest first; rows that were not picked are left out.
    single, single_score :
        The row that is best by itself on the validation rows, and what it scores on the test rows.
    """

    record: Record
    predictions: Predictions
    replicates: FloatArray
    weights: Mapping[str, float]
    valid_score: float
    single: str
    single_score: float | None


def ensembles(members: Members, loaded: LoadedDataset, command: tuple[str, ...]) -> list[Ensemble]:
    """Return the ensemble of each seed, with the weights that all seeds share."""
    started = time.perf_counter()
    kept = {row: [run.predictions() for run in runs] for row, runs in members.rows.items()}
    valid = {row: [_valid(one) for one in of] for row, of in kept.items()}
    (single, _), *_ = picks = picked_rows(loaded, valid)
    weights, valid_score = best_of(picks, loaded.spec)
    picking = time.perf_counter() - started
    made = []
    for i, seed in enumerate(members.seeds):
        started = time.perf_counter()
        runs = {row: members.rows[row][i] for row in members.rows}
        parts = [(weight, kept[row][i]) for row, weight in weights.items()]
        whole = replace(
            mean_of(parts, loaded.spec),
            valid=mean_of([(weight, _valid(part)) for weight, part in parts], loaded.spec),
        )
        clusters = clusters_of(loaded.keys_of(whole.rows))
        metrics, replicates = score(loaded.spec, loaded.dataset, whole, clusters)
        timing = Timing(total=picking + time.perf_counter() - started)
        record = _record(runs, seed, weights, command).model_copy(
            update={"metrics": metrics, "timing": timing}
        )
        record = record.model_copy(update={"identity": key_of(record).identity()})
        alone = runs[single].record.metrics
        score_alone = alone.macro if alone else None
        made.append(Ensemble(record, whole, replicates, weights, valid_score, single, score_alone))
    return made


def picked_rows(
    loaded: LoadedDataset, valid: Mapping[str, Sequence[Predictions]]
) -> list[tuple[str, float]]:
    """Return `PICKS` rows in the order picked, each with the score of the mean so far.

    Scores are of the validation rows, greater is better.

    Parameters
    ----------
    valid :
        Row -> predictions of the validation rows, one a seed; the score is the mean over seeds.
    """
    spec = loaded.spec
    scored = _scorer(loaded)
    links = {row: np.stack([_link(one.values, spec) for one in of]) for row, of in valid.items()}
    first = next(iter(valid.values()))
    total: Any = np.zeros_like(next(iter(links.values())))
    picked: list[tuple[str, float]] = []
    for k in range(1, PICKS + 1):
        scores = {row: scored(first, (total + one) / k) for row, one in links.items()}
        best = max(scores, key=lambda row: scores[row])
        total = total + links[best]
        picked.append((best, scores[best]))
    return picked


def best_of(
    picks: Sequence[tuple[str, float]], spec: DatasetSpec
) -> tuple[dict[str, float], float]:
    """Return row -> weight of as many picks as score best, and their score in the metric's sense.

    Weights are shares, the largest first.
    """
    size = max(range(len(picks)), key=lambda i: picks[i][1]) + 1
    counts = Counter(row for row, _ in picks[:size])
    sign = 1 if METRICS[spec.metric].greater_is_better else -1
    return {row: n / size for row, n in counts.most_common()}, sign * picks[size - 1][1]


def mean_of(parts: Sequence[tuple[float, Predictions]], spec: DatasetSpec) -> Predictions:
    """Return the weighted mean of predictions of the same rows: of logits, for classes."""
    first = parts[0][1]
    mixed: Any = sum(weight * _link(part.values, spec) for weight, part in parts)
    return as_stored(_unlink(mixed, spec), first.rows, first.task_names, spec.task_type)


def _scorer(loaded: LoadedDataset) -> Callable[[Sequence[Predictions], FloatArray], float]:
    sign = 1 if METRICS[loaded.spec.metric].greater_is_better else -1

    def scored(likes: Sequence[Predictions], links: FloatArray) -> float:
        """Return the mean score over seeds, greater is better; -inf where there is none."""
        macros = []
        for like, link in zip(likes, links, strict=True):
            own = replace(like, values=_unlink(link, loaded.spec), molecules=None)
            macros.append(score_only(loaded.spec, loaded.dataset, own).macro)
        found = [m for m in macros if m is not None]
        return sign * float(np.mean(found)) if found else -np.inf

    return scored


def _link(values: FloatArray, spec: DatasetSpec) -> FloatArray:
    wide = np.asarray(values, dtype=np.float64)
    if spec.task_type == "regression":
        return wide
    p = np.clip(wide, LEAST, 1 - LEAST)  # NaN, where nothing was kept, stays
    return np.asarray(np.log(p / (1 - p)))


def _unlink(mixed: FloatArray, spec: DatasetSpec) -> FloatArray:
    return mixed if spec.task_type == "regression" else np.asarray(1 / (1 + np.exp(-mixed)))


def _valid(of: Predictions) -> Predictions:
    if of.valid is None:
        raise ValueError("these predictions hold no validation rows")
    return of.valid


def _record(
    runs: Mapping[str, Stored],
    seed: int | None,
    weights: Mapping[str, float],
    command: tuple[str, ...],
) -> Record:
    """Return the record, its scores and identity left open; what it was made of stands in it."""
    like = next(iter(runs.values())).record
    share = ", ".join(f"{row} {weight:.2g}" for row, weight in weights.items())
    made_from = {row: pretrained_on(runs[row].record) for row in weights}
    return like.model_copy(
        update={
            "model": ModelInfo(
                id=NAME,
                version=VERSION,
                params={"rows": sorted(runs), "picks": PICKS},
                features={row: runs[row].identity for row in sorted(runs)},
                deterministic=seed is None,
            ),
            "plugin": PluginRef(
                name="chmr-bench",
                distribution="chmr-bench",
                version=environment().packages.get("chmr-bench", ""),
            ),
            "seed": seed,
            "precision": "float32",
            "remarks": [
                f"weighted mean, by validation rows alone, of: {share}",
                *(f"{row} was pretrained on {words}" for row, words in made_from.items() if words),
            ],
            "rescored": None,
            "predictions": None,
            "seal": None,
            "resources": Resources(n_jobs=1, device="cpu"),
            "environment": environment(),
            "command": list(command),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
    )

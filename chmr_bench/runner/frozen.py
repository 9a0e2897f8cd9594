"""What the frozen control says: how far predictions move, and what becomes of the score."""

from __future__ import annotations

from typing import Any

import numpy as np

from chmr_bench.contracts import Dataset, DatasetSpec
from chmr_bench.metrics import METRICS, macro, score_tasks
from chmr_bench.types import BoolArray, FloatArray, IntArray


def frozen_info(
    spec: DatasetSpec,
    dataset: Dataset,
    rows: IntArray,
    y_pred: FloatArray,
    draws: FloatArray,
    given: BoolArray,
) -> dict[str, Any]:
    """Return what a record says of predictions with replaced profiles.

    Parameters
    ----------
    rows : IntArray
        (n_test,) rows of the dataset.
    y_pred : FloatArray
        (n_test, t) predictions with the molecules' own profiles.
    draws : FloatArray
        (n_draws, n_test, t) the same fit's, with those of others.
    given : BoolArray
        (n_test,) whose profile was replaced; scores are of these molecules alone.

    Returns
    -------
    dict of str to Any
        ``draws`` and ``rows`` there were; ``moved``: mean absolute change of a prediction in s.d.
        of the task's own predictions; ``score`` and ``scores``: macro with own profiles and of each
        draw, None where no task can be evaluated; ``p``: one-sided, share of draws, the model
        itself among them, that score as well.
    """
    y, own = dataset.y[rows][given], y_pred[given]
    scores = [_macro(spec, dataset, y, other[given]) for other in draws]
    before = _macro(spec, dataset, y, own)
    spread = y_pred.std(axis=0)
    varies = spread > 0
    moved = np.abs(draws[:, given][:, :, varies] - own[:, varies]) / spread[varies]
    sign = 1.0 if METRICS[spec.metric].greater_is_better else -1.0
    known = [s for s in scores if s is not None]
    as_good = sum(sign * (s - before) >= 0 for s in known) if before is not None else 0
    return {
        "draws": len(draws),
        "rows": int(given.sum()),
        "moved": float(moved.mean()) if moved.size else 0.0,
        "score": before,
        "scores": scores,
        "p": (1 + as_good) / (1 + len(known)) if before is not None and known else None,
    }


def _macro(spec: DatasetSpec, dataset: Dataset, y: FloatArray, y_pred: FloatArray) -> float | None:
    if not len(y):
        return None
    score = macro(score_tasks(spec.metric, dataset.task_names, y, y_pred))
    return None if score is None or not np.isfinite(score) else float(score)

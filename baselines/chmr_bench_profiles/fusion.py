"""Late fusion: the weighted mean of several predictions over those that a molecule has.

Where a member predicts nothing of a molecule or a task, it gives NaN, and the others' weights grow
accordingly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from chmr_bench import TaskInfo
from chmr_bench.nn.trainer import validation_score
from chmr_bench.types import FloatArray

LEAST = 1e-7
"""A probability nearer to 0 or 1 counts as this near, so that its logit is finite."""

SHARES = 16
"""Shares given out on the validation rows, on top of the one that every member has."""


@dataclass(frozen=True)
class Fusion:
    """How predictions are averaged.

    Attributes
    ----------
    on_logits : bool
        Average the logits of probabilities, and not the probabilities themselves.
    """

    tasks: TaskInfo
    on_logits: bool

    def mean(self, members: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
        """Return the weighted mean of what the members predict, (n, t); one must everywhere.

        Parameters
        ----------
        members : Sequence[FloatArray]
            (n, t) each; NaN where a member predicts nothing.
        weights : FloatArray
            One positive weight a member.
        """
        if len(members) == 1:
            return members[0]
        stacked = np.stack(members)  # (m, n, t)
        logits = self.on_logits and self.tasks.task_type == "classification"
        inner = logit(np.clip(stacked, LEAST, 1 - LEAST)) if logits else stacked
        predicted = np.isfinite(stacked)
        shares = np.where(predicted, np.asarray(weights)[:, None, None], 0.0)
        fused = (shares * np.where(predicted, inner, 0.0)).sum(axis=0) / shares.sum(axis=0)
        return np.asarray(expit(fused) if logits else fused)

    def weights(self, members: Sequence[FloatArray], y_valid: FloatArray) -> FloatArray:
        """Return the members' weights, (m,), of sum 1.

        They begin equal. One share after the other then goes to the member with whom the
        validation score rises most, until it rises no more or `SHARES` are gone; so none is ever
        without any. Where the validation rows cannot be scored, they stay equal.

        Parameters
        ----------
        members : Sequence[FloatArray]
            Predictions of the validation rows, (n, t) each.
        y_valid : FloatArray
            (n, t) labels, NaN = not measured.
        """
        shares = np.ones(len(members))
        best = validation_score(self.tasks, y_valid, self.mean(members, shares))
        for _ in range(SHARES if len(members) > 1 and best is not None else 0):
            tried = [shares + step for step in np.eye(len(members))]
            scores = [validation_score(self.tasks, y_valid, self.mean(members, w)) for w in tried]
            values = [-np.inf if s is None else s for s in scores]
            j = int(np.argmax(values))
            if best is None or values[j] <= best:
                break
            shares, best = tried[j], values[j]
        return np.asarray(shares / shares.sum())

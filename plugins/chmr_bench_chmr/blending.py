"""Which heads predict together: the best one on the validation rows, or the mean of the best few.

Heads that read different things err differently, so their mean is often better than each. Which
are in it is chosen as a single one would be: in the order of their validation scores, as many as
give the best score together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from chmr_bench import TaskInfo
from chmr_bench.nn.trainer import validation_score
from chmr_bench.types import FloatArray

LEAST = 1e-7
"""A probability nearer to 0 or 1 counts as this near, so that its logit is finite."""


@dataclass(frozen=True)
class Blend:
    """Chooses heads by their predictions of the validation rows.

    Attributes
    ----------
    y_valid : FloatArray
        (n, t) labels, NaN = not measured.
    """

    tasks: TaskInfo
    y_valid: FloatArray

    def choose(self, predicted: Mapping[str, FloatArray], most: int) -> tuple[list[str], str]:
        """Return the names to be averaged, the best first, and what scored how.

        Where the validation rows cannot be scored it is the first name alone.

        Parameters
        ----------
        predicted : Mapping[str, FloatArray]
            Name -> predictions of the validation rows, (n, t).
        most : int
            How many may be averaged.
        """
        scores = {name: self._score([y]) for name, y in predicted.items()}
        order = sorted(scores, key=lambda name: -scores[name])
        best, size = scores[order[0]], 1
        scored = [f"{name} {abs(score):.4f}" for name, score in scores.items()]
        for k in range(2, min(most, len(order)) + 1):
            score = self._score([predicted[name] for name in order[:k]])
            scored.append(f"best {k} {abs(score):.4f}")
            if score > best:
                best, size = score, k
        return order[:size], ", ".join(scored)

    def mean(self, predictions: Sequence[FloatArray]) -> FloatArray:
        """Return the mean of predictions (n, t): of logits, for classes."""
        if len(predictions) == 1:
            return predictions[0]
        if self.tasks.task_type == "regression":
            return np.asarray(np.mean(predictions, axis=0))
        inner = [logit(np.clip(y, LEAST, 1 - LEAST)) for y in predictions]
        return np.asarray(expit(np.mean(inner, axis=0)))

    def _score(self, predictions: Sequence[FloatArray]) -> float:
        """Return the validation score of the mean, greater is better; -inf = there is none."""
        score = validation_score(self.tasks, self.y_valid, self.mean(predictions))
        return -np.inf if score is None else score

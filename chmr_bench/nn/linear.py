"""A penalised linear model of every task at once: logistic for classes, ridge for values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import FitContext
from chmr_bench.metrics import METRICS, macro, score_tasks
from chmr_bench.nn.early_stopping import label_scale
from chmr_bench.nn.steps import one_thread
from chmr_bench.types import FloatArray

if TYPE_CHECKING:
    import torch

ITERATIONS = 200
"""Of L-BFGS, at most; within 1e-3 of scikit-learn on the problems of the tests."""


class LinearHead:
    """Features to all tasks; the penalty is the one best on the validation rows.

    Every task is a problem of its own (they share nothing but the optimiser): the sum of the loss
    over its labelled rows, plus half the penalty times the squared weights. The intercept is free.
    """

    def __init__(self, strengths: Sequence[float]) -> None:
        self.strengths = tuple(strengths)

    def fit(
        self,
        x_train: FloatArray,
        y_train: FloatArray,
        x_valid: FloatArray,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit with every penalty, keep the best.

        Parameters
        ----------
        x_train, x_valid : (n, d) features, of about the same spread.
        y_train, y_valid : (n, t) labels, NaN = not measured.
        """
        self._context = context
        self._centre, self._spread = label_scale(y_train, context.tasks.task_type)
        tasks, best = context.tasks, -np.inf
        with one_thread():
            for strength in self.strengths:
                found = self._solve(x_train, y_train, strength)
                y_pred = self._apply(found, x_valid)
                score = macro(score_tasks(tasks.metric, tasks.task_names, y_valid, y_pred))
                value = 0.0 if score is None else score
                value = value if METRICS[tasks.metric].greater_is_better else -value
                if value > best:
                    best, self._found, chosen = value, found, strength
        context.log.info("linear head: penalty %g, validation score %.4f", chosen, abs(best))

    def predict(self, x: FloatArray) -> FloatArray:
        """Return probabilities of class 1, or values in the labels' unit, (n, t)."""
        return self._apply(self._found, x)

    def _solve(
        self, x: FloatArray, y: FloatArray, strength: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return weights (d, t) and intercepts (t,)."""
        import torch

        features = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
        scaled = (y - self._centre) / self._spread
        seen = torch.from_numpy(np.isfinite(scaled))
        targets = torch.from_numpy(np.nan_to_num(scaled).astype(np.float32))
        weight = torch.zeros(x.shape[1], y.shape[1], requires_grad=True)
        bias = torch.zeros(y.shape[1], requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [weight, bias], max_iter=ITERATIONS, tolerance_grad=1e-4, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            loss = self._loss(features @ weight + bias, targets, seen)
            total = loss + 0.5 * strength * weight.double().square().sum()
            total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return total

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        return weight.detach().double().numpy(), bias.detach().double().numpy()

    def _loss(self, raw: torch.Tensor, y: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Return the summed loss in double precision: in single, the search stops too early."""
        from torch.nn import functional

        if self._is_classifier:
            each = functional.binary_cross_entropy_with_logits(raw, y, reduction="none")
        else:
            each = 0.5 * (raw - y).square()
        return (each.double() * seen).sum()

    def _apply(self, found: tuple[FloatArray, FloatArray], x: FloatArray) -> FloatArray:
        from scipy.special import expit

        weight, bias = found
        raw = x @ weight + bias
        values = expit(raw) if self._is_classifier else raw
        return np.asarray(values * self._spread + self._centre)

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"

"""A penalised linear model of every task at once: logistic for classes, ridge for values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import FitContext
from chmr_bench.features.storage import keep_arrays, kept_arrays
from chmr_bench.nn.trainer import label_scale, one_thread, validation_score
from chmr_bench.paths import home
from chmr_bench.types import FloatArray

if TYPE_CHECKING:
    import torch

ITERATIONS, TOLERANCE = 100, 1e-3
"""Of L-BFGS, at most, and of its gradient; within 1e-3 of scikit-learn in the tests."""
HISTORY, TASKS = 20, 128
"""Steps that L-BFGS remembers, two matrices (d, t) each, and tasks that it is given at a time."""
ROWS = 4096
"""Molecules that are turned to the axes at a time: a whole copy less."""
RANK = 1e-7
"""An axis with less than this share of the largest one's power is nothing but rounding."""
LEAST = 1e-4
"""Of the largest shared direction: what one that no task uses keeps."""
_Plane = tuple[FloatArray, FloatArray]
"""Weights (d, t) and intercepts (t,)."""
VERSION = 3
"""Changes whenever the same features and labels give other weights."""


@dataclass(frozen=True)
class _Basis:
    """Features along their principal axes; an axis nothing lies along is left out.

    Attributes
    ----------
    x : torch.Tensor
        (n, k) float32, centred.
    power : torch.Tensor
        (k,) sums of its squared columns.
    back : FloatArray
        (d, k), what brings weights of the axes back to weights of the features.
    centre : FloatArray
        (d,) the features' means.
    """

    x: torch.Tensor
    power: torch.Tensor
    back: FloatArray
    centre: FloatArray

    @classmethod
    def of(cls, x: FloatArray) -> _Basis:
        """Return the basis of (n, d) features."""
        import torch

        raw = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
        centre = raw.mean(0)
        if raw.shape[1] > raw.shape[0]:
            moved = (raw - centre).double()
            power, axes = _axes(_scatter((raw - centre).T))
            axes = moved.T @ axes / power.sqrt()
            turned = (moved @ axes).float()
        else:
            power, axes = _axes(_scatter(raw - centre))
            turned = torch.empty(len(raw), len(power))
            turning = axes.float()
            for part, rows in zip(torch.split(raw, ROWS), torch.split(turned, ROWS), strict=True):
                torch.matmul(part - centre, turning, out=rows)
        return cls(turned, power.float(), axes.numpy(), centre.double().numpy())


def _scatter(moved: torch.Tensor) -> torch.Tensor:
    """Return the sums of products (d, d) of the columns of a matrix (n, d)."""
    return moved.T @ moved


def _axes(inner: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return power (k,) and axes (d, k) of sums of products, both float64; see `RANK`."""
    import torch

    power, axes = torch.linalg.eigh(inner.double())
    there = power > RANK * power.max().clamp(min=1e-12)
    return power[there], axes[:, there]


def _shared(weight: FloatArray) -> FloatArray:
    """Return (d, d) that stretches features along the directions in which tasks have weight (d, t).

    It is the root of (W W')^(1/2), scaled to a mean eigenvalue of 1.
    """
    values, axes = np.linalg.eigh(weight @ weight.T)
    root = np.sqrt(np.maximum(values, 0.0))
    root = root + LEAST * max(float(root.max()), 1e-12)
    return np.asarray((axes * np.sqrt(root / root.mean())) @ axes.T)


class LinearHead:
    """Features to all tasks; the penalty is the one best on the validation rows.

    Every task is a problem of its own (they share nothing but the optimiser): the sum of the loss
    over its labelled rows, plus half the penalty times the squared weights. The intercept is free.

    With `rounds`, tasks share which features they read. The weights are then measured by a matrix
    that is learnt from those of all tasks in turn with them, so that directions many tasks use
    cost less (convex multi-task feature learning; Argyriou, Evgeniou and Pontil 2008).

    Parameters
    ----------
    strengths : Sequence[float]
        The penalties tried.
    rounds : int
        How often the shared matrix is learnt; 0 = tasks share nothing.
    """

    def __init__(self, strengths: Sequence[float], rounds: int = 0) -> None:
        self.strengths, self.rounds = tuple(strengths), rounds

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
        x_train, x_valid : FloatArray
            (n, d) features, of about the same spread.
        y_train, y_valid : FloatArray
            (n, t) labels, NaN = not measured.
        """
        self._context = context
        self._centre, self._spread = label_scale(y_train, context.tasks.task_type)
        path = home() / "linear" / f"{self._key(x_train, y_train, x_valid, y_valid)}.npz"
        # The seeds of a run, and its models, ask for the same.
        kept = kept_arrays(path, "weight", "bias", "chosen")
        if kept:
            context.log.info("linear head: the same fit as before, not made again")
            self._fitted, strength, score = (kept["weight"], kept["bias"]), *kept["chosen"]
        else:
            with one_thread():
                basis, again = _Basis.of(x_train), x_train if self.rounds else None
                del x_train  # one copy is enough
                self._fitted, strength, score = self._best(basis, again, y_train, x_valid, y_valid)
            weight, bias = self._fitted
            keep_arrays(path, weight=weight, bias=bias, chosen=np.array([strength, score]))
        context.log.info("linear head: penalty %g, validation score %.4f", strength, score)

    def _key(self, *arrays: FloatArray) -> str:
        """Return the hash of all that a fit depends on; no seed is among it."""
        tasks = self._context.tasks
        fixed = (VERSION, ITERATIONS, TOLERANCE, RANK, LEAST, metadata.version("torch"))
        settings = (fixed, self.strengths, self.rounds, tasks.task_type, tasks.metric)
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        for array in arrays:
            digest.update(repr((array.shape, str(array.dtype))).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _best(
        self,
        basis: _Basis,
        again: FloatArray | None,
        y_train: FloatArray,
        x_valid: FloatArray,
        y_valid: FloatArray,
    ) -> tuple[_Plane, float, float]:
        """Return the weights of the penalty with the best validation score, it, and the score.

        Parameters
        ----------
        again : FloatArray | None
            The features of `basis` where there are rounds, which turn them.
        """
        tasks, best = self._context.tasks, -np.inf
        for strength in self.strengths:
            fitted = self._solve(basis, y_train, strength)
            if again is not None:
                fitted = self._turned(fitted, again, y_train, strength)
            score = validation_score(tasks, y_valid, self._apply(fitted, x_valid))
            value = 0.0 if score is None else score
            if value > best:
                best, chosen = value, (fitted, strength)
        return *chosen, abs(best)

    def _turned(
        self, fitted: _Plane, x: FloatArray, y_train: FloatArray, strength: float
    ) -> _Plane:
        """Return the fit after all rounds, each on features stretched by what the last one read."""
        for _ in range(self.rounds):
            turn = _shared(fitted[0])
            weight, bias = self._solve(_Basis.of(x @ turn), y_train, strength)
            fitted = turn @ weight, bias
        return fitted

    def predict(self, x: FloatArray) -> FloatArray:
        """Return probabilities of class 1, or values in the labels' unit, (n, t)."""
        return self._apply(self._fitted, x)

    def _solve(self, basis: _Basis, y: FloatArray, strength: float) -> _Plane:
        """Return the weights and intercepts that the sum of loss and penalty is smallest at."""
        scaled = (y - self._centre) / self._spread
        parts = [
            self._solve_some(basis, scaled[:, first : first + TASKS], strength)
            for first in range(0, scaled.shape[1], TASKS)
        ]
        weights, biases = zip(*parts, strict=True)
        return np.concatenate(weights, axis=1), np.concatenate(biases)

    def _solve_some(self, basis: _Basis, scaled: FloatArray, strength: float) -> _Plane:
        """Return weights (d, s) and intercepts (s,) of s tasks, whose labels are standardised."""
        import torch

        seen = torch.from_numpy(np.isfinite(scaled))
        targets = torch.from_numpy(np.nan_to_num(scaled).astype(np.float32))
        start, curvature = self._start(targets, seen)
        # With these steps the problem is about as curved in every direction, so that it takes tens
        # of iterations and not hundreds: (d, 1) of the features times (t,) of the labels.
        steps = 1.0 / torch.sqrt(basis.power[:, None] * curvature + strength)
        free = 1.0 / torch.sqrt(len(basis.x) * curvature).clamp(min=1.0)
        inner = torch.zeros_like(steps, requires_grad=True)
        shift = torch.zeros_like(start, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [inner, shift],
            max_iter=ITERATIONS,
            tolerance_grad=TOLERANCE,
            history_size=HISTORY,
            line_search_fn="strong_wolfe",
        )

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            weight = steps * inner
            loss = self._loss(basis.x @ weight + start + free * shift, targets, seen)
            total = loss + 0.5 * strength * weight.double().square().sum()
            total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return total

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        weight = basis.back @ (steps * inner).detach().double().numpy()
        return weight, (start + free * shift).detach().double().numpy() - basis.centre @ weight

    def _start(
        self, targets: torch.Tensor, seen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return per task the intercept of a model without features, and the loss's curvature.

        The latter, (t,), is the mean over the rows of the second derivative there.
        """
        import torch

        share = seen.float().mean(0)
        middle = (targets * seen).sum(0) / seen.sum(0).clamp(min=1)
        if not self._is_classifier:
            return middle, share
        chance = middle.clamp(0.01, 0.99)
        return torch.logit(chance), share * chance * (1 - chance)

    def _loss(self, raw: torch.Tensor, y: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Return the summed loss in double precision: in single, the search stops too early."""
        import torch
        from torch.nn import functional

        if self._is_classifier:
            each = functional.binary_cross_entropy_with_logits(raw, y, reduction="none")
        else:
            each = 0.5 * (raw - y).square()
        return (each * seen).sum(dtype=torch.float64)

    def _apply(self, fitted: _Plane, x: FloatArray) -> FloatArray:
        from scipy.special import expit

        weight, bias = fitted
        raw = x @ weight + bias
        values = expit(raw) if self._is_classifier else raw
        return np.asarray(values * self._spread + self._centre)

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"

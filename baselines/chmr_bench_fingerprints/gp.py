"""Gaussian process with the Tanimoto kernel: exact for small tasks, Nystroem for large ones.

Regression is the usual posterior mean on standardised labels. Classification is least-squares
classification (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 6.5):
a Gaussian likelihood on labels of -1 and +1, and a logistic link whose two parameters are fitted to
the leave-one-out predictions of the training rows, which have a closed form. Predictions are
probabilities, and nothing is fitted on anything but training rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy import linalg, optimize, sparse
from scipy.special import expit

from chmr_bench import Inputs
from chmr_bench.features.bits import FingerprintConfig
from chmr_bench.features.tanimoto import similarity_matrix
from chmr_bench.tasks import TaskRows, fill_constants, learnable
from chmr_bench.types import FloatArray, IntArray
from chmr_bench_fingerprints.model import FingerprintModel

JITTER = 1e-4
"""Added to the diagonal of the inducing kernel: duplicates make it singular."""

INDUCING_SEED = 20240924
"""Inducing molecules are drawn with one fixed seed, so the model does not depend on the run's."""


class GaussianProcessConfig(FingerprintConfig):
    """Settings of `fingerprint.gp`."""

    noise: float = Field(
        0.3, gt=0, le=100, description="noise variance over kernel variance, labels standardised"
    )
    max_exact: int = Field(
        2500, ge=2, le=20_000, description="labelled molecules up to which a task is solved exactly"
    )
    n_inducing: int = Field(
        1500, ge=2, le=10_000, description="inducing molecules for a task above max_exact"
    )


@dataclass(frozen=True)
class Link:
    """From the latent mean to the prediction: ``centre + scale * f``, or expit of ``a + b f``."""

    shift: float
    scale: float
    probability: bool

    def __call__(self, latent: FloatArray) -> FloatArray:
        """Return predictions of latent means."""
        value = self.shift + self.scale * latent
        return np.asarray(expit(value) if self.probability else value)


class GaussianProcess(FingerprintModel):
    """One process a task over shared similarities."""

    config: GaussianProcessConfig

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        from threadpoolctl import threadpool_limits

        self._links: dict[int, Link] = {}
        tasks = learnable(y)
        with threadpool_limits(self._context.n_jobs):
            self._fit_exact(bits, [t for t in tasks if len(t.rows) <= self.config.max_exact])
            self._fit_sparse(bits, [t for t in tasks if len(t.rows) > self.config.max_exact])

    def _fit_exact(self, bits: sparse.csr_array, tasks: list[TaskRows]) -> None:
        """Solve (K + noise I) a = y for each task; keep a, (k, tasks)."""
        used = _union(tasks, bits.shape[0])
        self._exact_bits, self._exact_tasks = bits[used], [t.task for t in tasks]
        self._exact_weights = np.zeros((len(used), len(tasks)), dtype=np.float32)
        kernel = similarity_matrix(self._exact_bits, self._exact_bits)
        for column, task in enumerate(tasks):
            at = np.searchsorted(used, task.rows)
            own = np.asfortranarray(kernel[np.ix_(at, at)], dtype=np.float64)
            own[np.diag_indices_from(own)] += self.config.noise
            target, centre, spread = self._standardised(task)
            factor = linalg.cholesky(own, lower=True, overwrite_a=True, check_finite=False)
            weights = linalg.cho_solve((factor, True), target, check_finite=False)
            left_out = target - weights / _inverse_diagonal(factor)  # R&W eq. 5.12
            self._exact_weights[at, column] = weights
            self._links[task.task] = self._link(task, left_out, centre, spread)
            self._context.progress(column + 1, len(tasks), "tasks (exact)")

    def _fit_sparse(self, bits: sparse.csr_array, tasks: list[TaskRows]) -> None:
        """Ridge regression on Nystroem features of shared inducing molecules."""
        self._sparse_tasks = [t.task for t in tasks]
        if not tasks:
            return
        draw = np.random.default_rng(INDUCING_SEED).permutation(bits.shape[0])
        self._inducing = bits[np.sort(draw[: self.config.n_inducing])]
        inner = similarity_matrix(self._inducing, self._inducing).astype(np.float64)
        inner[np.diag_indices_from(inner)] += JITTER
        self._factor = linalg.cholesky(inner, lower=True)
        used = _union(tasks, bits.shape[0])
        features = self._nystroem(bits[used])  # (k, m)
        columns = []
        for done, task in enumerate(tasks, start=1):
            own = features[np.searchsorted(used, task.rows)]
            target, centre, spread = self._standardised(task)
            weights, left_out = _ridge(own, target, self.config.noise)
            columns.append(weights)
            self._links[task.task] = self._link(task, left_out, centre, spread)
            self._context.progress(done, len(tasks), "tasks (inducing)")
        self._sparse_weights = np.stack(columns, axis=1)  # (m, tasks)

    def _nystroem(self, bits: sparse.csr_array) -> FloatArray:
        """Return features whose inner products approximate the kernel, (n, m) float32."""
        cross = similarity_matrix(bits, self._inducing)
        return np.asarray(
            linalg.solve_triangular(
                self._factor.astype(np.float32), cross.T, lower=True, check_finite=False
            ).T
        )

    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        from threadpoolctl import threadpool_limits

        y_pred = fill_constants(self._constants, bits.shape[0])
        with threadpool_limits(self._context.n_jobs):
            if self._exact_tasks:
                latent = similarity_matrix(bits, self._exact_bits) @ self._exact_weights
                self._fill(y_pred, self._exact_tasks, latent)
            if self._sparse_tasks:
                latent = self._nystroem(bits) @ self._sparse_weights
                self._fill(y_pred, self._sparse_tasks, latent)
        return y_pred

    def _fill(self, y_pred: FloatArray, tasks: list[int], latent: FloatArray) -> None:
        for column, task in enumerate(tasks):
            y_pred[:, task] = self._links[task](latent[:, column].astype(np.float64))

    def _standardised(self, task: TaskRows) -> tuple[FloatArray, float, float]:
        """Return labels with mean 0 and s.d. 1, and what was taken off."""
        centre, spread = float(task.y.mean()), float(task.y.std())
        return (task.y - centre) / spread, centre, spread

    def _link(self, task: TaskRows, left_out: FloatArray, centre: float, spread: float) -> Link:
        if not self._is_classifier:
            return Link(centre, spread, probability=False)
        shift, scale = fit_logistic_link(left_out, task.y)
        return Link(shift, scale, probability=True)


def _inverse_diagonal(factor: FloatArray) -> FloatArray:
    """Return the diagonal of the inverse of ``L L^T``, (k,), of L alone: half of inverting it."""
    inverse, _ = linalg.lapack.dtrtri(factor, lower=True, overwrite_c=True)
    return np.asarray(np.einsum("ij,ij->j", inverse, inverse))


def _union(tasks: list[TaskRows], n: int) -> IntArray:
    """Return the rows that any of the tasks uses, ascending."""
    used = np.zeros(n, dtype=np.bool_)
    for task in tasks:
        used[task.rows] = True
    return np.flatnonzero(used)


def _ridge(features: FloatArray, target: FloatArray, noise: float) -> tuple[FloatArray, FloatArray]:
    """Return the ridge weights (m,) and the leave-one-out predictions (k,)."""
    gram = (features.T @ features).astype(np.float64)
    gram[np.diag_indices_from(gram)] += noise
    factor = linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    weights = linalg.cho_solve((factor, True), features.T @ target, check_finite=False)
    half = linalg.solve_triangular(
        factor.astype(np.float32), features.T, lower=True, check_finite=False
    )
    leverage = np.minimum(np.sum(half.astype(np.float64) ** 2, axis=0), 1 - 1e-9)
    fitted = features @ weights
    return weights, np.asarray((fitted - leverage * target) / (1 - leverage))


def fit_logistic_link(latent: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Return (a, b) of ``P(y = 1) = expit(a + b latent)`` by maximum likelihood, with b > 0.

    Labels are smoothed as Platt (1999) does, so separable labels keep b finite. b stays positive:
    in a tiny class the leave-one-out mean shifts against the left-out label, and a negative slope
    would turn the ranking of new molecules around.
    """
    n_pos, n_neg = float(y.sum()), float(len(y) - y.sum())
    target = np.where(y > 0.5, (n_pos + 1) / (n_pos + 2), 1 / (n_neg + 2))

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        shift, log_scale = parameters
        scale = np.exp(log_scale)
        z = shift + scale * latent
        error = expit(z) - target
        value = float(np.sum(np.logaddexp(0.0, z) - target * z))
        return value, np.array([error.sum(), float(error @ latent) * scale])

    start = np.array([np.log((n_pos + 1) / (n_neg + 1)), 0.0])
    optimum = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-20, 20), (-3, 5)]
    )
    return float(optimum.x[0]), float(np.exp(optimum.x[1]))

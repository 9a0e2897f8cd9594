"""The state of a molecule's cell, from its structure and from whatever was measured of it.

A linear factor model with normal noise (probabilistic factor analysis; Rubin & Thayer 1982): the
state z (f,) has the mean that the read-outs predicted from structure give it, z ~ N(W' s, R), and
each continuous modality is one noisy view of it, x ~ N(L z + m, diag(v)). Learnt by expectation
maximisation over the molecules of the atlas; a modality that was not measured gives no term. A
measured profile is thereby weighed against the structure by how noisy each of them is; how far
structure is believed is set by molecules that the encoder has not learnt from.

Not in the paper, which projects a profile and adds it: with a few hundred labels a head cannot
learn from so many noisy columns what thousands of profiles without labels tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

STEPS = 60
"""Of expectation maximisation."""
CALIBRATION_STEPS = 40
"""Of the same, for two numbers."""
LEAST_NOISE = 1e-2
"""Of a standardised column: its variance that the state is never held to explain."""


@dataclass(frozen=True)
class Views:
    """What is known of n molecules, all standardised.

    Attributes
    ----------
    predicted : Tensor
        (n, q) read-outs predicted from structure.
    x : Mapping[str, Tensor]
        Modality -> (n, d), anything where not observed.
    observed : Mapping[str, Tensor]
        Modality -> (n,) bool.
    """

    predicted: Tensor
    x: Mapping[str, Tensor]
    observed: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.predicted)

    def patterns(self) -> Iterator[tuple[Tensor, tuple[str, ...]]]:
        """Yield the rows (k,) that have the same modalities observed, and which those are."""
        names = tuple(self.x)
        seen = torch.stack([self.observed[name] for name in names], dim=1)  # (n, m)
        for pattern in torch.unique(seen, dim=0):
            rows = (seen == pattern).all(1).nonzero().squeeze(1)
            yield rows, tuple(n for n, there in zip(names, pattern.tolist(), strict=True) if there)


@dataclass(frozen=True)
class _Posterior:
    """Means (n, f), and sums of covariances (f, f): of all molecules, and of a modality's."""

    mean: Tensor
    total: Tensor
    of_cell: Mapping[str, Tensor]


_DOUBLE = torch.float64
_KINDS = ("loadings", "mean", "noise")
"""The parameters of a modality, in the order they are read."""


class CellState(nn.Module):
    """The factor model: its parameters are buffers, since no gradient ever reaches them.

    Parameters
    ----------
    predicted : int
        Q, the columns of all predicted read-outs.
    cells : Mapping[str, int]
        Modality -> its columns.
    factors : int
        F, the width of the state.
    """

    centre: Tensor
    prior: Tensor
    spread: Tensor

    def __init__(self, predicted: int, cells: Mapping[str, int], factors: int) -> None:
        super().__init__()
        self.cells, self.factors = dict(cells), factors
        self.register_buffer("centre", torch.zeros(predicted, dtype=_DOUBLE))
        self.register_buffer("prior", torch.zeros(predicted, factors, dtype=_DOUBLE))
        self.register_buffer("spread", torch.eye(factors, dtype=_DOUBLE))
        for name, d in cells.items():
            self.register_buffer(_key("loadings", name), torch.zeros(d, factors, dtype=_DOUBLE))
            self.register_buffer(_key("mean", name), torch.zeros(d, dtype=_DOUBLE))
            self.register_buffer(_key("noise", name), torch.ones(d, dtype=_DOUBLE))

    def forward(self, views: Views) -> Tensor:
        """Return the state's mean given all that is known, (n, f) double."""
        mean: Tensor = self._posterior(views).mean
        return mean

    def _posterior(self, views: Views) -> _Posterior:
        certainty = torch.linalg.inv(self.spread)
        information = (views.predicted.double() - self.centre) @ self.prior @ certainty
        mean, total = torch.empty_like(information), torch.zeros_like(certainty)
        of_cell = {name: torch.zeros_like(certainty) for name in self.cells}
        for rows, names in views.patterns():
            precision, evidence = certainty.clone(), information[rows]
            for name in names:
                loadings, middle, noise = (self._of(kind, name) for kind in _KINDS)
                weighted = loadings / noise[:, None]  # (d, f)
                precision = precision + loadings.T @ weighted
                evidence = evidence + (views.x[name][rows].double() - middle) @ weighted
            covariance = torch.linalg.inv(precision)
            mean[rows] = evidence @ covariance
            for part in (total, *(of_cell[name] for name in names)):
                part += len(rows) * covariance
        return _Posterior(mean, total, of_cell)

    @torch.no_grad()
    def learn(self, views: Views, steps: int = STEPS) -> None:
        """Learn from molecules without labels, in place."""
        axes = self._begin(views)
        for _ in range(steps):
            self._step(views, axes)

    @torch.no_grad()
    def calibrate(self, views: Views, steps: int = CALIBRATION_STEPS) -> tuple[float, float]:
        """Set how far structure is believed, in place, by molecules the encoder did not learn from.

        The others' read-outs were fitted, so that structure seems to tell more of them than it does
        of a new molecule. Two numbers, by expectation maximisation: what the prior's mean and its
        covariance are multiplied with. They are returned.
        """
        prior, spread = self.prior.clone(), self.spread.clone()
        certainty = torch.linalg.inv(spread)
        predicted = (views.predicted.double() - self.centre) @ prior  # (n, f)
        weighted = predicted @ certainty
        trust, width = 1.0, 1.0
        for _ in range(steps):
            posterior = self._posterior(views)
            trust = float(
                (weighted * posterior.mean).sum() / (weighted * predicted).sum().clamp(min=1e-12)
            )
            left = posterior.mean - trust * predicted
            about = torch.trace(certainty @ (posterior.total + left.T @ left))
            width = float(about) / (len(views) * self.factors)
            self.prior.copy_(trust * prior)
            self.spread.copy_(width * spread)
        return trust, width

    def _begin(self, views: Views) -> Tensor:
        """Start from the principal axes of what structure predicts; return them, (n, f)."""
        self.centre.copy_(views.predicted.mean(0))
        self.spread.copy_(torch.eye(self.factors))
        moved = views.predicted.double() - self.centre
        turn = torch.linalg.eigh(moved.T @ moved / len(views))
        power, directions = turn.eigenvalues.flip(0), turn.eigenvectors.flip(1)
        width = power[: self.factors].clamp(min=max(1e-6 * float(power[0]), 1e-12)).sqrt()
        self._turn = directions[:, : self.factors] / width
        axes = moved @ self._turn
        self.prior.copy_(0.7 * self._turn)
        for name in self.cells:
            rows = views.observed[name].nonzero().squeeze(1)
            x = views.x[name][rows].double()
            self._of("mean", name).copy_(x.mean(0))
            fitted = self._regressed(axes[rows], x - x.mean(0))  # (f, d)
            self._of("loadings", name).copy_(fitted.T)
            self._of("noise", name).fill_(1.0)
        return torch.as_tensor(axes)

    def _step(self, views: Views, axes: Tensor) -> None:
        posterior = self._posterior(views)
        for name, covariance in posterior.of_cell.items():
            rows = views.observed[name].nonzero().squeeze(1)
            z, x = posterior.mean[rows], views.x[name][rows].double() - self._of("mean", name)
            both = z.T @ x  # (f, d)
            loadings = torch.linalg.solve(z.T @ z + covariance, both).T
            noise = x.square().mean(0) - (loadings.T * both).sum(0) / len(rows)
            self._of("mean", name).add_((x - z @ loadings.T).mean(0))
            self._of("loadings", name).copy_(loadings)
            self._of("noise", name).copy_(noise.clamp(min=LEAST_NOISE))
        weight = self._regressed(axes, posterior.mean)
        left = posterior.mean - axes @ weight
        self.prior.copy_(self._turn @ weight)
        self.spread.copy_((posterior.total + left.T @ left) / len(views))

    def _regressed(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the (f, d) that give (n, d) from (n, f), by ridge regression.

        Normal equations: a library's least squares may differ in the last bits from call to call.
        """
        inner = x.T @ x + torch.eye(self.factors, dtype=_DOUBLE)
        return torch.as_tensor(torch.linalg.solve(inner, x.T @ y))

    def _of(self, kind: str, name: str) -> Tensor:
        return self.get_buffer(_key(kind, name))


def _key(kind: str, name: str) -> str:
    return f"{kind}_{name}".replace(".", ":")

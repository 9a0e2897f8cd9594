"""Losses over the rows that are observed; an empty set of rows gives 0 and a gradient of 0."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(
    anchor: Tensor, other: Tensor, temperature: float, weight: Tensor | None = None
) -> Tensor:
    """Return InfoNCE from anchors to their partners (van den Oord et al., 2018), a scalar.

    The mean over rows i of ``-log softmax_j(cos(anchor_i, other_j) / temperature)[i]``.

    Parameters
    ----------
    anchor, other : Tensor
        (k, h), row by row partners: only molecules that have both.
    weight : Tensor | None
        (k,) positive: the mean is weighted by it, for profiles measured in part; None = all alike.
    """
    if len(anchor) == 0:
        return nothing(anchor, other)
    with full_precision(anchor):
        a = functional.normalize(anchor.float(), dim=1)
        o = functional.normalize(other.float(), dim=1)
        logits = a @ o.T / temperature  # (k, k)
        right = torch.arange(len(a), device=logits.device)
        if weight is None:
            return functional.cross_entropy(logits, right)
        loss = functional.cross_entropy(logits, right, reduction="none")
        return (loss * weight).sum() / weight.sum()


def vicreg(x: Tensor, y: Tensor, rows: Tensor | None = None) -> Tensor:
    """Return VICReg of two views of the same rows (Bardes et al., ICLR 2022), a scalar.

    Invariance is the mean squared difference, variance the mean over columns of
    ``relu(1 - sqrt(variance + 1e-4))``, covariance the squared off-diagonal covariances over h; the
    last two are summed over the views, and all three count alike. One row alone has no variance: it
    gives invariance only.

    Parameters
    ----------
    x, y : Tensor
        (k, h).
    rows : Tensor | None
        (k,) positive: how much each row weighs in every mean, for profiles measured in part; None
        = all alike.
    """
    if len(x) == 0:
        return nothing(x, y)
    with full_precision(x):
        x, y = x.float(), y.float()
        if rows is None:
            loss = functional.mse_loss(x, y)
        else:
            rows = rows / rows.mean()
            loss = ((x - y).square().mean(1) * rows).mean()
        if len(x) > 1:
            loss = loss + (_narrowness(x, rows) + _narrowness(y, rows))
            loss = loss + (_redundancy(x, rows) + _redundancy(y, rows))
        return loss


class Bounds(NamedTuple):
    """Where the numbers of d columns stand whose true one lies beyond.

    Attributes
    ----------
    at : Tensor
        (d,), infinite where a column has none.
    below : Tensor
        (d,) or () bool, whether the true one lies below, else above.
    """

    at: Tensor
    below: Tensor


def within(
    prediction: Tensor, target: Tensor, bounds: Bounds | None, *, logits: bool = False
) -> Tensor:
    """Return the predictions, (k, d); where the target is censored one beyond it stands at it.

    So that it is no error: the true number lies there. Without bounds nothing is censored.

    Parameters
    ----------
    logits : bool
        The predictions are logits, of targets from 0 to 1.

    Examples
    --------
    >>> bounds = Bounds(torch.tensor([4.0]), torch.tensor(True))
    >>> given, target = torch.tensor([[3.0], [5.0], [3.0]]), torch.tensor([[4.0], [4.0], [2.0]])
    >>> within(given, target, bounds).tolist()
    [[4.0], [5.0], [3.0]]
    """
    if bounds is None:
        return prediction
    at = torch.logit(bounds.at, eps=1e-6) if logits else bounds.at
    above, below = (f(prediction, at) for f in (torch.minimum, torch.maximum))
    nearest = torch.where(bounds.below, below, above)
    return torch.where(target == bounds.at, nearest, prediction)


def reconstruction(
    prediction: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    binary: bool,
    bounds: Bounds | None = None,
) -> Tensor:
    """Return the mean over known entries of weight x error, a scalar.

    The error is the binary cross-entropy from logits, or the squared difference. Entries that are
    NaN in the target, and rows of weight 0, are not known.

    Parameters
    ----------
    prediction, target : Tensor
        (k, d).
    weight : Tensor
        (k,) non-negative.
    bounds : Bounds | None
        Where the target is censored, and no prediction beyond is an error.
    """
    known = torch.isfinite(target) & (weight > 0)[:, None]  # (k, d)
    n_known = known.sum()
    clean, given = torch.where(known, target, 0.0).float(), prediction.float()
    if binary:
        given = within(given, clean, bounds, logits=True)
        error = functional.binary_cross_entropy_with_logits(given, clean, reduction="none")
    else:
        error = functional.mse_loss(within(given, clean, bounds), clean, reduction="none")
    return (error * known * weight[:, None]).sum() / n_known.clamp_min(1)


def full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context in which nothing is rounded to bfloat16: for sums of many small terms."""
    return torch.autocast(tensor.device.type, enabled=False)


def nothing(*tensors: Tensor) -> Tensor:
    """Return 0 that still depends on the tensors: their gradient is 0, never NaN."""
    return torch.stack([t[:0].float().sum() for t in tensors]).sum()


def _narrowness(x: Tensor, rows: Tensor | None) -> Tensor:
    """Return the mean over columns of relu(1 - sd)."""
    variance = x.var(0) if rows is None else _centred(x, rows).square().sum(0) / (len(x) - 1)
    return functional.relu(1 - torch.sqrt(variance + 1e-4)).mean()


def _redundancy(x: Tensor, rows: Tensor | None) -> Tensor:
    """Return the sum of squared off-diagonal covariances over the number of columns."""
    centred = _centred(x, rows)
    covariance = centred.T @ centred / (len(x) - 1)  # (h, h)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / x.shape[1]


def _centred(x: Tensor, rows: Tensor | None) -> Tensor:
    """Return x (k, h) less its mean, row by row times the root of its weight (k,) of mean 1."""
    if rows is None:
        return x - x.mean(0)
    return (x - (x * rows[:, None]).mean(0)) * rows.sqrt()[:, None]

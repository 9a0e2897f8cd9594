"""How much a modality of cells counts while pretraining.

A term of the objective is a mean over those molecules of a batch that have the modality. So one of
two hundred molecules counts as much as one of eighty thousand: evenly, as in the paper. Or each is
weighed as in the likelihood of all read-outs, where a modality has a noise of its own (Kendall, Gal
and Cipolla, CVPR 2018): by its molecules, and by the inverse of what the anchors of held-out
molecules leave unexplained of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from chmr_bench.nn.losses import within
from chmr_bench.nn.pretraining.values import Values
from chmr_bench.types import IntArray
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining.batches import Batch
from chmr_bench_chmr.shape import GEOMETRY

LEAST = 0.05
"""What is unexplained counts so much at least: the noise of what is predicted perfectly."""
RARE = 1e-3
"""Share of ones that a column of calls is taken to have at least, and of zeros."""


def shares(cells: Mapping[str, Values], rows: IntArray) -> dict[str, float]:
    """Return how many of the molecules each modality has, over the most that one has.

    In part, a molecule counts as the share of its entries that were measured.
    """
    counts = {
        name: float(v.observed[rows].sum() if v.entries is None else v.entries[rows].mean(1).sum())
        for name, v in cells.items()
    }
    most = max(counts.values(), default=0.0)
    return {name: n / most if most else 1.0 for name, n in counts.items()}


def weights(share: Mapping[str, float], unexplained: Mapping[str, float]) -> dict[str, float]:
    """Return what the terms of each modality are multiplied by: the largest weight is 1.

    Examples
    --------
    >>> weights({"large": 1.0, "small": 0.01}, {"large": 0.5, "small": 1.0})
    {'large': 1.0, 'small': 0.005}
    """
    raw = {name: n / max(unexplained.get(name, 1.0), LEAST) for name, n in share.items()}
    most = max(raw.values(), default=0.0)
    return {name: value / most if most else 1.0 for name, value in raw.items()}


@torch.no_grad()
def unexplained(
    network: ChmrNetwork, means: Mapping[str, Tensor], batches: Iterable[Batch]
) -> dict[str, float]:
    """Return of each modality the error of what anchors predict, over that of the column means.

    Above 1 the means would have been better. A modality that no molecule of the batches has is
    left out.

    Parameters
    ----------
    means : Mapping[str, Tensor]
        As `column_means` gives them.
    batches : Iterable[Batch]
        Of molecules held out.
    """
    sums = {name: np.zeros(2) for name in means}
    binary = {cell.name: cell.binary for cell in network.shape.cells}
    for batch in batches:
        latents = network.encode(
            batch.fingerprint, batch.graph, batch.geometry, batch.observed.get(GEOMETRY)
        )
        anchor = network.anchor(latents, batch.observed)
        for name, x in batch.cells.items():
            known = batch.entries.get(name, torch.ones_like(x, dtype=torch.bool))
            known = known & batch.observed[name][:, None]
            given, plain = network.decode(name, anchor), means[name].to(x.device).expand_as(x)
            both = (within(of, x, batch.bounds.get(name)) for of in (given, plain))
            errors = [_errors(of, x, known, binary=binary[name]) for of in both]
            sums[name] += [float(error) for error in errors]
    return {name: of / most for name, (of, most) in sums.items() if most > 0}


def column_means(values: Values, rows: IntArray) -> Tensor:
    """Return the mean of each column over these molecules, (d,); of calls, its logit."""
    x = values.x[rows]
    known = values.observed[rows, None] if values.entries is None else values.entries[rows]
    mean = np.where(known, x, 0).sum(0) / np.maximum(known.sum(0), 1)
    means = torch.from_numpy(mean.astype(np.float32))
    return torch.logit(means.clamp(RARE, 1 - RARE)) if values.binary else means


def _errors(given: Tensor, x: Tensor, known: Tensor, *, binary: bool) -> Tensor:
    loss = functional.binary_cross_entropy_with_logits if binary else functional.mse_loss
    clean = torch.where(known, x, 0.0).float()
    return (loss(given.float(), clean, reduction="none") * known).sum()

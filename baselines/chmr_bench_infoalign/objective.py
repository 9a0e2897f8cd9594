"""The objective of InfoAlign's pretraining: sufficiency of the latent, and its minimality.

arXiv 2406.12056, section 4: the latent of a molecule is to tell what the nodes around it on the
context graph look like (sufficiency), and nothing else of the molecule (minimality).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chmr_bench.nn.losses import full_precision, nothing, reconstruction
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench_infoalign.network import InfoAlignNetwork, Latent


def objective(
    network: InfoAlignNetwork,
    latent: Latent,
    walks: Mapping[str, WalkTargets],
    minimality_weight: float,
) -> dict[str, Tensor]:
    """Return the loss terms by name, unweighted scalars, and ``total``.

    Names are ``sufficiency.KIND``, KIND a target space, and ``minimality`` where its weight is not
    0. The terms of sufficiency are summed.

    Parameters
    ----------
    walks : Mapping[str, WalkTargets]
        Target space -> what the walks of the batch met, scaled to 0..1.
    minimality_weight : float
        Of the prior; published is 1e-9, 0 = no prior.
    """
    terms = {
        f"sufficiency.{kind}": sufficiency(network, latent.mu, kind, walks[kind]) for kind in walks
    }
    total = torch.stack([*terms.values()]).sum() if terms else nothing(latent.mu)
    if minimality_weight:
        terms["minimality"] = minimality(latent, latent.sample())
        total = total + minimality_weight * terms["minimality"]
    return {**terms, "total": total}


def sufficiency(network: InfoAlignNetwork, mu: Tensor, kind: str, walk: WalkTargets) -> Tensor:
    """Return the cross-entropy of what walks met of one kind, weighted by the walks, a scalar.

    The mean is over entries that are known. Every molecule of the batch is decoded, once: the batch
    norm of a decoder sees the same molecules whatever the walks met.

    Parameters
    ----------
    mu : Tensor
        (b, h).
    """
    logits = network.decode(kind, mu).index_select(0, walk.molecule)  # (k, d)
    return reconstruction(logits, walk.target, walk.weight, binary=True, bounds=walk.bounds)


def minimality(latent: Latent, z: Tensor) -> Tensor:
    """Return log q(z | x) - log p(z) with p = N(0, I), summed over h, its mean over molecules.

    At one sample z of q its expectation is the Kullback-Leibler divergence from the prior.

    Parameters
    ----------
    z : Tensor
        (b, h).

    Examples
    --------
    >>> standard = Latent(torch.zeros(2, 3), torch.ones(2, 3))
    >>> minimality(standard, torch.ones(2, 3)).item()
    0.0
    """
    with full_precision(z):
        mu, sigma, z = latent.mu.float(), latent.sigma.float(), z.float()
        posterior = -((z - mu) / sigma).square() / 2 - sigma.log()  # (b, h), without a constant
        prior = -z.square() / 2  # (b, h), without the same
        return (posterior - prior).sum(1).mean()

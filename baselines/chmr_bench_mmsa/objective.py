"""The objective of MMSA's pretraining: modalities that agree, and molecules beside their nearest.

The targets of a reconstruction are the encoders' own features, normalised and without a gradient:
else the encoders could make them easy, which is a collapse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from chmr_bench.nn.losses import info_nce, nothing
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.network import Encoded, MmsaNetwork

HEALTH = "health."
"""What the names of numbers begin with that are logged, and are no loss."""


def objective(network: MmsaNetwork, encoded: Encoded, settings: MmsaSettings) -> dict[str, Tensor]:
    """Return the loss terms by name, unweighted scalars, ``total``, and the numbers of health.

    Terms are ``contrast`` between modalities, ``reconstruction``, ``cross`` (from the code of
    another modality), ``hypergraph``, ``memory`` (anchors drawn to molecules), ``commitment``
    (molecules drawn to anchors) and ``balance``. Health is ``health.spread`` (standard deviation of
    the last representation, of length 1, times the root of its width: 0 = collapsed, 1 = all over
    the sphere), and of the memory ``health.attention_entropy`` and ``health.anchors_in_use``.
    """
    unified = encoded.unified()
    terms = {
        "contrast": contrast(encoded, settings.temperature),
        "reconstruction": reconstruction(network, encoded, [(n, n) for n in encoded.codes]),
        "cross": reconstruction(network, encoded, itertools.permutations(encoded.codes, 2)),
    }
    weights = [1.0, settings.reconstruction_weight, settings.cross_weight]
    last, health = unified, {}
    if network.hypergraph is not None:
        last = network.hypergraph(unified).float()
        terms["hypergraph"] = info_nce(last, unified, settings.temperature)
        weights.append(settings.hypergraph_weight)
    if network.memory is not None:
        recall = network.memory(last)
        terms["memory"], terms["commitment"] = recall.anchor_loss(), recall.commitment_loss()
        terms["balance"] = recall.imbalance()
        weights += [settings.memory_weight, settings.commitment_weight, settings.balance_weight]
        health["attention_entropy"] = recall.attention_entropy()
        health["anchors_in_use"] = recall.anchors_in_use()
    health["spread"] = spread(last)
    total = torch.stack([w * term for w, term in zip(weights, terms.values(), strict=True)]).sum()
    logged = {HEALTH + name: value.detach() for name, value in health.items()}
    return {**terms, "total": total, **logged}


def contrast(encoded: Encoded, temperature: float) -> Tensor:
    """Return InfoNCE of each pair of modalities, both ways, its mean over pairs, a scalar."""
    losses = []
    for one, other in itertools.combinations(encoded.codes, 2):
        both = encoded.observed[one] & encoded.observed[other]
        a, b = encoded.codes[one][both], encoded.codes[other][both]
        losses.append((info_nce(a, b, temperature) + info_nce(b, a, temperature)) / 2)
    return torch.stack(losses).mean() if losses else nothing(*encoded.codes.values())


def reconstruction(
    network: MmsaNetwork, encoded: Encoded, pairs: Iterable[tuple[str, str]]
) -> Tensor:
    """Return the squared error of features from codes, its mean over pairs, a scalar.

    Parameters
    ----------
    pairs : Iterable[tuple[str, str]]
        The modality whose features are reconstructed, and the one whose code they are made from.
    """
    losses = []
    for name, source in pairs:
        both = encoded.observed[name] & encoded.observed[source]
        features = encoded.features[name][both].detach()
        if len(features):
            target = functional.layer_norm(features, features.shape[1:])
            decoded = network.decode(name, encoded.codes[source][both]).float()
            losses.append(functional.mse_loss(decoded, target))
    return torch.stack(losses).mean() if losses else nothing(*encoded.codes.values())


def spread(x: Tensor) -> Tensor:
    """Return the standard deviation over molecules (b, d), each of length 1, times sqrt(d).

    Examples
    --------
    >>> spread(torch.ones(4, 2)).item(), spread(torch.eye(2)).item()
    (0.0, 0.7071067690849304)
    """
    unit = functional.normalize(x.float(), dim=1)
    return unit.std(0, correction=0).mean() * math.sqrt(x.shape[1])

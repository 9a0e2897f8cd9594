"""The latent and its losses, against the formulas written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from chmr_bench.errors import SettingError, UnknownNameError
from chmr_bench.nn.losses import Bounds
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench_infoalign.network import (
    LEAST_SIGMA,
    InfoAlignNetwork,
    InfoAlignShape,
    Latent,
    TargetSpace,
)
from chmr_bench_infoalign.objective import minimality, objective, sufficiency

SHAPE = InfoAlignShape(
    (TargetSpace("molecule", 6), TargetSpace("gene.crispr", 3)), hidden=4, layers=1,
    decoder_hidden=8,
)  # fmt: skip


@pytest.fixture
def network() -> InfoAlignNetwork:
    torch.manual_seed(0)
    return InfoAlignNetwork(SHAPE).eval()


def test_the_latent_is_that_of_the_paper(network: InfoAlignNetwork) -> None:
    h = torch.randn(5, 4)
    both = functional.silu(h) @ network.latent_layer.weight.T + network.latent_layer.bias
    found = network.latent(h)
    torch.testing.assert_close(found.mu, both[:, :4])
    torch.testing.assert_close(found.sigma, torch.log1p(both[:, 4:].exp()) + LEAST_SIGMA)


def test_a_sample_is_mu_and_noise_with_a_gradient() -> None:
    mu, sigma = torch.randn(20_000, 2), torch.tensor([0.5, 2.0]).expand(20_000, 2)
    sigma = sigma.clone().requires_grad_()
    z = Latent(mu, sigma).sample()
    torch.testing.assert_close((z - mu).std(0), torch.tensor([0.5, 2.0]), rtol=0.05, atol=0)
    z.sum().backward()  # type: ignore[no-untyped-call]
    assert sigma.grad is not None


def test_minimality_is_the_divergence_from_the_prior_on_average() -> None:
    torch.manual_seed(1)
    mu, sigma = torch.randn(4, 3), torch.rand(4, 3) + 0.2
    latent = Latent(mu.repeat(5000, 1), sigma.repeat(5000, 1))
    expected = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0)).sum(1).mean()
    found = minimality(latent, latent.sample())
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.02)


def test_sufficiency_weighs_what_walks_met(network: InfoAlignNetwork) -> None:
    mu = torch.randn(3, 4)
    target = torch.tensor([[1.0, 0, 0.3], [0, 1, torch.nan], [0.5, 0.5, 0.5]])
    walk = WalkTargets(torch.tensor([2, 0, 2]), target, torch.tensor([1.0, 0.25, 0.0]))
    logits = network.decode("gene.crispr", mu)
    error = functional.binary_cross_entropy_with_logits
    parts = (
        error(logits[2], target[0], reduction="sum"),
        0.25 * error(logits[0, :2], target[1, :2], reduction="sum"),
    )
    expected = sum(parts) / 5  # five known entries; what has weight 0 is not known
    torch.testing.assert_close(sufficiency(network, mu, "gene.crispr", walk), expected)


def test_what_lies_beyond_where_values_are_censored_is_no_error(network: InfoAlignNetwork) -> None:
    target, everyone = torch.full((3, 3), 0.8), torch.arange(3)
    bounds = Bounds(torch.full((3,), 0.8), torch.tensor(True))
    walk = WalkTargets(everyone, target, torch.ones(3), bounds)
    mu = torch.zeros(3, 4)
    assert (network.decode("gene.crispr", mu).sigmoid() < 0.8).all()
    least = functional.binary_cross_entropy(target, target)  # of a prediction that is right
    torch.testing.assert_close(sufficiency(network, mu, "gene.crispr", walk), least)
    measured = sufficiency(network, mu, "gene.crispr", replace(walk, bounds=None))
    assert measured > least + 0.05


def test_the_total_weighs_the_prior(network: InfoAlignNetwork) -> None:
    latent = network.latent(torch.randn(3, 4))
    everyone = torch.arange(3)
    walks = {"molecule": WalkTargets(everyone, torch.ones(3, 6), torch.ones(3))}
    terms = objective(network, latent, walks, 0.5)
    assert set(terms) == {"sufficiency.molecule", "minimality", "total"}
    expected = terms["sufficiency.molecule"] + 0.5 * terms["minimality"]
    torch.testing.assert_close(terms["total"], expected)
    alone = objective(network, latent, walks, 0.0)
    assert set(alone) == {"sufficiency.molecule", "total"}
    nothing_met = objective(network, latent, {}, 0.0)
    assert nothing_met["total"].item() == 0.0


def test_names_that_are_not_there(network: InfoAlignNetwork) -> None:
    with pytest.raises(UnknownNameError, match=r"gene\.orf"):
        network.decode("gene.orf", torch.zeros(1, 4))
    with pytest.raises(SettingError, match="each name once"):
        InfoAlignShape((TargetSpace("a", 1), TargetSpace("a", 2)))
    assert InfoAlignShape.from_json(SHAPE.to_json()) == SHAPE

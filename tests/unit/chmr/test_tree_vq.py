"""Tree quantisation: routing from parent to child, gradients, the published extra term."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from chmr_bench_chmr.tree_vq import (
    Codes,
    FlatVQ,
    TreeVQ,
    code_to_sample_loss,
    perplexity,
    tree_loss,
    unit,
)

DEPTH = 5


@pytest.fixture
def tree() -> TreeVQ:
    torch.manual_seed(0)
    return TreeVQ(8, DEPTH)


def latents(n: int, seed: int = 1) -> Tensor:
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))


def plain_codes(tree: TreeVQ, p: Tensor) -> list[list[int]]:
    """Route one molecule at a time, as the paper tells it."""
    found = []
    for x in p.numpy():
        code, path = 0, []
        for table in tree.levels:
            pair = table.detach().numpy()[2 * code : 2 * code + 2]
            code = 2 * code + int(np.argmax(pair @ x / np.linalg.norm(pair, axis=1)))
            path.append(code)
        found.append(path)
    return found


def test_only_the_children_of_the_chosen_code_compete(tree: TreeVQ) -> None:
    p = latents(200)
    codes = tree(p).codes
    assert codes.tolist() == plain_codes(tree, p)
    assert torch.equal(codes[:, 1:] // 2, codes[:, :-1])
    assert tree.sizes == (2, 4, 8, 16, 32)
    assert (codes.max(0).values < torch.tensor(tree.sizes)).all()
    # the best code of the last level is often elsewhere in the tree: routing is not a search
    nearest = (unit(p) @ unit(tree.levels[-1]).T).argmax(1)
    assert 0.2 < (nearest != codes[:, -1]).float().mean() < 1


def test_codes_depend_on_direction_alone(tree: TreeVQ) -> None:
    p = latents(50)
    assert torch.equal(tree(p).codes, tree(37 * p).codes)
    quantised = tree(p).quantised
    torch.testing.assert_close(quantised.norm(dim=-1), torch.ones(50, DEPTH))
    torch.testing.assert_close(quantised[:, 2], unit(tree.levels[2])[tree(p).codes[:, 2]])


@pytest.mark.parametrize("eta", [0.0, 1.0, 0.25])
def test_the_loss_is_that_of_the_paper(tree: TreeVQ, eta: float) -> None:
    p = latents(20)
    codes = tree(p)
    q, x = codes.quantised.detach().double().numpy(), p.double().numpy()
    cosines = [
        q[i, level] @ x[i] / np.linalg.norm(q[i, level]) / np.linalg.norm(x[i])
        for i in range(20)
        for level in range(DEPTH)
    ]
    expected = (1 + eta) * (1 - np.mean(cosines))
    assert tree_loss(p, codes, eta).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("eta", "codebook_learns"), [(0.0, False), (1.0, True)])
def test_each_half_of_the_loss_stops_at_its_gradient(
    tree: TreeVQ, eta: float, codebook_learns: bool
) -> None:
    """1 - cos(sg q, p) moves latents only; eta (1 - cos(q, sg p)) moves the codes."""
    p = latents(20).requires_grad_()
    tree_loss(p, tree(p), eta).backward()
    assert p.grad is not None
    assert p.grad.abs().sum() > 0
    assert all(
        (table.grad is not None and table.grad.any()) == codebook_learns for table in tree.levels
    )


def test_the_latents_gradient_does_not_depend_on_eta(tree: TreeVQ) -> None:
    grads = []
    for eta in (0.0, 3.0):
        p = latents(20).requires_grad_()
        tree_loss(p, tree(p), eta).backward()
        grads.append(p.grad)
    torch.testing.assert_close(grads[0], grads[1])


def test_only_chosen_codes_move(tree: TreeVQ) -> None:
    p = latents(3)
    codes = tree(p)
    tree_loss(p, codes, 1.0).backward()
    for level, table in enumerate(tree.levels):
        assert table.grad is not None
        moved = table.grad.abs().sum(1).nonzero().flatten().tolist()
        assert moved == sorted(set(codes.codes[:, level].tolist()))


def plain_extra(tree: TreeVQ, p: Tensor, codes: list[list[int]]) -> float:
    """Return the published term: each code with the nearest latent whose parent it may follow."""
    x = unit(p).numpy()
    levels = []
    for level, table in enumerate(tree.levels):
        terms = []
        for code, vector in enumerate(unit(table.detach()).numpy()):
            mine = [i for i in range(len(x)) if level == 0 or codes[i][level - 1] == code // 2]
            nearest = max((float(vector @ x[i]) for i in mine), default=float(vector @ x[0]))
            terms.append(2 * (1 - nearest))
        levels.append(np.mean(terms))
    return float(np.mean(levels))


def test_the_published_extra_term(tree: TreeVQ) -> None:
    p = latents(12).requires_grad_()
    codes = tree(p)
    loss = code_to_sample_loss(tree, p, codes)
    expected = plain_extra(tree, p.detach(), codes.codes.tolist())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert all(t.grad is not None and t.grad.any(1).all() for t in tree.levels)  # no code is dead


def test_the_flat_list_finds_the_nearest_of_all() -> None:
    torch.manual_seed(0)
    flat = FlatVQ(8, DEPTH)
    p = latents(40)
    codes = flat(p)
    assert flat.sizes == (32,)
    assert codes.codes.shape == (40, 1)
    assert codes.codes[:, 0].tolist() == (unit(p) @ unit(flat.levels[0]).T).argmax(1).tolist()


def test_perplexity_counts_the_codes_in_use() -> None:
    codes = torch.tensor([[0, 0], [1, 2], [0, 0], [1, 3]])
    assert perplexity(codes, (2, 4)) == pytest.approx(
        [2.0, np.exp(0.5 * np.log(2) + 0.5 * np.log(4))]
    )
    assert perplexity(codes[:0], (2, 4)) == [1.0, 1.0]


def test_no_latents_no_loss(tree: TreeVQ) -> None:
    p = latents(0).requires_grad_()
    codes = tree(p)
    assert isinstance(codes, Codes)
    loss = tree_loss(p, codes, 1.0) + code_to_sample_loss(tree, p, codes)
    loss.backward()
    assert loss.item() == 0


def test_codes_are_the_same_under_autocast(tree: TreeVQ) -> None:
    p = latents(500)
    with torch.autocast("cpu", torch.bfloat16):
        inside = tree(p).codes
    assert torch.equal(inside, tree(p).codes)

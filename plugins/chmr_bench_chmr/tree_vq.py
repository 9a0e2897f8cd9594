"""Quantisation of latents: a binary tree of codes, or one flat list (arXiv 2511.21120, eq. 5 to 9).

Level h of the tree (counted from 1) has 2^h codes; the children of code c are 2c and 2c + 1 of the
next level. Similarity is the cosine; only the two children of the chosen code compete. One tree is
shared by all modalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from chmr_bench.nn.losses import full_precision, nothing


@dataclass(frozen=True)
class Codes:
    """What b latents are quantised to.

    Attributes
    ----------
    codes : Tensor
        (b, l) int64, the code within each level.
    quantised : Tensor
        (b, l, h), the codes' vectors at length one; gradients reach the codebook.
    """

    codes: Tensor
    quantised: Tensor


class TreeVQ(nn.Module):
    """A binary tree of codes, `depth` levels deep."""

    def __init__(self, hidden: int, depth: int) -> None:
        super().__init__()
        self.levels = _codebooks(hidden, [2**level for level in range(1, depth + 1)])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each level."""
        return tuple(table.shape[0] for table in self.levels)

    def forward(self, p: Tensor) -> Codes:
        """Return the codes of (b, h) latents, routed from the root downwards (eq. 5 to 7)."""
        direction = unit(p.detach().float())  # (b, h)
        chosen = torch.zeros(len(p), dtype=torch.int64, device=p.device)  # (b,)
        codes, vectors = [], []
        for table in self.levels:
            vector = unit(table.float())  # (k, h)
            children = 2 * chosen[:, None] + torch.arange(2, device=p.device)  # (b, 2)
            similarity = _cosines(direction, vector).gather(1, children)
            chosen = 2 * chosen + similarity.argmax(1)
            codes.append(chosen)
            vectors.append(vector.index_select(0, chosen))
        return Codes(torch.stack(codes, 1), torch.stack(vectors, 1))


class FlatVQ(nn.Module):
    """One list of as many codes as the tree's last level has: the control without a hierarchy."""

    def __init__(self, hidden: int, depth: int) -> None:
        super().__init__()
        self.levels = _codebooks(hidden, [2**depth])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of its one level."""
        return (int(self.levels[0].shape[0]),)

    def forward(self, p: Tensor) -> Codes:
        """Return the nearest code of (b, h) latents by cosine."""
        vector = unit(self.levels[0].float())
        chosen = _cosines(unit(p.detach().float()), vector).argmax(1)
        return Codes(chosen[:, None], vector.index_select(0, chosen)[:, None])


def tree_loss(p: Tensor, codes: Codes, commitment: float, weight: Tensor | None = None) -> Tensor:
    """Return A = 1 - cos(sg q, p) + eta (1 - cos(q, sg p)), mean over rows and levels (eq. 8, 9).

    Parameters
    ----------
    p : Tensor
        (b, h).
    commitment : float
        Eta.
    weight : Tensor | None
        (b,) positive, of each row in the mean; None = all alike.
    """
    if len(p) == 0:
        return nothing(p, codes.quantised)
    direction = unit(p.float())[:, None]  # (b, 1, h)
    to_sample = 1 - (codes.quantised.detach() * direction).sum(-1)
    to_code = 1 - (codes.quantised * direction.detach()).sum(-1)
    error = to_sample + commitment * to_code  # (b, levels)
    return error.mean() if weight is None else (error.mean(1) * weight).sum() / weight.sum()


def code_to_sample_loss(tree: TreeVQ | FlatVQ, p: Tensor, codes: Codes) -> Tensor:
    """Return the published code's extra term: every code and the nearest latent that may reach it.

    A latent may reach the children of its code one level up; a code that none may reach takes the
    first latent of the batch, as there. Mean over codes, then over levels; 2 (1 - cos), for
    gradients go to both. The paper has no such term.
    """
    if len(p) == 0:
        return nothing(p, *tree.levels)
    direction = unit(p.float())
    terms = []
    for level, table in enumerate(tree.levels):
        vector = unit(table.float())
        similarity = _cosines(vector, direction)  # (k, b)
        if level:
            parent = torch.arange(len(vector), device=p.device) // 2
            reaches = parent[:, None] == codes.codes[:, level - 1]  # (k, b)
            similarity = similarity.masked_fill(~reaches, -torch.inf)
        nearest = direction.index_select(0, similarity.argmax(1))  # (k, h)
        to_code = (vector * nearest.detach()).sum(1)
        terms.append((2 - to_code - (vector.detach() * nearest).sum(1)).mean())
    return torch.stack(terms).mean()


def perplexity(codes: Tensor, sizes: Sequence[int]) -> list[float]:
    """Return, for each level, exp(entropy) of how often its codes are used: 1 to its size.

    Parameters
    ----------
    codes : Tensor
        (n, l) as `Codes.codes`.
    sizes : Sequence[int]
        L numbers of codes.
    """
    perplexities = []
    for level, size in enumerate(sizes):
        share = torch.bincount(codes[:, level], minlength=size) / max(len(codes), 1)
        perplexities.append(float(torch.special.entr(share.double()).sum().exp()))
    return perplexities


def unit(x: Tensor) -> Tensor:
    """Return the rows scaled to length one."""
    return functional.normalize(x, dim=-1)


@torch.no_grad()
def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosines of rows of length one; never rounded, so that ties stay rare."""
    with full_precision(a):
        return a @ b.T


def _codebooks(hidden: int, sizes: Sequence[int]) -> nn.ParameterList:
    return nn.ParameterList([nn.Parameter(torch.randn(size, hidden)) for size in sizes])

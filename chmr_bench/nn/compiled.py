"""The compiled back end of the graph encoder: messages and dropout on a CPU, by `nn.kernels`.

Messages are those of PyTorch Geometric's `GINEConv`, to float rounding. Dropout draws other random
numbers than torch's. Pretrained weights were made with these, so they are what makes them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chmr_bench.nn import kernels


@dataclass(frozen=True)
class BondOrder:
    """The bonds of a batch as the kernels walk through them; numpy int64.

    Attributes
    ----------
    codes : Any
        (e,) row of each bond in the table of bond embeddings.
    source, target : Any
        (e,) the atoms a bond leads from and to.
    incoming, incoming_starts : Any
        (e,) bonds ordered by target, and (v + 1,) where each atom's begin.
    outgoing, outgoing_starts : Any
        The same by source.
    """

    codes: Any
    source: Any
    target: Any
    incoming: Any
    incoming_starts: Any
    outgoing: Any
    outgoing_starts: Any

    @classmethod
    def of(cls, edge_index: Tensor, codes: Tensor, n_atoms: int) -> BondOrder:
        """Return the order of the bonds (2, e) between `n_atoms` atoms."""
        source, target = edge_index.numpy()
        ordered = (*_ordered(target, n_atoms), *_ordered(source, n_atoms))
        return cls(codes.numpy(), source, target, *ordered)


def _ordered(atoms: Any, n_atoms: int) -> tuple[Any, Any]:
    """Return the bonds ordered by one of their atoms, and where each atom's bonds begin."""
    starts = np.zeros(n_atoms + 1, dtype=np.int64)
    np.cumsum(np.bincount(atoms, minlength=n_atoms), out=starts[1:])
    return np.argsort(atoms, kind="stable"), starts


def fits(h: Tensor) -> bool:
    """Return whether the kernels can work on a tensor."""
    return h.device.type == "cpu" and h.dtype in (torch.float32, torch.bfloat16)


def receive(h: Tensor, bonds: Tensor, eps: Tensor, order: BondOrder) -> Tensor:
    """Return (v, h): (1 + eps) h plus, for each atom, relu(h_source + bond) of its bonds, summed.

    Parameters
    ----------
    h : Tensor
        (v, h) atoms.
    bonds : Tensor
        (60, h) a row for each bond code.
    eps : Tensor
        (1,) learnt weight of an atom's own vector.
    """
    received: Tensor = _Receive.apply(h.float(), bonds.float(), eps.float(), order)  # type: ignore[no-untyped-call]
    return received


def add_dropped(h: Tensor, x: Tensor, rate: float, *, relu: bool) -> Tensor:
    """Return h + dropout(x), or h + dropout(relu(x)), dropped at `rate` > 0; all of one shape."""
    seed = int(torch.randint(2**32, ()))
    added: Tensor = _AddDropped.apply(h.float(), x.float(), rate, seed, relu)  # type: ignore[no-untyped-call]
    return added


def _run(kernel: Any, *values: Any) -> None:
    """Call a kernel with the arrays of tensors; the last must be contiguous: it is written."""
    tensor = torch.Tensor
    kernel(*(v.detach().contiguous().numpy() if isinstance(v, tensor) else v for v in values))


class _Receive(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, bonds: Tensor, eps: Tensor, order: BondOrder) -> Tensor:
        ctx.save_for_backward(h, bonds, eps)
        ctx.order = order
        out = torch.empty_like(h, memory_format=torch.contiguous_format)
        ways = (order.codes, order.source, order.incoming, order.incoming_starts)
        _run(kernels.receive, h, bonds, 1 + float(eps), *ways, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (h, bonds, eps), order, grad = ctx.saved_tensors, ctx.order, grads[0]
        grad_h = torch.empty_like(h, memory_format=torch.contiguous_format)
        grad_bonds = torch.zeros_like(bonds, memory_format=torch.contiguous_format)
        ways = (order.codes, order.target, order.outgoing, order.outgoing_starts)
        _run(kernels.send_back, h, bonds, 1 + float(eps), *ways, grad, grad_h, grad_bonds)
        return grad_h, grad_bonds, torch.dot(grad.flatten(), h.flatten()).reshape(1), None


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, x: Tensor, rate: float, seed: int, relu: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.draw = (np.uint32(seed), np.int64(round(rate * 2**32)), relu)
        out = h.detach().clone(memory_format=torch.contiguous_format)
        _run(kernels.drop, x.flatten(), *ctx.draw, out.view(-1))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        grad = torch.empty_like(x, memory_format=torch.contiguous_format)
        _run(kernels.drop_back, x.flatten(), *ctx.draw, grads[0].flatten(), grad.view(-1))
        return grads[0], grad, None, None, None

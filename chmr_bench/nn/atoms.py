"""Operations over the atoms of a batch: messages, sums, spreading, dropout with residual.

On a CPU they run compiled, `chmr_bench.nn.kernels`; elsewhere as torch operations. Both give the
same numbers, except dropout, whose random numbers differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from chmr_bench.nn import kernels
from chmr_bench.nn.batch import GraphBatch


def receive(h: Tensor, bonds: Tensor, eps: Tensor, batch: GraphBatch) -> Tensor:
    """Return (v, h): (1 + eps) h plus, for each atom, relu(h_source + bond) of its bonds, summed.

    Parameters
    ----------
    h : (v, h) atoms. bonds : (60, h) a row for each bond code. eps : (1,).
    """
    if _compiled(h):
        received: Tensor = _Receive.apply(h.float(), bonds.float(), eps.float(), batch)  # type: ignore[no-untyped-call]
        return received
    message = functional.relu(h[batch.source] + bonds[batch.bonds])  # (e, h)
    return ((1 + eps) * h).index_add(0, batch.target, message.to(h.dtype))


def add_up(h: Tensor, batch: GraphBatch) -> Tensor:
    """Return (b, h): the sum over each molecule's atoms."""
    if _compiled(h):
        summed: Tensor = _AddUp.apply(h.float(), batch.starts)  # type: ignore[no-untyped-call]
        return summed
    return h.new_zeros(len(batch), h.shape[1]).index_add_(0, batch.molecule, h)


def hand_out(h: Tensor, rows: Tensor, batch: GraphBatch) -> Tensor:
    """Return (v, h): every atom plus its molecule's row of `rows` (b, h)."""
    if _compiled(h):
        handed: Tensor = _HandOut.apply(h.float(), rows.float(), batch.starts)  # type: ignore[no-untyped-call]
        return handed
    return h + rows.index_select(0, batch.molecule)


def add_dropped(h: Tensor, x: Tensor, rate: float, *, relu: bool) -> Tensor:
    """Return h + dropout(x), or h + dropout(relu(x)), dropped at `rate`; all of one shape."""
    if rate > 0 and _compiled(h):
        seed = int(torch.randint(2**32, ()))
        added: Tensor = _AddDropped.apply(h.float(), x.float(), rate, seed, relu)  # type: ignore[no-untyped-call]
        return added
    return h + functional.dropout(functional.relu(x) if relu else x, rate, rate > 0)


def _compiled(h: Tensor) -> bool:
    return h.device.type == "cpu" and h.dtype in (torch.float32, torch.bfloat16)


def _run(kernel: Any, *values: Any) -> None:
    """Call a kernel with the arrays of tensors; the last must be contiguous: it is written."""
    tensor = torch.Tensor
    kernel(*(v.detach().contiguous().numpy() if isinstance(v, tensor) else v for v in values))


class _Receive(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, bonds: Tensor, eps: Tensor, batch: GraphBatch) -> Tensor:
        ctx.save_for_backward(h, bonds, eps)
        ctx.batch = batch
        out = torch.empty_like(h, memory_format=torch.contiguous_format)
        ways = (batch.bonds, batch.source, batch.incoming, batch.incoming_starts)
        _run(kernels.receive, h, bonds, 1 + float(eps), *ways, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (h, bonds, eps), batch, grad = ctx.saved_tensors, ctx.batch, grads[0]
        grad_h = torch.empty_like(h, memory_format=torch.contiguous_format)
        grad_bonds = torch.zeros_like(bonds, memory_format=torch.contiguous_format)
        ways = (batch.bonds, batch.target, batch.outgoing, batch.outgoing_starts)
        _run(kernels.send_back, h, bonds, 1 + float(eps), *ways, grad, grad_h, grad_bonds)
        return grad_h, grad_bonds, torch.dot(grad.flatten(), h.flatten()).reshape(1), None


class _AddUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, starts: Tensor) -> Tensor:
        ctx.starts, ctx.n_atoms = starts, len(h)
        out = torch.zeros(len(starts) - 1, h.shape[1])
        _run(kernels.add_up, h, starts, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        grad = torch.zeros(ctx.n_atoms, grads[0].shape[1])
        _run(kernels.hand_out, grads[0], ctx.starts, grad)
        return grad, None


class _HandOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, rows: Tensor, starts: Tensor) -> Tensor:
        ctx.starts = starts
        out = h.detach().clone(memory_format=torch.contiguous_format)
        _run(kernels.hand_out, rows, starts, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        rows = torch.zeros(len(ctx.starts) - 1, grads[0].shape[1])
        _run(kernels.add_up, grads[0], ctx.starts, rows)
        return grads[0], rows, None


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, x: Tensor, rate: float, seed: int, relu: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.how = (np.uint32(seed), np.int64(round(rate * 2**32)), relu)
        out = h.detach().clone(memory_format=torch.contiguous_format)
        _run(kernels.drop, x.flatten(), *ctx.how, out.view(-1))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        grad = torch.empty_like(x, memory_format=torch.contiguous_format)
        _run(kernels.drop_back, x.flatten(), *ctx.how, grads[0].flatten(), grad.view(-1))
        return grads[0], grad, None, None, None

"""What a training step needs: the loss over labelled entries, and one thread for small steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def masked_loss(raw: torch.Tensor, y: torch.Tensor, is_classifier: bool) -> torch.Tensor:
    """Return the mean loss over labelled entries: cross-entropy on logits, or squared error.

    A batch without a label has loss 0.

    Parameters
    ----------
    raw : (b, t) logits or standardised values.
    y : (b, t) labels, NaN = not measured.
    """
    import torch
    from torch.nn import functional

    # By position and not by mask: faster, forward and backward, and the same to the bit.
    labelled = torch.isfinite(y).flatten().nonzero()[:, 0]
    loss = functional.binary_cross_entropy_with_logits if is_classifier else functional.mse_loss
    chosen = raw.flatten().index_select(0, labelled), y.flatten().index_select(0, labelled)
    return loss(*chosen, reduction="sum") / max(len(labelled), 1)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Give torch one thread inside the block.

    The steps are small: a second thread costs more in waiting than it adds, and the order of its
    sums would make the predictions depend on the number of cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

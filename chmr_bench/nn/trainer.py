"""One trainer for every network: steps, early stopping, and the epoch that is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from chmr_bench import TaskInfo
from chmr_bench.contracts import Progress, no_progress
from chmr_bench.metrics import METRICS, macro, score_tasks
from chmr_bench.types import FloatArray, TaskType

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TrainerSettings:
    """How a network is trained: AdamW, with early stopping.

    Attributes
    ----------
    learning_rate, weight_decay : float
        AdamW's.
    epochs : int
        Passes over the training rows at most.
    patience : int
        Epochs without a better validation score before it stops.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    epochs: int = 300
    patience: int = 50

    @classmethod
    def of(cls, config: Any, prefix: str = "") -> Self:
        """Return the settings of a model's `config`, where their names begin with a prefix."""
        return cls(**{f.name: getattr(config, prefix + f.name) for f in fields(cls)})


@dataclass
class EarlyStopping:
    """Keeps the state of the epoch with the best validation score.

    Where there is no score (no label, one class), there is nothing to judge by: every epoch is run
    and the last one is kept.

    Attributes
    ----------
    patience : int
        Epochs without a better score before it stops.
    best : float | None
        The best score so far, greater is better; None where there was none.
    state : Any
        What `take_state` gave at the best epoch; None as `best`.
    """

    patience: int
    best: float | None = None
    state: Any = None
    waited: int = 0

    def should_stop(self, score: float | None, take_state: Callable[[], Any]) -> bool:
        """Take an epoch's validation score, greater is better; return whether it was the last."""
        if score is None:
            return False
        if self.best is None or score > self.best:
            self.best, self.state, self.waited = score, take_state(), 0
            return False
        self.waited += 1
        return self.waited >= self.patience


def train(
    network: torch.nn.Module,
    settings: TrainerSettings,
    losses: Callable[[], Iterable[torch.Tensor]],
    score: Callable[[], float | None],
    progress: Progress = no_progress,
    parameters: Iterable[Any] | None = None,
) -> tuple[float | None, int]:
    """Train a network, leave the weights of its best epoch in it; return that score, and epochs.

    Parameters
    ----------
    losses : Callable[[], Iterable[torch.Tensor]]
        Called once an epoch; gives the loss of one step after the other.
    score : Callable[[], float | None]
        Called after every epoch, in eval mode; the validation score, greater is better, or None.
    parameters : Iterable[Any] | None
        What is trained, in torch's groups where rates differ; None = all of the network, alike.

    Examples
    --------
    >>> import torch
    >>> network, x = torch.nn.Linear(2, 1), torch.eye(2)
    >>> def error() -> torch.Tensor:
    ...     return (network(x) - 1).square().mean()
    >>> settings = TrainerSettings(learning_rate=0.1, epochs=50)
    >>> best, epochs = train(network, settings, lambda: [error()], lambda: -error().item())
    >>> best > -0.1
    True
    """
    import torch

    optimiser = torch.optim.AdamW(
        network.parameters() if parameters is None else parameters,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    stopping, epoch = EarlyStopping(settings.patience), 0
    for epoch in range(1, settings.epochs + 1):
        network.train()
        for loss in losses():
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
        network.eval()
        progress(epoch, settings.epochs, "epochs")
        if stopping.should_stop(score(), lambda: copied_state(network)):
            break
    if stopping.state is not None:
        network.load_state_dict(stopping.state)
    return stopping.best, epoch


def copied_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a network's weights."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def validation_score(tasks: TaskInfo, y_valid: FloatArray, y_pred: FloatArray) -> float | None:
    """Return the metric's mean over tasks, greater is better (errors are negative).

    None where no task can be scored.
    """
    score = macro(score_tasks(tasks.metric, tasks.task_names, y_valid, y_pred))
    if score is None or METRICS[tasks.metric].greater_is_better:
        return score
    return -score


def label_scale(y_train: FloatArray, task_type: TaskType) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread (t,) of each task's training labels; 0 and 1 for classes.

    A task without labels, or with one value only, has spread 1.
    """
    t = y_train.shape[1]
    centre, spread = np.zeros(t), np.ones(t)
    if task_type == "classification":
        return centre, spread
    for task in range(t):
        values = y_train[np.isfinite(y_train[:, task]), task]
        if len(values):
            centre[task], spread[task] = values.mean(), values.std() or 1.0
    return centre, spread


def masked_loss(raw: torch.Tensor, y: torch.Tensor, is_classifier: bool) -> torch.Tensor:
    """Return the mean loss over labelled entries: cross-entropy on logits, or squared error.

    A batch without a label has loss 0.

    Parameters
    ----------
    raw : torch.Tensor
        (b, t) logits or standardised values.
    y : torch.Tensor
        (b, t) labels, NaN = not measured.
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


@contextlib.contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch inside the block, on one thread; its generators are as before afterwards."""
    import torch

    with torch.random.fork_rng(devices=[0] if device == "cuda" else []), one_thread():
        torch.manual_seed(seed)
        yield

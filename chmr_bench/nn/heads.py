"""A network from fixed features to every task, with early stopping on the validation rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from chmr_bench import FitContext
from chmr_bench.nn.early_stopping import EarlyStopping, label_scale
from chmr_bench.nn.steps import masked_loss, one_thread
from chmr_bench.types import FloatArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class HeadSettings:
    """How a head is built and trained.

    Attributes
    ----------
    layers : hidden layers; 0 = a linear head.
    batch_size : molecules a step; 0 = all of them (full batch).
    patience : epochs without a better validation score before it stops.
    """

    layers: int = 1
    hidden: int = 512
    dropout: float = 0.5
    input_dropout: float = 0.0
    norm: Literal["layer", "batch", "none"] = "layer"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    epochs: int = 300
    patience: int = 50
    batch_size: int = 0


class Head:
    """Features to all tasks at once; the epoch with the best validation score is kept.

    Entries without a label do not enter the loss. Regression labels are standardised on the
    training rows and predicted in their own unit.

    Parameters
    ----------
    augment : called on the features (b, d) of every training step, gives others of that shape,
        and leaves what it was given as it was; None = they are taken as they are.
    """

    def __init__(
        self,
        settings: HeadSettings,
        augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self.settings, self.augment = settings, augment

    def fit(
        self,
        x_train: FloatArray,
        y_train: FloatArray,
        x_valid: FloatArray,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Train until the validation score no longer improves.

        Parameters
        ----------
        x_train, x_valid : (n, d) float32 features.
        y_train, y_valid : (n, t) labels, NaN = not measured.
        """
        import torch

        self._context = context
        self._centre, self._spread = label_scale(y_train, context.tasks.task_type)
        rows = np.flatnonzero(np.isfinite(y_train).any(axis=1))
        targets = ((y_train[rows] - self._centre) / self._spread).astype(np.float32)
        devices = [0] if context.device == "cuda" else []
        with torch.random.fork_rng(devices=devices), one_thread():
            torch.manual_seed(context.seed)
            network = _network(x_train.shape[1], y_train.shape[1], self.settings)
            self._network = network.to(context.device)
            x, y = self._tensor(x_train[rows]), self._tensor(targets)
            self._train(x, y, self._tensor(x_valid), y_valid)

    def predict(self, x: FloatArray) -> FloatArray:
        """Return probabilities of class 1, or values in the labels' unit, (n, t)."""
        with one_thread():
            return self._forward(self._tensor(x))

    def _train(
        self, x: torch.Tensor, y: torch.Tensor, x_valid: torch.Tensor, y_valid: FloatArray
    ) -> None:
        import torch

        settings, context = self.settings, self._context
        optimiser = torch.optim.AdamW(
            self._network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        stopping = EarlyStopping(context.tasks, settings.patience)
        if context.precision == "bfloat16":
            x = x.to(torch.bfloat16)  # once, not in every step
        for epoch in range(settings.epochs):
            self._network.train()
            for rows in self._batches(len(x)):
                loss = self._loss(x if rows is None else x[rows], y if rows is None else y[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                optimiser.step()
            context.progress(epoch + 1, settings.epochs, "epochs")
            if stopping.says_stop(y_valid, self._forward(x_valid), self._state):
                break
        if stopping.state is not None:
            self._network.load_state_dict(stopping.state)
        context.log.info("head: best validation score %s, %d epochs", stopping.best, epoch + 1)

    def _batches(self, n: int) -> Iterator[torch.Tensor | None]:
        """Yield the rows of each step; None = every row, in place."""
        import torch

        size = self.settings.batch_size
        if not size or size >= n:
            yield None
            return
        # A last batch of one row has no variance for a batch norm; it joins the one before.
        parts = list(torch.split(torch.randperm(n), size))
        if len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        yield from parts

    def _loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        import torch

        context = self._context
        x = x if self.augment is None else self.augment(x)
        reduced = context.precision == "bfloat16"
        with torch.autocast(context.device, torch.bfloat16, enabled=reduced):
            raw = self._network(x)  # (b, t)
        return masked_loss(raw.float(), y, self._is_classifier)

    def _forward(self, x: torch.Tensor) -> FloatArray:
        import torch

        self._network.eval()
        with torch.inference_mode():
            raw = self._network(x).double()
            values = torch.sigmoid(raw) if self._is_classifier else raw
        return np.asarray(values.cpu().numpy() * self._spread + self._centre)

    def _state(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self._network.state_dict().items()}

    def _tensor(self, values: FloatArray) -> torch.Tensor:
        import torch

        array = np.ascontiguousarray(values, dtype=np.float32)
        return torch.from_numpy(array).to(self._context.device)

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"


def _network(d: int, t: int, settings: HeadSettings) -> torch.nn.Module:
    """Return (b, d) -> (b, t): hidden layers with norm, GELU and dropout, then a linear one."""
    from torch import nn

    layers: list[nn.Module] = []
    if settings.input_dropout:
        layers.append(nn.Dropout(settings.input_dropout))
    width = d
    for _ in range(settings.layers):
        layers.append(nn.Linear(width, settings.hidden))
        if settings.norm != "none":
            norm = nn.LayerNorm if settings.norm == "layer" else nn.BatchNorm1d
            layers.append(norm(settings.hidden))
        layers += [nn.GELU(), nn.Dropout(settings.dropout)]
        width = settings.hidden
    return nn.Sequential(*layers, nn.Linear(width, t))

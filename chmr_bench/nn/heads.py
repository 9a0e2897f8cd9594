"""Networks from features to every task, with early stopping on the validation rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from chmr_bench import FitContext
from chmr_bench.nn.trainer import (
    TrainerSettings,
    label_scale,
    masked_loss,
    one_thread,
    seeded,
    train,
    validation_score,
)
from chmr_bench.types import FloatArray, IntArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class BatchSettings(TrainerSettings):
    """How a network is trained, batch by batch.

    Attributes
    ----------
    batch_size : int
        Molecules a step; 0 = all of them (full batch).
    """

    batch_size: int = 0


@dataclass(frozen=True)
class HeadSettings(BatchSettings):
    """How a head is built and trained.

    Attributes
    ----------
    layers : int
        Hidden layers; 0 = a linear head.
    """

    layers: int = 1
    hidden: int = 512
    dropout: float = 0.5
    input_dropout: float = 0.0
    norm: Literal["layer", "batch", "none"] = "layer"


@dataclass(frozen=True)
class SideBySide:
    """Features (n, d) as groups of columns, each (n, d_i): joined once, where a head reads them."""

    groups: tuple[FloatArray, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """n and d."""
        return len(self.groups[0]), sum(group.shape[1] for group in self.groups)

    def __getitem__(self, rows: IntArray) -> SideBySide:
        return SideBySide(tuple(group[rows] for group in self.groups))

    def joined(self, dtype: torch.dtype, device: str) -> torch.Tensor:
        """Return all in one tensor of that type."""
        import torch

        whole = torch.empty(self.shape, dtype=dtype, device=device)
        places = torch.split(whole, [group.shape[1] for group in self.groups], dim=1)
        for place, group in zip(places, self.groups, strict=True):
            place.copy_(torch.from_numpy(group))
        return whole


class TaskNetwork(ABC):
    """A network to all tasks at once; the epoch with the best validation score is kept.

    Entries without a label do not enter the loss. Regression labels are standardised on the
    training rows and predicted in their own unit.

    Parameters
    ----------
    augment : Callable[[Any], Any] | None
        Called on the features (b, d) of every training step, gives others of that shape, and leaves
        what it was given as it was; None = they are taken as they are.
    """

    rows_at_once = 512
    """Molecules of a forward pass in prediction."""

    def __init__(
        self, settings: BatchSettings, augment: Callable[[Any], Any] | None = None
    ) -> None:
        self.settings, self.augment = settings, augment

    @abstractmethod
    def _build(self, d: int, t: int) -> torch.nn.Module:
        """Return the network of d features and t tasks as initialised."""

    @abstractmethod
    def _outputs(self, x: Any) -> torch.Tensor:
        """Return logits or standardised values of a batch, (b, t)."""

    def _augmented(self, x: Any) -> Any:
        """Return a batch as a training step reads it."""
        return x if self.augment is None else self.augment(x)

    def _losses(self, x: Any, y: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the loss of each step of an epoch, over rows that all have a label."""
        for rows in row_batches(len(y), self.settings.batch_size):
            raw = self._outputs(self._augmented(x[rows.numpy()]))
            yield masked_loss(raw, y[rows], self._is_classifier)

    def _raw(self, x: Any) -> torch.Tensor:
        """Return logits or standardised values, (n, t)."""
        import torch

        starts = range(0, x.shape[0], self.rows_at_once)
        chunks = [np.arange(s, min(s + self.rows_at_once, x.shape[0])) for s in starts]
        raw = [self._outputs(x[rows]) for rows in chunks]
        return torch.cat(raw) if raw else torch.zeros(0, len(self._centre))

    def _parameters(self) -> Iterable[Any]:
        """Return what is trained, in torch's groups where learning rates differ."""
        return self._network.parameters()

    def _features(self, x: Any, learning: bool = False) -> Any:
        """Return the features as training (while learning) and prediction read them."""
        return x

    def fit(
        self,
        x_train: Any,
        y_train: FloatArray,
        x_valid: Any,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Train until the validation score no longer improves.

        Parameters
        ----------
        x_train, x_valid : Any
            (n, d) features: float32, or `SideBySide`.
        y_train, y_valid : FloatArray
            (n, t) labels, NaN = not measured.
        """
        self._context = context
        self._centre, self._spread = label_scale(y_train, context.tasks.task_type)
        rows = np.flatnonzero(np.isfinite(y_train).any(axis=1))
        targets = (y_train[rows] - self._centre) / self._spread
        with seeded(context.seed, context.device):
            self._network = self._build(x_train.shape[1], y_train.shape[1]).to(context.device)
            labelled = x_train if len(rows) == len(y_train) else x_train[rows]
            x, y = self._features(labelled, learning=True), self._tensor(targets)
            del x_train, labelled  # one copy is enough
            valid = self._features(x_valid)
            best, epochs = train(
                self._network,
                self.settings,
                lambda: self._losses(x, y),
                lambda: validation_score(context.tasks, y_valid, self._predictions(valid)),
                context.progress,
                self._parameters(),
            )
        context.log.info("network: best validation score %s, %d epochs", best, epochs)

    def predict(self, x: Any) -> FloatArray:
        """Return probabilities of class 1, or values in the labels' unit, (n, t)."""
        with one_thread():
            return self._predictions(self._features(x))

    def _predictions(self, x: Any) -> FloatArray:
        import torch

        self._network.eval()
        with torch.inference_mode():
            raw = self._raw(x).double()
            values = torch.sigmoid(raw) if self._is_classifier else raw
        return np.asarray(values.cpu().numpy() * self._spread + self._centre)

    def _tensor(self, values: FloatArray) -> torch.Tensor:
        import torch

        array = np.ascontiguousarray(values, dtype=np.float32)
        return torch.from_numpy(array).to(self._context.device)

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"


def row_batches(n: int, size: int) -> list[torch.Tensor]:
    """Return n rows in an order drawn anew, cut into batches; 0 = all in one.

    A last batch of one row has no variance for a batch norm; it joins the one before, and a row
    that is alone stands twice.
    """
    import torch

    if n == 1:
        return [torch.zeros(2, dtype=torch.long)]
    parts = list(torch.split(torch.randperm(n), size or max(n, 1)))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def head_network(settings: HeadSettings, d: int, t: int) -> torch.nn.Module:
    """Return hidden layers with norm, GELU and dropout, then a linear one, as initialised."""
    from torch import nn

    width = d
    layers: list[nn.Module] = []
    if settings.input_dropout:
        layers.append(nn.Dropout(settings.input_dropout))
    for _ in range(settings.layers):
        layers.append(nn.Linear(width, settings.hidden))
        if settings.norm != "none":
            norm = nn.LayerNorm if settings.norm == "layer" else nn.BatchNorm1d
            layers.append(norm(settings.hidden))
        layers += [nn.GELU(), nn.Dropout(settings.dropout)]
        width = settings.hidden
    return nn.Sequential(*layers, nn.Linear(width, t))


class Head(TaskNetwork):
    """Features to all tasks by `head_network`."""

    settings: HeadSettings

    def _features(self, x: FloatArray | SideBySide, learning: bool = False) -> torch.Tensor:
        import torch

        reduced = learning and self._context.precision == "bfloat16"
        dtype = torch.bfloat16 if reduced else torch.float32
        if isinstance(x, SideBySide):
            return x.joined(dtype, self._context.device)
        return self._tensor(x).to(dtype)

    def _build(self, d: int, t: int) -> torch.nn.Module:
        return head_network(self.settings, d, t)

    def _losses(self, x: torch.Tensor, y: torch.Tensor) -> Iterator[torch.Tensor]:
        size = self.settings.batch_size
        if not size or size >= len(x):
            yield self._loss(x, y)
            return
        yield from (self._loss(x[rows], y[rows]) for rows in row_batches(len(x), size))

    def _loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        import torch

        context = self._context
        reduced = context.precision == "bfloat16"
        with torch.autocast(context.device, torch.bfloat16, enabled=reduced):
            raw = self._outputs(self._augmented(x))  # (b, t)
        return masked_loss(raw.float(), y, self._is_classifier)

    def _raw(self, x: torch.Tensor) -> torch.Tensor:
        return self._outputs(x)

    def _outputs(self, x: torch.Tensor) -> torch.Tensor:
        raw: torch.Tensor = self._network(x)
        return raw

"""Learning: epochs over the atlas, Adam, a loss on molecules held out, and checkpoints.

Every step draws from generators that follow from (seed, epoch, step), so a pretraining taken up
again from a checkpoint does what an undisturbed one would have done, bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from chmr_bench import PluginError, WeightsRequest
from chmr_bench.nn.pretraining.batches import Batches
from chmr_bench.nn.pretraining.checkpoint import (
    Checkpoint,
    Standing,
    Tensors,
    optimiser_tensors,
    restore_optimiser,
)
from chmr_bench.nn.pretraining.material import AtlasMaterial
from chmr_bench.nn.pretraining.seeding import generator, number
from chmr_bench.nn.pretraining.settings import StepSettings
from chmr_bench.types import BoolArray, IntArray

Keep = Callable[[Checkpoint], None]


def average(decay: float, mean: list[Tensor], new: list[Tensor], n_averaged: Tensor) -> None:
    """Move the `mean` weights towards the `new` ones, in place.

    It keeps `decay` of itself, at first less: after n steps (1 + n) / (10 + n), so that a short
    pretraining does not remember how it was initialised.
    """
    n = int(n_averaged)
    if mean[0].is_floating_point():
        torch._foreach_lerp_(mean, new, 1.0 - min(decay, (1 + n) / (10 + n)))
    else:  # a counter has no mean
        torch._foreach_copy_(mean, new)


@contextmanager
def torch_settings(request: WeightsRequest) -> Iterator[torch.device]:
    """Yield the device; threads and torch's global generators are as before afterwards."""
    device = torch.device(request.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, request.n_jobs))
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield device
    finally:
        torch.set_num_threads(threads)


@dataclass
class Learner(ABC):
    """One pretraining: what it learns from, and where it stands.

    A model adds how batches are cut, and the loss terms.

    Attributes
    ----------
    keep : Keep
        Called with a checkpoint every `keep_seconds` seconds, between two steps.
    """

    material: AtlasMaterial
    config: StepSettings
    request: WeightsRequest
    seed: int
    network: nn.Module
    standing: Standing
    keep: Keep
    keep_seconds: float

    def __post_init__(self) -> None:
        device = torch.device(self.request.device)
        self.network.to(device)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        self.averaged = AveragedModel(
            self.network,
            multi_avg_fn=partial(average, self.config.average),
            use_buffers=True,
        )
        self.best: Tensors = {}
        held_out = np.zeros(len(self.material), dtype=bool)
        held_out[self.material.valid] = True
        self.learning = self.batches(device, held_out)
        self.checking = self.batches(device, None)
        self._resumed = self._kept = time.monotonic()
        self._before = self.standing.seconds

    # ------------------------------------------------------------------------------------- the way

    def resume(self, checkpoint: Checkpoint) -> None:
        """Stand where the checkpoint stood."""
        self.standing = checkpoint.standing
        self.standing.sittings += 1
        self._before = self.standing.seconds
        self.network.load_state_dict(checkpoint.network)
        restore_optimiser(self.optimiser, checkpoint.optimiser)
        self.averaged.load_state_dict(checkpoint.averaged)
        self.best = checkpoint.best

    def learn(self, each_epoch: Callable[[Standing], None]) -> None:
        """Go on to the last epoch, and leave the network with the weights that are kept.

        Those are the moving averages at the epoch with the lowest total loss on the molecules held
        out, or at the last one where none are.

        Raises
        ------
        PluginError
            A loss term is not finite.
        """
        while self.standing.epoch < self.config.epochs:
            self._epoch()
            each_epoch(self.standing)
        if self.standing.epoch:
            self.network.load_state_dict(self.best or self.averaged.module.state_dict())
        self.network.eval()

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights are kept, from 1 on; 0 = none was learnt."""
        return self.standing.best_epoch if self.best else self.standing.epoch

    def _epoch(self) -> None:
        at = self.standing
        parts = self.parts(at.epoch)
        n_before = at.epoch * len(self.material.train)
        n_all = self.config.epochs * len(self.material.train)
        for step, batch in self._batches(parts):
            self._add(self.step(batch, step), len(batch))
            at.step = step + 1
            self.request.progress(n_before + at.molecules, n_all, "molecules")
            if time.monotonic() - self._kept >= self.keep_seconds:
                self.keep(self.checkpoint())
                self._kept = time.monotonic()
        means = {name: total / at.molecules for name, total in at.sums.items()}
        self._log("train", means)
        if len(self.material.valid):
            self._judge(self.validate())
        at.epoch, at.step, at.sums, at.molecules = at.epoch + 1, 0, {}, 0
        self._tick()

    def checkpoint(self) -> Checkpoint:
        """Return all there is, to be written down."""
        self._tick()
        return Checkpoint(
            self.standing,
            dict(self.network.state_dict()),
            optimiser_tensors(self.optimiser),
            dict(self.averaged.state_dict()),
            self.best,
        )

    def _tick(self) -> None:
        self.standing.seconds = self._before + time.monotonic() - self._resumed

    # ---------------------------------------------------------------------------------- one by one

    def parts(self, epoch: int) -> list[IntArray]:
        """Return the molecules of each step of an epoch: as equal as can be, each once."""
        return self._split(generator(self.seed, "order", epoch).permutation(self.material.train))

    def _batches(self, parts: list[IntArray]) -> Iterator[tuple[int, Any]]:
        """Yield the steps of this epoch that are left; an accelerator finds the next one ready."""
        epoch, first = self.standing.epoch, self.standing.step

        def batch(step: int) -> Any:
            return self.learning.batch(parts[step], generator(self.seed, "walk", epoch, step))

        if self.request.device == "cpu":
            yield from ((step, batch(step)) for step in range(first, len(parts)))
            return
        with ThreadPoolExecutor(1) as ahead:
            coming: Future[Any] | None = None
            for step in range(first, len(parts)):
                ready = batch(step) if coming is None else coming.result()
                coming = ahead.submit(batch, step + 1) if step + 1 < len(parts) else None
                yield step, ready

    def step(self, batch: Any, step: int) -> dict[str, float]:
        """Learn from one batch; return its loss terms."""
        epoch = self.standing.epoch
        torch.manual_seed(number(self.seed, "step", epoch, step))
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        terms = self._terms(batch, self.network)
        numbers = _numbers(terms)
        wrong = [name for name, value in numbers.items() if not math.isfinite(value)]
        if wrong:
            raise PluginError(
                f"pretraining went astray: {wrong[0]} is {numbers[wrong[0]]} in epoch {epoch + 1}, "
                f"step {step + 1}; a smaller learning_rate or float32 may help"
            )
        terms["total"].backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.averaged.update_parameters(self.network)
        return numbers

    @abstractmethod
    def batches(self, device: torch.device, held_out: BoolArray | None) -> Batches:
        """Return what cuts batches; no walk reaches a read-out of the molecules held out."""

    @abstractmethod
    def terms(self, batch: Any, network: Any) -> dict[str, Tensor]:
        """Return the loss terms of a batch, and their ``total``; called in the right precision."""

    def _terms(self, batch: Any, network: nn.Module) -> dict[str, Tensor]:
        half = self.request.precision == "bfloat16"
        with torch.autocast(self.request.device, torch.bfloat16, enabled=half):
            return self.terms(batch, network)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the mean loss terms of the molecules held out, each epoch on the same walks."""
        network = self.averaged.module
        network.eval()
        sums: dict[str, float] = {}
        for batch in self.held_out_batches():
            for name, value in _numbers(self._terms(batch, network)).items():
                sums[name] = sums.get(name, 0.0) + value * len(batch)
        return {name: total / len(self.material.valid) for name, total in sums.items()}

    def held_out_batches(self) -> Iterator[Any]:
        """Yield the batches of the molecules held out, the same in every epoch."""
        for i, part in enumerate(self._split(self.material.valid)):
            yield self.checking.batch(part, generator(self.seed, "held-out walk", i))

    def _split(self, rows: IntArray) -> list[IntArray]:
        """Return the rows of each batch, as equal as can be."""
        return np.array_split(rows, math.ceil(len(rows) / self.config.batch_size))

    def _judge(self, means: dict[str, float]) -> None:
        """Log the held-out loss of this epoch, and keep its weights if it is the lowest."""
        at = self.standing
        self._log("valid", means)
        if at.best is None or means["total"] < at.best:
            at.best, at.best_epoch = means["total"], at.epoch + 1
            state = self.averaged.module.state_dict()
            self.best = {k: v.detach().cpu().clone() for k, v in state.items()}

    def _log(self, part: str, means: dict[str, float]) -> None:
        self.standing.history.append(
            {"epoch": self.standing.epoch + 1, "part": part, **dict(sorted(means.items()))}
        )

    def _add(self, terms: dict[str, float], n: int) -> None:
        at = self.standing
        for name, value in terms.items():
            at.sums[name] = at.sums.get(name, 0.0) + value * n
        at.molecules += n


def _numbers(terms: dict[str, Tensor]) -> dict[str, float]:
    """Return the terms as numbers, brought from the device at once."""
    values: list[Any] = torch.stack([t.detach().double() for t in terms.values()]).tolist()
    return dict(zip(terms, values, strict=True))

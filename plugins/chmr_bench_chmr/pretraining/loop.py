"""Learning: epochs over the atlas, Adam, a loss on molecules held out, and checkpoints.

Every step draws from generators that follow from (seed, epoch, step), so a pretraining taken up
again from a checkpoint does what an undisturbed one would have done, bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from chmr_bench import PluginError, WeightsRequest
from chmr_bench.types import IntArray
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import GEOMETRY, GRAPH, ChmrNetwork, Modality, NetworkShape
from chmr_bench_chmr.objective import StepInputs, objective
from chmr_bench_chmr.pretraining.batches import Batch, Batcher
from chmr_bench_chmr.pretraining.checkpoint import (
    Checkpoint,
    Standing,
    Tensors,
    optimiser_tensors,
    restore_optimiser,
)
from chmr_bench_chmr.pretraining.material import Material
from chmr_bench_chmr.pretraining.seeding import generator, number
from chmr_bench_chmr.pretraining.state import factors
from chmr_bench_chmr.pretraining.values import Values

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


def new_network(material: Material, config: PretrainConfig, seed: int) -> ChmrNetwork:
    """Return the network as initialised by the seed, with the scales of the material."""
    shape = NetworkShape(
        fingerprint=material.bits.shape[1],
        geometry=0 if material.geometry is None else material.geometry.x.shape[1],
        cells=_modalities(material.cells),
        genes=_modalities(material.genes),
        hidden=config.hidden,
        layers=config.layers,
        dropout=config.dropout,
        decoder_hidden=config.decoder_hidden,
        tree=config.tree,
        depth=config.depth,
        fingerprint_hidden=config.fingerprint_hidden,
        latent_dropout=config.latent_dropout,
        state=factors(material, config),
    )
    torch.manual_seed(number(seed, "network"))
    network = ChmrNetwork(shape)
    scaled = dict(material.cells)
    if material.geometry is not None:
        scaled[GEOMETRY] = material.geometry
    for name, values in scaled.items():
        network.set_scale(name, torch.from_numpy(values.mean), torch.from_numpy(values.sd))
    return network


def _modalities(values: Mapping[str, Values]) -> tuple[Modality, ...]:
    return tuple(
        Modality(name, v.x.shape[1], v.binary, v.entries is not None) for name, v in values.items()
    )


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
class Learner:
    """One pretraining: what it learns from, and where it stands.

    Attributes
    ----------
    keep : Keep
        Called with a checkpoint every `keep_seconds` seconds, between two steps.
    """

    material: Material
    config: PretrainConfig
    request: WeightsRequest
    seed: int
    network: ChmrNetwork
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
        self.learning = Batcher(self.material, self.config, device, held_out)
        self.checking = Batcher(self.material, self.config, device)
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
        rows = generator(self.seed, "order", epoch).permutation(self.material.train)
        return np.array_split(rows, math.ceil(len(rows) / self.config.batch_size))

    def _batches(self, parts: list[IntArray]) -> Iterator[tuple[int, Batch]]:
        """Yield the steps of this epoch that are left; an accelerator finds the next one ready."""
        epoch, first = self.standing.epoch, self.standing.step

        def batch(step: int) -> Batch:
            return self.learning.batch(parts[step], generator(self.seed, "walk", epoch, step))

        if self.request.device == "cpu":
            yield from ((step, batch(step)) for step in range(first, len(parts)))
            return
        with ThreadPoolExecutor(1) as ahead:
            coming: Future[Batch] | None = None
            for step in range(first, len(parts)):
                ready = batch(step) if coming is None else coming.result()
                coming = ahead.submit(batch, step + 1) if step + 1 < len(parts) else None
                yield step, ready

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        """Learn from one batch; return its loss terms."""
        epoch = self.standing.epoch
        torch.manual_seed(number(self.seed, "step", epoch, step))
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        terms = self.terms(batch, self.network)
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

    def terms(self, batch: Batch, network: ChmrNetwork) -> dict[str, Tensor]:
        """Return the loss terms of a batch, and their ``total``."""
        half = self.request.precision == "bfloat16"
        kind = self.request.device
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
            latents = network.encode(
                batch.fingerprint, batch.graph, batch.geometry, batch.observed.get(GEOMETRY)
            )
            there = self._left_in(batch) if network.training else batch.observed
            inputs = StepInputs(
                latents, there, batch.cells, batch.augmented, batch.walks, batch.entries
            )
            return objective(network, self.config, inputs)

    def _left_in(self, batch: Batch) -> dict[str, Tensor]:
        """Return who has what, after bits and shapes were dropped by chance; graphs never are."""
        there, chance = dict(batch.observed), self.config.modality_dropout
        for name in self.network.shape.molecular if chance else ():
            if name != GRAPH:
                kept = torch.rand(len(batch), device=batch.fingerprint.device) >= chance
                there[name] = there[name] & kept if name in there else kept
        return there

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the mean loss terms of the molecules held out, each epoch on the same walks."""
        rows = self.material.valid
        parts = np.array_split(rows, math.ceil(len(rows) / self.config.batch_size))
        network = cast(ChmrNetwork, self.averaged.module)
        network.eval()
        sums: dict[str, float] = {}
        for i, part in enumerate(parts):
            batch = self.checking.batch(part, generator(self.seed, "held-out walk", i))
            for name, value in _numbers(self.terms(batch, network)).items():
                sums[name] = sums.get(name, 0.0) + value * len(part)
        return {name: total / len(rows) for name, total in sums.items()}

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

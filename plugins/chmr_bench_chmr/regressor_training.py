"""Learn the weights of `cells.regressor`: squared error of the observed read-outs of an atlas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from chmr_bench import Inputs, WeightsRequest
from chmr_bench.cells.atlas import Atlas, Bound
from chmr_bench.contracts import Progress
from chmr_bench.nn.losses import Bounds, within
from chmr_bench.nn.pretraining.features import compute_features
from chmr_bench.nn.pretraining.files import WEIGHTS, write_seen, write_tensors
from chmr_bench.nn.pretraining.place import Place
from chmr_bench.nn.pretraining.values import require_readouts
from chmr_bench.nn.trainer import TrainerSettings, seeded, train
from chmr_bench.types import BoolArray, FloatArray
from chmr_bench_chmr.reading import bits_of
from chmr_bench_chmr.regressor_config import NO_LAYERS, RegressorConfig, requests

HELD_OUT = 10
"""One molecule in so many of the atlas says when to stop."""


class Regression(NamedTuple):
    """What is regressed on what: n molecules, d bits, c read-outs.

    Attributes
    ----------
    bits : Tensor
        (n, d) float32.
    target : Tensor
        (n, c) float32 standardised, 0 where not known.
    known : Tensor
        (n, c) float32, 1 where known.
    bounds : Bounds | None
        Where targets are censored.
    """

    bits: Tensor
    target: Tensor
    known: Tensor
    bounds: Bounds | None = None

    @classmethod
    def of_atlas(cls, bits: FloatArray, atlas: Atlas) -> Regression:
        """Return the read-outs of all blocks, standardised, on bits (n, d)."""
        joined, at, below = _columns(atlas)
        known = np.isfinite(joined)
        kept = known.any(axis=0)
        joined, known, at = joined[:, kept], known[:, kept], at[kept]
        mean, spread = np.nanmean(joined, axis=0), np.nanstd(joined, axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        target = np.nan_to_num((joined - mean) / scale).astype(np.float32)
        bounds = None
        if np.isfinite(at).any():
            at = ((at - mean) / scale).astype(np.float32)
            bounds = Bounds(torch.from_numpy(at), torch.from_numpy(below[kept]))
        return cls.of_arrays(bits, target, known.astype(np.float32), bounds)

    @classmethod
    def of_arrays(
        cls, bits: FloatArray, target: FloatArray, known: FloatArray, bounds: Bounds | None = None
    ) -> Regression:
        """Return the same of arrays, float32."""
        x, y, seen = (torch.from_numpy(array) for array in (bits, target, known))
        return cls(x, y, seen, bounds)


def _columns(atlas: Atlas) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return the read-outs of all blocks, (n, d), and where each is censored, (d,), and its side.

    NaN where nothing was measured, infinite where nothing is censored.
    """
    parts, at, below = [], [], []
    for name, block in atlas.blocks.items():
        values = block.dense()
        seen = block.observed if block.in_part else block.observed[:, None]
        parts.append(np.where(seen & np.isfinite(values), values, np.nan).astype(np.float64))
        bound = atlas.censored.get(name, Bound(np.inf, below=True))
        at += [bound.at] * values.shape[1]
        below += [bound.below] * values.shape[1]
    return np.concatenate(parts, axis=1), np.array(at), np.array(below)


def make(config: RegressorConfig, request: WeightsRequest, place: Place) -> None:
    """Learn on the atlas and write the weights, then nothing of the atlas is needed any more."""
    atlas, info = request.data.open(config.atlas, config.transductive)
    require_readouts(atlas.name, atlas.blocks, masked="hidden" in info)
    blocks = compute_features(atlas.smiles, requests(config), request)
    data = Regression.of_atlas(bits_of(Inputs(atlas.smiles, blocks)), atlas)
    request.stage("pretraining")
    tensors, epochs = _learnt(data, config, request, place.seed)
    write_seen(place.folder, atlas.every_key)
    header = {
        "config": config.model_dump(mode="json"),
        "info": {**info, "seed": place.seed, "epochs": epochs},
    }
    write_tensors(place.folder / WEIGHTS, tensors, header)


def _learnt(
    data: Regression, config: RegressorConfig, request: WeightsRequest, seed: int
) -> tuple[dict[str, Tensor], int]:
    """Return the hidden layers and the epochs run; no layer where there is nothing to learn.

    Where every read-out was masked on purpose there is no column, and the linear models read the
    bits themselves.
    """
    if not data.target.shape[1]:
        return {NO_LAYERS: torch.zeros(1)}, 0
    network, epochs = trained(data, config, request.progress, seed)
    return _tensors(network, data.bits), epochs


def trained(
    data: Regression, config: RegressorConfig, progress: Progress, seed: int
) -> tuple[nn.Sequential, int]:
    """Return the network, in eval mode, and the epochs run."""
    with seeded(seed):
        network = _network(data.bits.shape[1], data.target.shape[1], config)
        epochs = _train(network, data, config, np.random.default_rng(seed), progress)
    return network.eval(), epochs


def _network(d: int, c: int, config: RegressorConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(d, config.hidden),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.hidden, config.embedding),
        nn.ReLU(),
        nn.Linear(config.embedding, c),
    )


def _train(
    network: nn.Sequential,
    data: Regression,
    config: RegressorConfig,
    rng: np.random.Generator,
    progress: Progress,
) -> int:
    """Fit until the error on the held-out molecules no longer falls; return the epochs run."""
    order = rng.permutation(len(data.bits))
    held, rest = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    steps = max(1, len(rest) // config.batch_size)

    def losses() -> Iterator[Tensor]:
        for rows in np.array_split(rng.permutation(rest), steps):
            yield _loss(network, data, rows)

    def score() -> float | None:
        if not len(held):
            return None
        with torch.no_grad():
            return -float(_loss(network, data, held))

    settings = TrainerSettings.of(config)
    return train(network, settings, losses, score, progress)[1]


def _loss(network: nn.Module, data: Regression, rows: Any) -> Tensor:
    target, known = data.target[rows], data.known[rows]
    y_pred = within(network(data.bits[rows]), target, data.bounds)
    error: Tensor = ((y_pred - target) ** 2) * known
    return error.sum() / known.sum().clamp(min=1)


def _tensors(network: nn.Sequential, bits: Tensor) -> dict[str, Tensor]:
    """Return the two hidden layers, and the scale of the last one on the atlas."""
    with torch.no_grad():
        last = network.eval()[:5](bits)
    first, second = network[0].state_dict(), network[3].state_dict()
    return {
        **{f"first.{name}": value for name, value in first.items()},
        **{f"last.{name}": value for name, value in second.items()},
        "mean": last.mean(0),
        "sd": last.std(0, correction=0) + 1e-6,
    }

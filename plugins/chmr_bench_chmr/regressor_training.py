"""Learn the weights of `cells.regressor`: squared error of the observed read-outs of an atlas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chmr_bench import Inputs, WeightsRequest
from chmr_bench.contracts import Progress
from chmr_bench.nn.pretraining.features import compute_features
from chmr_bench.nn.pretraining.files import WEIGHTS, write_seen, write_tensors
from chmr_bench.nn.pretraining.place import Place
from chmr_bench.nn.pretraining.values import require_readouts
from chmr_bench.nn.trainer import TrainerSettings, seeded, train
from chmr_bench.types import FloatArray
from chmr_bench_chmr.reading import bits_of
from chmr_bench_chmr.regressor_config import NO_LAYERS, RegressorConfig, requests

HELD_OUT = 10
"""One molecule in so many of the atlas says when to stop."""


def make(config: RegressorConfig, request: WeightsRequest, place: Place) -> None:
    """Learn on the atlas and write the weights, then nothing of the atlas is needed any more."""
    atlas, info = request.data.open(config.atlas, config.transductive)
    require_readouts(atlas.name, atlas.blocks, masked="hidden" in info)
    target, seen = profiles(atlas.blocks)
    blocks = compute_features(atlas.smiles, requests(config), request)
    bits = bits_of(Inputs(atlas.smiles, blocks))
    request.stage("pretraining")
    tensors, epochs = _learnt((bits, target, seen), config, request, place.seed)
    write_seen(place.folder, atlas.every_key)
    header = {
        "config": config.model_dump(mode="json"),
        "info": {**info, "seed": place.seed, "epochs": epochs},
    }
    write_tensors(place.folder / WEIGHTS, tensors, header)


def _learnt(
    data: tuple[FloatArray, FloatArray, FloatArray],
    config: RegressorConfig,
    request: WeightsRequest,
    seed: int,
) -> tuple[dict[str, Tensor], int]:
    """Return the hidden layers and the epochs run; no layer where there is nothing to learn.

    Parameters
    ----------
    data : tuple[FloatArray, FloatArray, FloatArray]
        Bits (n, d), read-outs (n, c) and which are known (n, c), float32. Where every read-out was
        masked on purpose c is 0, and the linear models read the bits themselves.
    """
    bits, target, seen = data
    if not target.shape[1]:
        return {NO_LAYERS: torch.zeros(1)}, 0
    network, epochs = trained((bits, target, seen), config, request.progress, seed)
    return _tensors(network, torch.from_numpy(bits)), epochs


def trained(
    data: tuple[FloatArray, FloatArray, FloatArray],
    config: RegressorConfig,
    progress: Progress,
    seed: int,
) -> tuple[nn.Sequential, int]:
    """Return the network, in eval mode, and the epochs run; `data` are those of `_learnt`."""
    bits, target, seen = data
    with seeded(seed):
        network = _network(bits.shape[1], target.shape[1], config)
        known = (torch.from_numpy(bits), torch.from_numpy(target), torch.from_numpy(seen))
        epochs = _train(network, known, config, np.random.default_rng(seed), progress)
    return network.eval(), epochs


def profiles(blocks: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """Return standardised read-outs, 0 where not observed, and 1 where they are: (n, d) float32."""
    parts = []
    for block in blocks.values():
        values = block.dense()
        seen = block.observed if block.in_part else block.observed[:, None]
        parts.append(np.where(seen & np.isfinite(values), values, np.nan).astype(np.float64))
    joined = np.concatenate(parts, axis=1)
    seen = np.isfinite(joined)
    kept = seen.any(axis=0)
    joined, seen = joined[:, kept], seen[:, kept]
    spread = np.nanstd(joined, axis=0)
    scaled = (joined - np.nanmean(joined, axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.nan_to_num(scaled).astype(np.float32), seen.astype(np.float32)


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
    data: tuple[Tensor, Tensor, Tensor],
    config: RegressorConfig,
    rng: np.random.Generator,
    progress: Progress,
) -> int:
    """Fit until the error on the held-out molecules no longer falls; return the epochs run."""
    order = rng.permutation(len(data[0]))
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


def _loss(network: nn.Module, data: tuple[Tensor, Tensor, Tensor], rows: Any) -> Tensor:
    x, target, seen = (part[rows] for part in data)
    error: Tensor = ((network(x) - target) ** 2) * seen
    return error.sum() / seen.sum().clamp(min=1)


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

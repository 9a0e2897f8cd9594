"""Every pretraining on a GPU beside a CPU: equal losses over ten steps, and molecules a second.

    python benchmarks/pretraining.py [--device cuda] [--molecules 8192] [--batch 512] [--table FILE]

CHMR, InfoAlign and MMSA learn from drug-like molecules with simulated profiles, by the code of a
pretraining. The ten steps are in single precision and without dropout, which draws other numbers on
another device; the speed is that of a whole second epoch with it, in bfloat16, held-out molecules
included. `gpu.py` looks closer at CHMR alone, and needs fewer packages. Ends with 1 where losses
differ. `--moved 1e-7` moves the second network's weights by so much before the first step: how far
rounding alone takes the losses apart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from infoalign import atlas

from chmr_bench import WeightsRequest
from chmr_bench.data.fetch import options_from_env
from chmr_bench.features.cache import available_cores
from chmr_bench.nn.pretraining.making import PretrainingPlan
from chmr_bench.nn.pretraining.material import AtlasMaterial
from chmr_bench.nn.pretraining.place import Place
from chmr_bench.nn.pretraining.seeding import generator
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.pretraining.making import ChmrPretraining
from chmr_bench_infoalign.config import InfoAlignSettings
from chmr_bench_infoalign.pretraining.making import InfoAlignPretraining
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.pretraining.making import MmsaPretraining

TOLERANCE, STEPS, EQUAL_BATCH = 1e-3, 10, 256
CHANCE = ("dropout", "latent_dropout", "modality_dropout", "decoder_dropout", "hypergraph_dropout")
MODELS: dict[str, tuple[type[PretrainingPlan[Any, Any]], type[Any], dict[str, Any]]] = {
    "chmr": (ChmrPretraining, PretrainConfig, {}),
    "infoalign": (InfoAlignPretraining, InfoAlignSettings, {}),
    "mmsa": (MmsaPretraining, MmsaSettings, {"molecules": 0}),
}
HEADER = (
    "| model | molecules a second | largest relative difference | loss, CPU | loss, card | GB |",
    "|:--|--:|--:|--:|--:|--:|",
)


def plan(
    model: str, folder: Path, device: Any, precision: Any, **changes: Any
) -> PretrainingPlan[Any, Any]:
    """Return a model's pretraining with its default settings, some changed."""
    kind, settings, own = MODELS[model]
    known = {name: value for name, value in changes.items() if name in settings.model_fields}
    request = WeightsRequest(
        AtlasData(options_from_env()),
        folder,
        n_jobs=available_cores(),
        device=device,
        precision=precision,
    )
    return kind(settings(**own, **known), request, Place(folder, "0" * 16, 0, {}))


def forget(checkpoint: Any) -> None:
    """Keep no checkpoint."""


def move(network: torch.nn.Module, share: float) -> None:
    """Change each weight by about a share of itself."""
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in network.parameters():
            by = torch.randn(weights.shape, generator=chance).to(weights.device)
            weights.mul_(1 + share * by)


def ten_losses(
    pretraining: PretrainingPlan[Any, Any], material: AtlasMaterial, moved: float = 0.0
) -> list[float]:
    """Return the total losses of ten steps, from weights that were moved before."""
    learner, n = pretraining.learner(material, forget, np.inf), len(material.train)
    move(learner.network, moved)
    losses = []
    for step in range(STEPS):
        rows = material.train[np.arange(step * EQUAL_BATCH, (step + 1) * EQUAL_BATCH) % n]
        batch = learner.learning.batch(rows, generator(0, "walk", 0, step))
        losses.append(learner.step(batch, step)["total"])
    return losses


def rate(pretraining: PretrainingPlan[Any, Any], material: AtlasMaterial) -> float:
    """Return molecules a second, of the second of two epochs."""
    learner, ends = pretraining.learner(material, forget, np.inf), []
    learner.learn(lambda _: ends.append(time.perf_counter()))
    return len(material.train) / (ends[1] - ends[0])


def measured(model: str, options: argparse.Namespace, folder: Path) -> tuple[float, str]:
    """Return the largest relative difference of losses, and a row of the table."""
    still = {**dict.fromkeys(CHANCE, 0.0), "batch_size": EQUAL_BATCH}
    first = plan(model, folder, "cpu", "float32", **still)
    material = first.prepare(atlas(options.molecules))
    here = ten_losses(first, material)
    second = plan(model, folder, options.device, "float32", **still)
    there = ten_losses(second, material, options.moved)
    apart = max(abs(a - b) / abs(a) for a, b in zip(here, there, strict=True))
    speed = plan(model, folder, options.device, "bfloat16", batch_size=options.batch, epochs=2)
    if options.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    fast = rate(speed, material)
    on_card = options.device == "cuda"
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.2f}" if on_card else "-"
    numbers = f"{fast:.0f} | {apart:.2g} | {here[-1]:.6g} | {there[-1]:.6g} | {memory}"
    return apart, f"| {model} | {numbers} |"


def rows(options: argparse.Namespace, apart: list[float]) -> Iterator[str]:
    """Yield the table, line by line; `apart` takes the differences."""
    card = torch.cuda.get_device_name() if options.device == "cuda" else "no card: CPU"
    yield (
        f"{card}, torch {torch.__version__}; {options.molecules} molecules, {options.batch} a step"
    )
    yield ""
    yield from HEADER
    for model in options.model or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            difference, row = measured(model, options, Path(folder))
        apart.append(difference)
        yield row


def main() -> int:
    """Print the table as it comes; 1 where losses differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--model", action="append", choices=tuple(MODELS))
    parser.add_argument("--molecules", type=int, default=8192)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--moved", type=float, default=0.0)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no CUDA device here; --device cpu runs without one")
    torch.backends.cudnn.allow_tf32 = False  # single precision is to be single precision
    lines, apart = [], list[float]()
    for line in rows(options, apart):
        print(line, flush=True)
        lines.append(line)
    if options.table:
        options.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(max(apart) > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())

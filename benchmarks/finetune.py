"""A whole fine-tune of CHMR on ChEMBL2K against a loop that encodes every molecule every epoch.

    python benchmarks/finetune.py [--timed 4 | --all] [--seed 0] [--jobs 2]

Ours is what `chmr-bench run` does between features and record: the frozen encoder embeds every
molecule once (no embedding is cached beforehand), the heads are fitted with early stopping, the
test rows predicted. The loop is what the published code does: the same encoder, left in train mode,
encodes the training molecules in every epoch, then the validation rows to score them. Its graph
network is written as that code has it, gathering, scattering and looking up with plain torch
operations; what our compiled ones would take in its place is printed too. The head is the same,
and so is the number of epochs. By default a few epochs of the loop are timed, some before ours and
some after, and their mean is multiplied; `--all` runs them all. All must encode the validation
rows alike: a fast wrong encoder does not count.

The weights decide nothing here but the epochs: pretrained ones are used if they are there, else an
untrained encoder of the same size.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import result, use_mirror
from torch import nn

from chmr_bench.contracts import FitContext, GraphBlock, Inputs, TaskInfo, Weights
from chmr_bench.data.fetch import options_from_env
from chmr_bench.errors import ChmrBenchError
from chmr_bench.features.cache import available_cores
from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES
from chmr_bench.features.profiles import CLIP
from chmr_bench.metrics import macro, score_tasks
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.gnn import GinVirtualNode, limited
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench.nn.trainer import masked_loss
from chmr_bench.plugins import registry
from chmr_bench.runner import (
    DatasetRequest,
    Datasets,
    RunOptions,
    SplitRequest,
    WeightsCache,
    WeightsKey,
)
from chmr_bench.settings import build_config
from chmr_bench.types import FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.embedding import embed
from chmr_bench_chmr.model import Chmr
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import FINGERPRINT, GEOMETRY, GRAPH, Modality, NetworkShape
from chmr_bench_chmr.weights import feature_requests, load_network, save_network

RATIO_TARGET, TOLERANCE = 50.0, 1e-4
DATASET = "chembl2k"


@dataclass(frozen=True)
class Data:
    """ChEMBL2K by part, with the features the encoder reads."""

    inputs: dict[str, Inputs]
    y: dict[str, FloatArray]
    tasks: TaskInfo
    config: ChmrConfig
    weights: Path | None


@dataclass
class Epochs:
    """Hears of a head's progress, and knows how many epochs it ran."""

    count: int = 0

    def __call__(self, done: int, total: int | None, unit: str) -> None:
        """Take a report of `FitContext.progress`."""
        if unit == "epochs":
            self.count = done


def load(jobs: int) -> Data:
    """Return the data on the reference split, and pretrained weights where they are at hand."""
    use_mirror()
    datasets = Datasets(options_from_env(), jobs)
    opened = datasets.load(DatasetRequest(name=DATASET))
    split = opened.split(SplitRequest("reference"))
    registered = registry().model("chmr")
    config: Any = build_config(registered.spec, {}, DATASET)
    inputs = opened.inputs(registered.spec, Chmr.needs(config))
    rows = {"train": split.train, "valid": split.valid, "test": split.test}
    weights = WeightsCache(RunOptions(options_from_env(), jobs)).look_up(
        WeightsKey(registered, config)
    )
    return Data(
        {part: inputs.take(r) for part, r in rows.items()},
        {part: opened.dataset.y[r] for part, r in rows.items()},
        TaskInfo(opened.spec.task_type, opened.dataset.task_names, opened.spec.metric),
        config,
        weights.path if isinstance(weights, Weights) else None,
    )


def untrained(data: Data, path: Path) -> Path:
    """Write an encoder of the size the settings ask for, as initialised; return its file."""
    torch.manual_seed(0)
    config, train = data.config, data.inputs["train"]
    block = train.matrix(GEOMETRY)
    geometry = torch.from_numpy(np.asarray(block.values, dtype=np.float32)[block.observed])
    network = ChmrNetwork(
        NetworkShape(
            fingerprint=reading.bits_of(train).shape[1],
            geometry=geometry.shape[1],
            cells=(Modality("activity", 3),),
            hidden=config.hidden,
            layers=config.layers,
            dropout=config.dropout,
            decoder_hidden=config.decoder_hidden,
            depth=config.depth,
            fingerprint_hidden=config.fingerprint_hidden,
            latent_dropout=config.latent_dropout,
        )
    )
    network.set_scale(GEOMETRY, geometry.mean(0), geometry.std(0))
    save_network(path, network, WeightsMetadata(config, feature_requests(config)))
    return path


# ------------------------------------------------------------------------------------------- ours


@dataclass(frozen=True)
class FineTune:
    """What a whole fine-tune took: seconds, epochs of the network head; and its test score."""

    seconds: float
    epochs: int
    score: float

    def summary(self) -> str:
        """Return the rest of its line."""
        return f"{self.epochs} epochs, linear heads, test predicted: {self.score:.1f}"


def ours(data: Data, weights: Path, seed: int, jobs: int) -> FineTune:
    """Return what a fine-tune takes from features to test predictions."""
    epochs = Epochs()
    context = FitContext(data.tasks, seed, jobs, progress=epochs, weights=weights)
    begun = time.perf_counter()
    model = Chmr(data.config)
    model.fit(data.inputs["train"], data.y["train"], data.inputs["valid"], data.y["valid"], context)
    y_pred = model.predict(data.inputs["test"])
    return FineTune(time.perf_counter() - begun, epochs.count, score(data, "test", y_pred))


def score(data: Data, part: str, y_pred: FloatArray) -> float:
    """Return the dataset's score of predictions, percent."""
    tasks = data.tasks
    value = macro(score_tasks(tasks.metric, tasks.task_names, data.y[part], y_pred))
    return 100 * (float("nan") if value is None else value)


# ---------------------------------------------------------------------------------------- the loop


def plain_graph(encoder: GinVirtualNode, block: GraphBlock) -> torch.Tensor:
    """Return (b, h) of the graph encoder, in the mode it is in, by plain torch operations."""
    atoms, bonds = torch.from_numpy(block.atoms), torch.from_numpy(block.bonds)
    sizes = torch.from_numpy(np.diff(block.atom_offsets))
    shift = np.repeat(block.atom_offsets[:-1], np.diff(block.bond_offsets))
    source, target = torch.from_numpy(block.edges + shift)  # (e,)
    molecule = torch.repeat_interleave(torch.arange(len(block)), sizes)  # (v,)
    h = looked_up(atoms, encoder.atom_table, ATOM_SIZES)  # (v, h)
    virtual = encoder.virtual.expand(len(block), -1)  # (b, h)
    last = len(encoder.convs) - 1
    layers: Any = zip(encoder.convs, encoder.norms, strict=True)
    for k, (conv, norm) in enumerate(layers):
        h = h + virtual[molecule]
        message = torch.relu(h[source] + looked_up(bonds, conv.bond_table, BOND_SIZES))  # (e, h)
        received = torch.zeros_like(h).index_add(0, target, message)
        update = norm(conv.mlp((1 + conv.eps) * h + received))
        if k < last:
            update = torch.relu(update)
            summed = torch.zeros_like(virtual).index_add(0, molecule, h)
            step = encoder.virtual_mlps[k](summed + virtual)
            virtual = virtual + dropped(step, encoder)
        h = h + dropped(update, encoder)
    return torch.zeros_like(virtual).index_add(0, molecule, h)


def looked_up(features: torch.Tensor, table: Any, sizes: Sequence[int]) -> torch.Tensor:
    """Return the sum over the features of an embedding each, (v, h)."""
    tables = torch.split(limited(table), list(sizes))
    lookups = (nn.functional.embedding(features[:, j], one) for j, one in enumerate(tables))
    return torch.stack(list(lookups)).sum(0)


def dropped(x: torch.Tensor, encoder: GinVirtualNode) -> torch.Tensor:
    """Return x after the encoder's dropout."""
    return nn.functional.dropout(x, encoder.dropout, encoder.training)


@dataclass
class Reencoding:
    """Fine-tuning as published: the encoder runs over every molecule in every epoch."""

    data: Data
    network: ChmrNetwork
    plain: bool = True
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, train = self.data.config, self.data.inputs["train"]
        width = reading.bits_of(train).shape[1] + config.hidden * len(self.network.shape.molecular)
        t = self.data.y["train"].shape[1]
        self.head = nn.Sequential(
            nn.Linear(width, config.head_hidden),
            nn.LayerNorm(config.head_hidden),
            nn.GELU(),
            nn.Dropout(config.head_dropout),
            nn.Linear(config.head_hidden, t),
        )
        self.optimiser = torch.optim.AdamW(
            self.head.parameters(),
            lr=config.head_learning_rate,
            weight_decay=config.head_weight_decay,
            fused=True,
        )
        self.targets = torch.from_numpy(self.data.y["train"].astype(np.float32))

    def epoch(self) -> None:
        """Encode and learn from the training rows, encode and score the validation rows."""
        begun = time.perf_counter()
        self.network.train()
        self.head.train()
        loss = masked_loss(self.head(self.encoded("train")), self.targets, True)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.optimiser.step()
        self.network.eval()
        self.head.eval()
        with torch.inference_mode():
            y_pred = torch.sigmoid(self.head(self.encoded("valid")).double())
        score(self.data, "valid", y_pred.numpy())
        self.seconds.append(time.perf_counter() - begun)

    def encoded(self, part: str) -> torch.Tensor:
        """Return bits and projected modalities of a part's molecules, (n, d), encoded anew."""
        bits = torch.from_numpy(reading.bits_of(self.data.inputs[part]))
        return torch.cat([bits, *self.latents(part).values()], dim=1)

    @torch.no_grad()
    def latents(self, part: str) -> dict[str, torch.Tensor]:
        """Return modality -> (n, h), as the encoder gives it in the mode it is in."""
        inputs = self.data.inputs[part]
        block = inputs.matrix(GEOMETRY)
        raw = torch.from_numpy(np.asarray(block.values, dtype=np.float32))
        observed = torch.from_numpy(block.observed)
        bits = torch.from_numpy(reading.bits_of(inputs))
        values = self.network.standardise(GEOMETRY, raw).clamp(-CLIP, CLIP)
        if not self.plain:
            return self.network.encode(bits, graph_batch(inputs.graph()), values, observed)
        values = torch.where(observed[:, None], values, 0.0)
        given = {
            FINGERPRINT: bits,
            GRAPH: plain_graph(self.network.graph_encoder, inputs.graph()),
            GEOMETRY: values,
        }
        return {name: self.network.project(name, x) for name, x in given.items()}


def check_equal(data: Data, loops: list[Reencoding], weights: Path, jobs: int) -> None:
    """Stop where a loop's encoder, before it learns, and the embeddings disagree."""
    valid = data.inputs["valid"]
    embedded = embed(valid, data.config, FitContext(data.tasks, n_jobs=jobs, weights=weights))
    for loop in loops:
        loop.network.eval()
        for name, latents in loop.latents("valid").items():
            rows = valid.matrix(GEOMETRY).observed if name == GEOMETRY else slice(None)
            gap = np.abs(latents.numpy()[rows] - embedded[name][rows]).max()
            if gap > TOLERANCE * max(1.0, float(np.abs(embedded[name]).max())):
                sys.exit(f"{name}: the loop's encoder and the embeddings differ by {gap:.2g}")


# ------------------------------------------------------------------------------------- measurement


def at_home(folder: str, name: str, call: Callable[[], Any]) -> Any:
    """Return what a call gives, in a cache folder of its own."""
    before = os.environ.get("CHMR_BENCH_HOME")
    os.environ["CHMR_BENCH_HOME"] = str(Path(folder) / name)
    try:
        return call()
    finally:
        if before is None:
            del os.environ["CHMR_BENCH_HOME"]
        else:
            os.environ["CHMR_BENCH_HOME"] = before


def measure(data: Data, timed: int | None, seed: int, jobs: int) -> int:
    """Time all ways, report; return 1 where the target is missed. `timed` None = every epoch."""
    torch.set_num_threads(jobs)
    with tempfile.TemporaryDirectory() as folder:
        weights = data.weights or untrained(data, Path(folder) / "untrained.safetensors")
        network, _ = load_network(weights)
        loops = [Reencoding(data, network), Reencoding(data, network, plain=False)]
        at_home(folder, "check", lambda: check_equal(data, loops, weights, jobs))
        for loop in loops:
            loop.epoch()  # what is compiled and allocated at first use
            loop.seconds.clear()
            run(loop, (timed or 4) // 2)
        fits = [
            at_home(folder, "cold", partial(ours, data, weights, s, jobs)) for s in (seed, seed + 1)
        ]
        run(loops[0], (timed or fits[0].epochs) - len(loops[0].seconds))
        run(loops[1], (timed or 4) - len(loops[1].seconds))
    kind = "an untrained encoder" if data.weights is None else f"weights {data.weights.parent.name}"
    print(f"\n{DATASET}, {kind}, {jobs} cores")
    return report(loops, fits[0], fits[1])


def run(loop: Reencoding, epochs: int) -> None:
    """Run epochs of the loop."""
    for _ in range(epochs):
        loop.epoch()


def report(loops: list[Reencoding], first: FineTune, second: FineTune) -> int:
    """Print the comparison, also as `run.py` reads it; return 1 where the target is missed."""
    print(f"chmr, embedded once                {first.seconds:8.2f} s   {first.summary()}")
    print(f"chmr, a seed later                 {second.seconds:8.2f} s   {second.summary()}")
    ratios = []
    for loop, label in zip(
        loops, ("re-encoding every epoch", "    with our operations"), strict=True
    ):
        epoch, n = float(np.mean(loop.seconds)), len(loop.seconds)
        whole = epoch * first.epochs
        ratios.append(whole / first.seconds)
        said = "all run" if n == first.epochs else f"of which {n} were run, the rest multiplied"
        print(f"{label:34s} {whole:8.2f} s   {epoch:.2f} s x {first.epochs} epochs, {said}")
    print(f"times re-encoding: {ratios[0]:.1f}; with our operations in it: {ratios[1]:.1f}")
    what = f"fine-tuning on {DATASET}, times re-encoding"
    return int(not result(what, ratios[0], at_least=RATIO_TARGET))


def main() -> int:
    """Parse the arguments, measure, report; return 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--timed", type=int, default=4, help="epochs of the loop to time")
    parser.add_argument("--all", action="store_true", help="time every epoch of the loop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=available_cores())
    arguments = parser.parse_args()
    try:
        data = load(arguments.jobs)
    except ChmrBenchError as error:
        print(f"skipped: {DATASET} is not here ({error})")
        return 0
    timed = None if arguments.all else arguments.timed
    return measure(data, timed, arguments.seed, arguments.jobs)


if __name__ == "__main__":
    sys.exit(main())

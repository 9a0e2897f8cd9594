"""CHMR's pretraining on a GPU: equal losses, speed at batch 3072 in bfloat16, memory.

    python benchmarks/gpu.py prepare gpu.npz --molecules 24576      # where the data are
    python benchmarks/gpu.py run gpu.npz --table gpu.md             # where the GPU is

`prepare` opens an atlas and keeps what its steps read in one file of at most 40 MB. `run` needs
this repository and torch, numpy, numba, pydantic and safetensors alone: what else the network
imports has a stand-in here. It ends with 1 where the losses differ, or less than 60 % of the
encoder's own rate is left in a whole step. `--device cpu` runs it without a GPU, with a small
`--batch`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "plugins")]

MOST_BYTES = 40_000_000
TOLERANCE, STEPS, SHARE = 1e-3, 10, 0.60
BATCH, EQUAL_BATCH, REPEATS = 3072, 512, 8
STILL = {"dropout": 0.0, "latent_dropout": 0.0, "modality_dropout": 0.0}
"""Devices draw other numbers, so losses are compared without chance."""

# ----------------------------------------------------------------------------------------- prepare


def dump(material: Any, config: Any, path: Path, seed: int = 0) -> None:
    """Write all that the steps on a material read, one walk a molecule; ValueError if too large."""
    from chmr_bench.cells.walks import walk
    from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES

    n = len(material)
    graph, links = material.graph, material.links
    arrays: dict[str, Any] = {
        "bits": np.packbits(material.bits.toarray().astype(bool), axis=1),
        "atoms": graph.atoms.astype(np.uint8),
        "bonds": graph.bonds.astype(np.uint8),
        "edges": graph.edges.astype(np.uint16),
        "atom_offsets": graph.atom_offsets.astype(np.int32),
        "bond_offsets": graph.bond_offsets.astype(np.int32),
    }
    if material.geometry is not None:
        arrays["geometry"] = material.geometry.x.astype(np.float16)
        arrays["geometry_observed"] = material.geometry.observed
    met = walk(links, np.arange(n), config.walk_length, np.random.default_rng(seed))
    arrays |= {"walk_kind": links.kind[met.nodes].astype(np.int8), "walk_row": links.row[met.nodes]}
    arrays["walk_weight"] = met.weight
    for name, values in material.cells.items():
        arrays[f"cell.{name}"] = values.x
        arrays[f"observed.{name}"] = values.observed
        if values.entries is not None:
            arrays[f"entries.{name}"] = values.entries
        if name in material.filled:
            arrays[f"second.{name}"] = material.filled[name].x
    about = {
        "n_bits": material.bits.shape[1],
        "config": config.model_dump(mode="json"),
        "kinds": list(links.kinds),
        "cells": {name: v.binary for name, v in material.cells.items()},
        "sizes": [ATOM_SIZES, BOND_SIZES],
    }
    np.savez_compressed(path, about=np.array(json.dumps(about)), **arrays)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes; take fewer --molecules")


def prepare(options: argparse.Namespace) -> None:
    """Open an atlas, take as many molecules as asked for, and write what its steps read."""
    from chmr_bench.contracts import WeightsRequest
    from chmr_bench.data.fetch import options_from_env
    from chmr_bench.runner.pretraining import AtlasData
    from chmr_bench_chmr.config import ChmrConfig
    from chmr_bench_chmr.pretraining.material import prepare as material_of

    config = ChmrConfig(atlas=(options.atlas,), geometry=options.geometry)
    data = AtlasData(options_from_env())
    atlas, _ = data.open(config.atlas, False)
    rows = np.random.default_rng(0).permutation(len(atlas))[: options.molecules]
    request = WeightsRequest(data=data, folder=Path())
    dump(material_of(atlas.take(np.sort(rows)), config, request, 0), config, options.file)


# --------------------------------------------------------------------------------------- stand-ins


class Graph:
    """Stands in for a batch of PyTorch Geometric: tensors by name."""

    def __init__(self, **tensors: torch.Tensor) -> None:
        vars(self).update(tensors)

    @property
    def num_graphs(self) -> int:
        """Molecules."""
        return len(vars(self)["ptr"]) - 1

    def to(self, device: Any, non_blocking: bool = False) -> Graph:
        """Return the batch on a device."""
        own = {k: v for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return Graph(**{k: v.to(device, non_blocking=non_blocking) for k, v in own.items()})


class Convolution(nn.Module):
    """Stands in for GINEConv: (1 + eps) h_i plus the sum over j of relu(h_j + bond_ji)."""

    def __init__(self, inner: nn.Module, train_eps: bool) -> None:
        super().__init__()
        self.nn, self.eps = inner, nn.Parameter(torch.zeros(1), requires_grad=train_eps)

    def forward(self, h: torch.Tensor, edges: torch.Tensor, bonds: torch.Tensor) -> torch.Tensor:
        """Return (v, h)."""
        sent = torch.relu(h.index_select(0, edges[0]) + bonds)
        received = torch.zeros_like(h).index_add_(0, edges[1], sent.to(h.dtype))
        out: torch.Tensor = self.nn(received + (1 + self.eps) * h)
        return out


def add_pool(h: torch.Tensor, molecule: torch.Tensor, size: int) -> torch.Tensor:
    """Return the sum over each molecule's atoms."""
    return h.new_zeros(size, h.shape[1]).index_add_(0, molecule, h)


def marker(project: str) -> Callable[..., Any]:
    """Stands in for pluggy's markers: a function stays as it is."""
    return lambda function=None, **options: function or (lambda marked: marked)


def stand_in(sizes: Any, force: bool = False) -> None:
    """Put a stand-in where a package is not installed; `force` = wherever there is one."""

    def missing(package: str) -> bool:
        return force or importlib.util.find_spec(package) is None

    def module(name: str, **content: Any) -> None:
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(content)

    if missing("pluggy"):
        module("pluggy", HookspecMarker=marker, HookimplMarker=marker)
    if missing("torch_geometric"):
        module("torch_geometric")
        module("torch_geometric.data", Batch=Graph)
        module("torch_geometric.nn", GINEConv=Convolution, global_add_pool=add_pool)
    if missing("rdkit"):
        atoms, bonds = (tuple(one) for one in sizes)
        module("chmr_bench.features.graphs", ATOM_SIZES=atoms, BOND_SIZES=bonds)


# --------------------------------------------------------------------------------------------- run


class Prepared:
    """The prepared file, opened, and batches cut from it on a device."""

    def __init__(self, path: Path, force: bool = False) -> None:
        with np.load(path, allow_pickle=False) as file:
            self.about = json.loads(str(file["about"]))
            self.arrays: dict[str, Any] = {n: file[n] for n in file.files if n != "about"}
        stand_in(self.about["sizes"], force)
        from chmr_bench.contracts import GraphBlock

        a = self.arrays
        atoms, bonds, edges = (a[n].astype(np.int64) for n in ("atoms", "bonds", "edges"))
        offsets = (a[n].astype(np.int64) for n in ("atom_offsets", "bond_offsets"))
        everyone = np.ones(len(a["bits"]), dtype=bool)
        self.graph = GraphBlock(atoms, bonds, edges, *offsets, everyone)

    def __len__(self) -> int:
        return len(self.arrays["bits"])

    def config(self, **changes: Any) -> Any:
        """Return the settings of pretraining, some changed."""
        from chmr_bench_chmr.config import PretrainConfig

        known = {k: v for k, v in self.about["config"].items() if k in PretrainConfig.model_fields}
        return PretrainConfig(**{**known, **changes})

    def network(self, config: Any) -> Any:
        """Return CHMR's network as initialised by seed 0."""
        from chmr_bench_chmr.network import ChmrNetwork
        from chmr_bench_chmr.shape import Modality, NetworkShape

        a, cells = self.arrays, self.about["cells"].items()
        torch.manual_seed(0)
        names = ("hidden", "layers", "dropout", "decoder_hidden", "tree", "depth")
        more = {n: getattr(config, n) for n in (*names, "fingerprint_hidden", "latent_dropout")}
        shapes = (Modality(n, a[f"cell.{n}"].shape[1], b, f"entries.{n}" in a) for n, b in cells)
        width = a["geometry"].shape[1] if "geometry" in a else 0
        return ChmrNetwork(NetworkShape(self.about["n_bits"], width, tuple(shapes), **more))

    def bits(self, rows: Any, device: Any) -> torch.Tensor:
        """Return (b, d) float32."""
        unpacked = np.unpackbits(self.arrays["bits"][rows], axis=1, count=self.about["n_bits"])
        return torch.from_numpy(unpacked).to(device).float()

    def batch(self, rows: Any, device: Any) -> dict[str, Any]:
        """Return what a step on these molecules reads."""
        from chmr_bench.nn.batch import graph_batch

        a = self.arrays

        def part(prefix: str) -> dict[str, torch.Tensor]:
            names = (n for n in self.about["cells"] if prefix + n in a)
            return {n: torch.from_numpy(a[prefix + n][rows]).to(device) for n in names}

        made = {"bits": self.bits(rows, device), "graph": graph_batch(self.graph, rows, device)}
        made |= {"cells": part("cell."), "augmented": part("second."), "entries": part("entries.")}
        made |= {
            "observed": part("observed."),
            "walks": self._walks(rows, device),
            "geometry": None,
        }
        if "geometry" in a:
            made["geometry"] = torch.from_numpy(a["geometry"][rows]).to(device).float()
            seen = torch.from_numpy(a["geometry_observed"][rows]).to(device)
            made["observed"]["geometry"] = seen
        return made

    def _walks(self, rows: Any, device: Any) -> dict[str, Any]:
        """Return what walks met: the mean of bits, and read-outs, each with its weight."""
        from chmr_bench.nn.walk_targets import WalkTargets

        a = self.arrays
        kind, row, weight = (a[f"walk_{n}"][rows] for n in ("kind", "row", "weight"))
        targets = {}
        for at, name in enumerate(self.about["kinds"]):
            walker, step = np.nonzero((kind == at) & (weight > 0))
            own, w = row[walker, step], weight[walker, step]
            tensors = [torch.from_numpy(x).to(device) for x in (walker, w)]
            if name == "molecule":
                met = self.bits(own, device) * tensors[1][:, None]
                total = tensors[1].new_zeros(len(rows)).index_add_(0, *tensors)
                mean = met.new_zeros(len(rows), met.shape[1]).index_add_(0, tensors[0], met)
                mean /= total.clamp_min(1e-12)[:, None]
                everyone = torch.arange(len(rows), device=device)
                targets[name] = WalkTargets(everyone, mean, total)
            elif f"cell.{name}" in a:
                x = a[f"cell.{name}"][own]
                if f"entries.{name}" in a:
                    x = np.where(a[f"entries.{name}"][own], x, np.float32(np.nan))
                targets[name] = WalkTargets(tensors[0], torch.from_numpy(x).to(device), tensors[1])
        return targets


def loss(network: Any, config: Any, made: Mapping[str, Any], half: bool) -> torch.Tensor:
    """Return the total loss of a step."""
    from chmr_bench_chmr.objective import StepInputs, objective

    device, observed = made["bits"].device.type, made["observed"]
    with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
        latents = network.encode(
            made["bits"], made["graph"], made["geometry"], observed.get("geometry")
        )
        names = ("cells", "augmented", "walks", "entries")
        step = StepInputs(latents, observed, **{n: made[n] for n in names})
        return objective(network, config, step)["total"]


def ten_losses(prepared: Prepared, device: str, batch: int) -> list[float]:
    """Return the total losses of ten steps in float32, without chance."""
    config = prepared.config(**STILL)
    network = prepared.network(config).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    losses = []
    for step in range(STEPS):
        rows = np.arange(step * batch, (step + 1) * batch) % len(prepared)
        optimiser.zero_grad(set_to_none=True)
        total = loss(network, config, prepared.batch(rows, device), half=False)
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(total.detach()))
    return losses


def seconds(call: Callable[[int], Any], device: str, repeats: int) -> float:
    """Return the median time of a call, the device waited for; the first two warm up."""
    times = []
    for turn in range(repeats + 2):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        call(turn)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[2:])


def rates(prepared: Prepared, device: str, size: int, repeats: int) -> dict[str, float]:
    """Return molecules a second: of whole steps, and of the graph encoder's own both ways.

    As in pretraining, the next batch is cut while the card is at the last one.
    """
    config = prepared.config()
    network = prepared.network(config).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    rng = np.random.default_rng(0)
    parts = [np.resize(rng.permutation(len(prepared)), size) for _ in range(4)]
    graphs = [prepared.batch(rows, device)["graph"] for rows in parts]

    def encoder(turn: int) -> None:
        with torch.autocast(device, dtype=torch.bfloat16):
            out = network.graph_encoder(graphs[turn % 4])
        out.float().square().mean().backward()

    def step(turn: int) -> None:
        optimiser.zero_grad(set_to_none=True)
        made = coming.pop().result()
        coming.append(ahead.submit(prepared.batch, parts[(turn + 1) % 4], device))
        loss(network, config, made, half=True).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    own = seconds(encoder, device, repeats)
    with ThreadPoolExecutor(1) as ahead:
        coming = [ahead.submit(prepared.batch, parts[0], device)]
        whole = seconds(step, device, repeats)
    return {"encoder": size / own, "step": size / whole, "share": own / whole}


def measure(
    path: Path, device: str, size: int, equal: int, repeats: int = REPEATS, force: bool = False
) -> dict[str, Any]:
    """Return the report: losses on both devices, rates, memory, the card's name."""
    started, prepared = time.perf_counter(), Prepared(path, force)
    here, there = (ten_losses(prepared, d, equal) for d in ("cpu", device))
    apart = [abs(a - b) / max(abs(a), 1e-9) for a, b in zip(here, there, strict=True)]
    speed = rates(prepared, device, size, repeats)
    on_gpu = device == "cuda"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "card": torch.cuda.get_device_name() if on_gpu else "none: CPU",
        "torch": torch.__version__,
        "molecules": len(prepared),
        "batch": size,
        "loss after ten steps, CPU": here[-1],
        "loss after ten steps, card": there[-1],
        "largest relative difference": max(apart),
        "molecules a second": speed["step"],
        "encoder alone, both ways, molecules a second": speed["encoder"],
        "share of the encoder's rate": speed["share"],
        "peak memory, MB": (torch.cuda.max_memory_allocated() if on_gpu else peak) / 1e6,
        "seconds in all": time.perf_counter() - started,
    }


def table(report: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    rows = (
        f"| {k} | {v:.6g} |" if isinstance(v, float) else f"| {k} | {v} |"
        for k, v in report.items()
    )
    return "\n".join(["| what | value |", "|:--|--:|", *rows]) + "\n"


def main() -> int:
    """Prepare the file, or run on it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True, dest="command")
    first, second = commands.add_parser("prepare"), commands.add_parser("run")
    for command in (first, second):
        command.add_argument("file", type=Path)
    first.add_argument("--atlas", default="jump-activity")
    first.add_argument("--molecules", type=int, default=24_576)
    first.add_argument("--geometry", default="geometry", choices=("geometry", "none"))
    second.add_argument("--table", type=Path)
    second.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    second.add_argument("--batch", type=int, default=BATCH)
    second.add_argument("--equal-batch", type=int, default=EQUAL_BATCH)
    second.add_argument("--repeats", type=int, default=REPEATS, help="steps that are timed")
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(options)
        return 0
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no CUDA device here; --device cpu runs without one")
    sizes = (options.batch, options.equal_batch, options.repeats)
    report = measure(options.file, options.device, *sizes)
    text = table(report)
    sys.stdout.write(text)
    if options.table:
        options.table.write_text(text, encoding="utf-8")
    equal = report["largest relative difference"] <= TOLERANCE
    fast = options.device == "cpu" or report["share of the encoder's rate"] >= SHARE
    return 0 if equal and fast else 1


if __name__ == "__main__":
    sys.exit(main())

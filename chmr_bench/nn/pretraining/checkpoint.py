"""A pretraining on disk, half-way: what is needed to go on as if nothing had happened.

One safetensors file: the network, the network of the best epoch so far, Adam's moments, and in
the header where it stood. Nothing of a random generator is kept: each step draws from generators
that follow from (seed, epoch, step), see `seeding.generator`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from chmr_bench import DataError
from chmr_bench.nn.pretraining.files import read_tensors, write_tensors

FILE = "checkpoint.safetensors"
Tensors = dict[str, torch.Tensor]


@dataclass
class Standing:
    """Where a pretraining stands, between two steps.

    Attributes
    ----------
    key : str
        Of the weights it works on; a checkpoint of another key is not read.
    epoch, step : int
        The next step to be made, from 0.
    sums : dict[str, float]
        Sum over this epoch's steps of each loss term times its molecules; `molecules` of them.
    history : list[dict[str, Any]]
        One row per epoch and part: ``epoch``, ``part`` and the loss terms.
    best_epoch : int
        Whose weights are kept so far; -1 before the first.
    best : float | None
        Its validation loss.
    seconds : float
        Spent learning, over all sittings.
    sittings : int
        1 + how often it was taken up again.
    """

    key: str
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    molecules: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    best: float | None = None
    seconds: float = 0.0
    sittings: int = 1


@dataclass
class Checkpoint:
    """Everything of a pretraining between two steps; `best` is empty before the first epoch.

    `averaged` are the moving averages of the network, and how many steps are in them.
    """

    standing: Standing
    network: Tensors
    optimiser: Tensors
    averaged: Tensors
    best: Tensors = field(default_factory=dict)


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint, over the one before it; a kill leaves one of the two, complete."""
    parts = {
        "network": checkpoint.network,
        "optimiser": checkpoint.optimiser,
        "averaged": checkpoint.averaged,
        "best": checkpoint.best,
    }
    tensors = {f"{part}/{name}": t for part, group in parts.items() for name, t in group.items()}
    write_tensors(folder / FILE, tensors, asdict(checkpoint.standing))


def read(folder: Path, key: str) -> Checkpoint | None:
    """Return the checkpoint of that key; None where there is none.

    Raises
    ------
    DataError
        There is one, but it is damaged or of another key.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    tensors, header = read_tensors(path)
    try:
        standing = TypeAdapter(Standing).validate_python(header)
    except ValidationError as error:
        raise DataError(f"{path}: its header cannot be read: {error}") from error
    if standing.key != key:
        raise DataError(f"{path} belongs to other weights: {standing.key[:12]}, not {key[:12]}")
    groups: dict[str, Tensors] = {"network": {}, "optimiser": {}, "averaged": {}, "best": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        groups[part][rest] = tensor
    return Checkpoint(standing, **groups)


# --------------------------------------------------------------------------------------- optimiser


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> Tensors:
    """Return the moments and step counts of an optimiser of one parameter group."""
    state: dict[int, dict[str, torch.Tensor]] = optimiser.state_dict()["state"]
    return {f"{i}.{name}": t for i, values in state.items() for name, t in values.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Give the optimiser back what `optimiser_tensors` took."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        row, _, moment = name.partition(".")
        state.setdefault(int(row), {})[moment] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})

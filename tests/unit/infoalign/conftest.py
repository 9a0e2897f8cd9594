"""What the tests of InfoAlign share: one thread, and tensors named as the published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chmr_bench.nn import trainer


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Such small networks are slower on many threads."""
    pytest.importorskip("torch")
    with trainer.one_thread():
        yield


@pytest.fixture
def published() -> Callable[..., dict[str, Any]]:
    """Give tensors by the names of the published code, of a small network."""
    return published_state


def published_state(
    h: int = 8, wide: int = 16, widths: tuple[int, ...] = (16, 3, 2, 4, 3, 5)
) -> dict[str, Any]:
    """Return a state as the published code would store it: two layers, drawn by chance."""
    import torch

    from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES

    shapes: dict[str, tuple[int, ...]] = {
        "dist_net.1.weight": (2 * h, h),
        "dist_net.1.bias": (2 * h,),
    }
    graph = "graph_encoder."
    for i, size in enumerate(ATOM_SIZES):
        shapes[f"{graph}atom_encoder.atom_embedding_list.{i}.weight"] = (size, h)
    for owner in ("", "convs.0.", "convs.1."):
        for i, size in enumerate(BOND_SIZES):
            shapes[f"{graph}{owner}bond_encoder.bond_embedding_list.{i}.weight"] = (size, h)
    shapes[f"{graph}virtualnode_embedding.weight"] = (1, h)
    for k in range(2):
        shapes |= {f"{graph}convs.{k}.eps": (1,), **_norm(f"{graph}batch_norms.{k}", h)}
        shapes |= _linear(f"{graph}convs.{k}.mlp.0", h, 2 * h) | _norm(
            f"{graph}convs.{k}.mlp.1", 2 * h
        )
        shapes |= _linear(f"{graph}convs.{k}.mlp.3", 2 * h, h)
    mlp = f"{graph}mlp_virtualnode_list.0"
    shapes |= _linear(f"{mlp}.0", h, 2 * h) | _norm(f"{mlp}.1", 2 * h)
    shapes |= _linear(f"{mlp}.3", 2 * h, h) | _norm(f"{mlp}.4", h)
    for i, d in enumerate(widths):
        shapes |= _linear(f"decoder_list.{i}.fc1", h, wide) | _linear(
            f"decoder_list.{i}.fc2", wide, d
        )
        shapes |= _norm(f"decoder_list.{i}.bn1", wide)
    torch.manual_seed(0)
    state = {name: 0.3 * torch.rand(shape) for name, shape in shapes.items()}
    counters = [
        name.replace("running_var", "num_batches_tracked") for name in shapes if "_var" in name
    ]
    return state | {name: torch.tensor(7) for name in counters}


def _linear(name: str, d: int, out: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, d), f"{name}.bias": (out,)}


def _norm(name: str, d: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (d,) for part in ("weight", "bias", "running_mean", "running_var")}

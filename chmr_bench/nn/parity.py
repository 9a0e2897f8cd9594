"""Comparing a network with tensors of a published one: what every model's ``parity`` shares.

A folder holds ``weights.safetensors`` (the published state), ``graphs.safetensors`` (the batch),
``outputs.safetensors`` (what the published code gave, and its inputs) and ``meta.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch_geometric.data import Batch

from chmr_bench.errors import ChmrBenchError, DataError

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)
TOLERANCE = 1e-4
"""Largest |a - b| / max(1, |b|) of an entry that counts as equal."""


@dataclass(frozen=True)
class TensorDifference:
    """How far a tensor is from the published one: largest |a - b|, and relative to max(1, |b|)."""

    name: str
    absolute: float
    relative: float

    @property
    def ok(self) -> bool:
        """Whether the tensors agree; a NaN agrees with nothing."""
        return self.relative <= TOLERANCE


def stored(folder: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of ``NAME.safetensors``; DataError where it cannot be read."""
    path = folder / f"{name}.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def read_meta(folder: Path, needed: set[str]) -> dict[str, Any]:
    """Return ``meta.json``; DataError where it cannot be read, or lacks what is needed."""
    path = folder / "meta.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    missing = needed - set(values)
    if missing:
        raise DataError(f"{path} lacks {sorted(missing)}")
    return values


def filled(network: AnyNetwork, tensors: Mapping[str, Tensor]) -> AnyNetwork:
    """Return the network with published tensors, in eval mode; every tensor has its place."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(f"the published tensors do not fit the network: {error}") from None
    return network.eval()


def batch_of(graphs: Mapping[str, Tensor]) -> Batch:
    """Return the graphs as one batch."""
    return Batch(**{name: graphs[name] for name in ("x", "edge_index", "edge_attr", "batch")})


def difference(name: str, ours: Tensor, published: Tensor) -> TensorDifference:
    """Return how far a tensor is from the published one; another shape is infinitely far."""
    if ours.shape != published.shape:
        return TensorDifference(name, float("inf"), float("inf"))
    gap = (ours.double() - published.double()).abs()
    relative = gap / published.double().abs().clamp_min(1)
    return TensorDifference(name, float(gap.max()), float(relative.max()))


def differences(
    folder: Path, published: Mapping[str, Tensor], computed: Mapping[str, Tensor]
) -> list[TensorDifference]:
    """Return the difference of every published output; DataError for one that is not computed."""
    missing = sorted(set(published) - set(computed))
    if missing:
        raise DataError(f"{folder}/outputs.safetensors holds {missing}: not computed here")
    return [difference(name, computed[name], published[name]) for name in sorted(published)]


def report(
    module: str,
    compare: Callable[[Path], list[TensorDifference]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Print the differences of a folder; 0 where all agree, 1 where not, 2 for a wrong call.

    Parameters
    ----------
    module : str
        What ``python -m`` was called with.
    arguments : Sequence[str] | None
        The folder; None = as on the command line.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 1:
        sys.stderr.write(f"usage: python -m {module} DIR\n")
        return 2
    try:
        differences = compare(Path(given[0]))
    except ChmrBenchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    width = max(len(d.name) for d in differences)
    for d in differences:
        sys.stdout.write(f"{d.name:<{width}}  {d.absolute:9.2e}  {'ok' if d.ok else 'DIFFERS'}\n")
    wrong = [d.name for d in differences if not d.ok]
    verdict = f"{len(wrong)} of {len(differences)} tensors differ" if wrong else "all agree"
    sys.stdout.write(f"{verdict}: |a - b| <= {TOLERANCE:g} max(1, |b|)\n")
    return 1 if wrong else 0

"""Pretrained weights: the request for them, and the answer."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from chmr_bench.contracts.progress import Progress, no_progress
from chmr_bench.types import DeviceKind, Precision


@dataclass(frozen=True)
class Weights:
    """Pretrained weights on disk.

    Attributes
    ----------
    path
        The safetensors file.
    sha256
        Of that file; part of a run's identity.
    info
        JSON-able; what the record says of them: atlas, molecules left out, settings,
        hardware. ``labels_seen``, a sentence, where they may have learnt from a benchmark's
        labels: boards say so, and give the model no rank.
    seen
        a sorted ``uint64`` ``.npy`` of `connectivity_hash` of all keys of the molecules learnt
        from: `Atlas.every_key`.

    Examples
    --------
    >>> Weights(Path("weights.safetensors"), "9f86d081", {"atlas": "jump-activity"}).info["atlas"]
    'jump-activity'
    """

    path: Path
    sha256: str
    info: Mapping[str, Any] = field(default_factory=dict)
    seen: Path | None = None


@dataclass(frozen=True)
class PendingWeights:
    """Weights that would have to be made first.

    Attributes
    ----------
    title
        What would be done, in one line.
    atlases
        What would be learnt from, by name.
    core_ms
        Milliseconds that a molecule of these takes in all, on one core of the machine that
        `chmr_bench.runner.estimate` compares with; 0 = not known.
    without
        How to do without, in one line.
    molecules
        At most so many of the atlases' molecules are learnt from; 0 = all.

    Examples
    --------
    >>> PendingWeights("pretraining on 2,335 molecules, 30 epochs").title
    'pretraining on 2,335 molecules, 30 epochs'
    """

    title: str
    atlases: tuple[str, ...] = ()
    core_ms: float = 0.0
    without: str = ""
    molecules: int = 0


class PretrainingData(Protocol):
    """Atlases as a pretraining may see them; test molecules are left out by the harness."""

    def digest(self, atlases: Sequence[str], transductive: bool, packages: bool = True) -> str:
        """Return the sha256 of what `open` would give, without opening it.

        Without `packages` it is the same whichever version of a package reads the files.
        """
        ...

    def open(self, atlases: Sequence[str], transductive: bool) -> tuple[Any, Mapping[str, Any]]:
        """Return the merged `chmr_bench.cells.Atlas`, and what a record says of it.

        Unless `transductive`, molecules of a benchmark's reference test part are left out, in any
        salt, charge or tautomer form: of real benchmarks for a real atlas, of synthetic ones for a
        synthetic one.
        """
        ...


@dataclass(frozen=True)
class WeightsRequest:
    """What a model gets when its weights are looked up or made.

    Attributes
    ----------
    data
        The atlases, test molecules left out.
    folder
        Where to keep what is made. It is one folder a plugin, shared by its models and by
        processes: a name inside says model, settings and data. It is there where `make` is true.
    seed
        Of the run the weights are for.
    chosen
        The settings that the user or the variant chose; all others are defaults, or of a
        recipe. Weights that were made otherwise are not theirs.
    make
        Make them where they are not there; False = only look.
    anew
        Do not take those that came with the plugin: the user asked to pretrain.
    n_jobs
        Cores that may be used.
    device
        ``cpu`` or ``cuda``.
    precision
        That of the user's ``--precision``, for the pretraining itself.
    progress
        Report how far it is: ``(done, total, unit)``.
    stage
        Report the name of what begins.
    log
        A logger: what it is told stands in the log of the job.

    Examples
    --------
    ```python
    def find_or_make(config, request):  # ModelSpec(..., weights="my_model:find_or_make")
        file = request.folder / "weights.safetensors"
        if not file.exists() and not request.make:
            return PendingWeights("pretraining on jump-activity", ("jump-activity",))
        ...
    ```
    """

    data: PretrainingData
    folder: Path
    seed: int = 0
    chosen: frozenset[str] = frozenset()
    make: bool = False
    anew: bool = False
    n_jobs: int = 1
    device: DeviceKind = "cpu"
    precision: Precision = "float32"
    progress: Progress = no_progress
    stage: Callable[[str], None] = lambda _: None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("chmr_bench.weights"))


def connectivity_hash(keys: Sequence[str]) -> Any:
    """Return (n,) uint64: the first 8 bytes (little-endian) of each key's sha256."""
    digests = b"".join(hashlib.sha256(key.encode()).digest()[:8] for key in keys)
    return np.frombuffer(digests, dtype="<u8")

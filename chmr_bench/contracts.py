"""What crosses a stage border: specs, molecules with their blocks, splits, models.

Everything here is a frozen dataclass or a protocol over numpy arrays; nothing here imports more
than the standard library and numpy. Dimension letters: `n` molecules, `t` tasks, `d` features,
`v` atoms, `e` directed bonds.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from chmr_bench.blocks import Block, GraphBlock, MatrixBlock, block_arrays
from chmr_bench.errors import DataError
from chmr_bench.types import (
    PARTS,
    DeviceKind,
    FloatArray,
    IntArray,
    MetricName,
    Part,
    TaskType,
)

__all__ = [
    "AtlasSpec",
    "Block",
    "Dataset",
    "DatasetSpec",
    "DroppedRow",
    "FeatureRequest",
    "FeatureSpec",
    "FitContext",
    "GraphBlock",
    "Inputs",
    "LoadFiles",
    "MatrixBlock",
    "Model",
    "ModelSpec",
    "PendingWeights",
    "PretrainingData",
    "Progress",
    "SourceFile",
    "Split",
    "Suite",
    "TaskInfo",
    "Weights",
    "WeightsRequest",
    "connectivity_hash",
    "no_progress",
    "part_digest",
]

Progress: TypeAlias = Callable[[int, int, str], None]
"""``progress(done, total, unit)``: called by long work as it goes; cheap to call often."""


def no_progress(done: int, total: int, unit: str) -> None:
    """Report nothing."""


# --------------------------------------------------------------------------- molecules and numbers


@dataclass(frozen=True)
class Inputs:
    """What a model may see of n molecules. It has no labels, so leakage does not type-check.

    Attributes
    ----------
    smiles : n SMILES as the dataset gives them.
    blocks : modality or feature name -> block of n rows. The names are those of the model's
        `needs` and, for cell data, of its spec's `reads`.
    keys : n connectivity keys (first 14 characters of the InChIKey; "" where none can be made), or
        an empty tuple unless the model asks for the feature ``connectivity``.
    """

    smiles: tuple[str, ...]
    blocks: Mapping[str, Block] = field(default_factory=dict)
    keys: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.smiles)

    def take(self, rows: IntArray) -> Inputs:
        """Return the given rows, in that order."""
        return Inputs(
            smiles=tuple(self.smiles[i] for i in rows),
            blocks={name: block.take(rows) for name, block in self.blocks.items()},
            keys=tuple(self.keys[i] for i in rows) if self.keys else (),
        )

    def matrix(self, name: str) -> MatrixBlock:
        """Return the matrix block called `name`; DataError where there is none."""
        block = self.blocks.get(name)
        if not isinstance(block, MatrixBlock):
            raise DataError(
                f"the inputs hold no matrix called {name!r}; they hold {sorted(self.blocks)}"
            )
        return block

    def graph(self, name: str = "graph") -> GraphBlock:
        """Return the graph block called `name`; DataError where there is none."""
        block = self.blocks.get(name)
        if not isinstance(block, GraphBlock):
            raise DataError(f"the inputs hold no graphs called {name!r}; {sorted(self.blocks)}")
        return block


@dataclass(frozen=True)
class Dataset:
    """Labelled molecules in source order.

    Attributes
    ----------
    smiles : n SMILES exactly as in the source.
    y : (n, t) float64; NaN = not measured.
    task_names : t names.
    blocks : cell modalities that come with the data, n rows each (`observed` says who has them).
    keys : n connectivity keys, or an empty tuple.
    dropped : rows of the source left out on the user's own order, with the reason.
    """

    smiles: tuple[str, ...]
    y: FloatArray
    task_names: tuple[str, ...]
    blocks: Mapping[str, Block] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    dropped: tuple[DroppedRow, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.smiles), len(self.task_names))
        if self.y.shape != expected:
            raise DataError(f"labels have shape {self.y.shape}, expected (n, t) = {expected}")

    def __len__(self) -> int:
        return len(self.smiles)

    def digest(self) -> str:
        """Return the sha256 of everything that can change a number: molecules, labels, blocks."""
        h = hashlib.sha256(b"chmr-bench dataset 1\n")
        h.update("\n".join(self.smiles).encode() + b"\0" + "\n".join(self.task_names).encode())
        h.update(np.ascontiguousarray(self.y, dtype="<f8").tobytes())
        for name in sorted(self.blocks):
            h.update(b"\0" + name.encode())
            for array in block_arrays(self.blocks[name]):
                h.update(f"{array.dtype.str}{array.shape}".encode())
                h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()


@dataclass(frozen=True)
class DroppedRow:
    """A source row left out: `row` counts from 1, the header being row 1 of a CSV."""

    row: int
    reason: str


# ------------------------------------------------------------------------------------------ splits


@dataclass(frozen=True)
class Split:
    """Which rows are train, valid and test: disjoint ascending 0-based row indices."""

    train: IntArray
    valid: IntArray
    test: IntArray

    def part(self, name: Part) -> IntArray:
        """Return the rows of one part."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[name]

    def digest(self) -> str:
        """Return the sha256 over the three part digests, one a line."""
        text = "\n".join(part_digest(self.part(p)) for p in PARTS)
        return hashlib.sha256(text.encode()).hexdigest()


def part_digest(rows: IntArray) -> str:
    """Return the sha256 of the ascending indices joined by newline."""
    return hashlib.sha256("\n".join(map(str, np.sort(rows).tolist())).encode()).hexdigest()


# ------------------------------------------------------------------------------------------- specs


@dataclass(frozen=True)
class SourceFile:
    """A pinned file: where it lies in the mirror layout, where it comes from, what it must be."""

    path: str
    sha256: str
    n_bytes: int
    address: str = ""


LoadFiles: TypeAlias = Callable[[str], Path]
"""Mirror path of one of the spec's source files -> local, hash-verified path."""


@dataclass(frozen=True)
class DatasetSpec:
    """A registered dataset: everything known without opening a file.

    Attributes
    ----------
    load : ``"module:function"``, called as ``function(spec, files) -> Dataset``; `files` maps a
        source path to a verified local file. Nothing heavy is imported before that.
    split_rule : ``"module:function"`` of the reference split, called as
        ``function(dataset) -> Split``, or "" where the dataset has none.
    split_digests : sha256 of (train, valid, test) indices, as `part_digest` makes them.
    modalities : what a model can be given: ``structure`` and the cell blocks of the dataset.
    ceilings : ``"module:function"`` called as ``function() -> dict[str, float]``, or "".
    details : ``"module:function"`` called as ``function() -> dict``, more for ``show``, or "".
    """

    name: str
    title: str
    task_type: TaskType
    task_names: tuple[str, ...]
    metric: MetricName
    n_molecules: int
    load: str
    unit: str = ""
    split: str = "reference"
    split_rule: str = ""
    split_sizes: tuple[int, int, int] = (0, 0, 0)
    split_digests: tuple[str, ...] = ()
    sources: tuple[SourceFile, ...] = ()
    modalities: tuple[str, ...] = ("structure",)
    suites: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    version: str = "1"
    ceilings: str = ""
    details: str = ""

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.task_names)


@dataclass(frozen=True)
class FeatureSpec:
    """A registered feature: one molecule -> numbers, stateless.

    Attributes
    ----------
    compute : ``"module:function"``, called as ``function(smiles, **settings) -> Block`` on a chunk
        of molecules; it may run in another process and must depend on nothing but its arguments.
    settings : the settings with their defaults.
    version : changes whenever the same molecule gives other numbers.
    depends : packages whose version is part of the cache key, for instance ``rdkit``.
    """

    name: str
    title: str
    compute: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1"
    depends: tuple[str, ...] = ("rdkit",)


@dataclass(frozen=True)
class FeatureRequest:
    """A feature with settings, as a model asks for it."""

    feature: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """A registered model: everything known without importing it.

    Attributes
    ----------
    factory : ``"module:Class"``; built as ``Class(config)``, must satisfy `Model`.
    config : ``"module:Config"``, a pydantic model with ``extra="forbid"``: the settings.
    version : changes whenever the same data, settings and seed give other predictions.
    recipe : path of a TOML file whose ``[settings]`` (and ``[dataset.NAME]``) override defaults.
    preset : settings fixed by this variant, applied over the recipe.
    task_types : what it can predict.
    reads : cell modalities it can read, besides structure.
    needs_cells : True where it cannot do without one of these: datasets that have none are not for
        it, and the plan says so.
    requires : modules that must be importable, for instance ``("torch",)``.
    extra : the chmr-bench extra that installs them.
    deterministic : True where the seed changes nothing: it is run once.
    accelerator : True where it can use a CUDA device.
    precisions : what `FitContext.precision` it can work in.
    weights : ``"module:function"``, called as
        ``function(config, request: WeightsRequest) -> Weights | PendingWeights | None``: finds, or
        where the request says so makes, the weights a fit starts from. "" = it starts from none.
    explain : ``"module:function"`` behind ``chmr-bench explain``, or "".
    """

    name: str
    title: str
    factory: str
    config: str
    version: str = "1"
    recipe: str = ""
    preset: Mapping[str, Any] = field(default_factory=dict)
    task_types: tuple[TaskType, ...] = ("classification", "regression")
    reads: tuple[str, ...] = ()
    needs_cells: bool = False
    requires: tuple[str, ...] = ()
    extra: str = ""
    deterministic: bool = False
    accelerator: bool = False
    precisions: tuple[str, ...] = ("float32",)
    weights: str = ""
    explain: str = ""
    citation: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AtlasSpec:
    """A registered atlas: unlabelled molecules with cell read-outs, to pretrain on.

    Attributes
    ----------
    load : ``"module:function"``, called as ``function(spec, files) -> chmr_bench.cells.Atlas``;
        `files` maps a source path to a verified local file.
    modalities : the names of its cell blocks.
    synthetic : simulated read-outs; only synthetic benchmarks can leak into it.
    version : changes whenever the same files give another atlas.
    """

    name: str
    title: str
    load: str
    modalities: tuple[str, ...]
    n_molecules: int = 0
    sources: tuple[SourceFile, ...] = ()
    synthetic: bool = False
    licence: str = ""
    citation: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    version: str = "1"


# ----------------------------------------------------------------------------------------- weights


@dataclass(frozen=True)
class Weights:
    """Pretrained weights on disk.

    Attributes
    ----------
    path : the safetensors file. sha256 : of that file; part of a run's identity.
    info : JSON-able; what the record says of them: atlas, molecules left out, settings, hardware.
    seen : a sorted ``uint64`` ``.npy`` of `connectivity_hash` of every molecule learnt from.
    """

    path: Path
    sha256: str
    info: Mapping[str, Any] = field(default_factory=dict)
    seen: Path | None = None


@dataclass(frozen=True)
class PendingWeights:
    """Weights that would have to be made first; `title` says what would be done."""

    title: str


class PretrainingData(Protocol):
    """Atlases as a pretraining may see them; test molecules are left out by the harness."""

    def digest(self, atlases: Sequence[str], transductive: bool) -> str:
        """Return the sha256 of what `open` would give, without opening it."""
        ...

    def open(self, atlases: Sequence[str], transductive: bool) -> tuple[Any, Mapping[str, Any]]:
        """Return the merged `chmr_bench.cells.Atlas`, and what a record says of it.

        Unless `transductive`, molecules whose connectivity is in a benchmark's reference test part
        are left out: of real benchmarks for a real atlas, of synthetic ones for a synthetic one.
        """
        ...


@dataclass(frozen=True)
class WeightsRequest:
    """What a model is told when its weights are asked for.

    Attributes
    ----------
    seed : of the run the weights are for.
    chosen : the settings that the user or the variant chose; all others are defaults, or of a
        recipe. Weights that were made otherwise are not theirs.
    make : make them where they are not there; False = only look.
    folder : where this model's plugin may keep what it makes; shared by processes.
    progress, stage : report ``(done, total, unit)``, and the name of what begins.
    """

    data: PretrainingData
    folder: Path
    seed: int = 0
    chosen: frozenset[str] = frozenset()
    make: bool = False
    n_jobs: int = 1
    device: DeviceKind = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    progress: Progress = no_progress
    stage: Callable[[str], None] = lambda _: None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("chmr_bench.weights"))


def connectivity_hash(keys: Sequence[str]) -> Any:
    """Return (n,) uint64: the first 8 bytes (little-endian) of each key's sha256."""
    digests = b"".join(hashlib.sha256(key.encode()).digest()[:8] for key in keys)
    return np.frombuffer(digests, dtype="<u8")


# ------------------------------------------------------------------------------------------ models


@dataclass(frozen=True)
class TaskInfo:
    """What a model is told about the endpoints: never a label."""

    task_type: TaskType
    task_names: tuple[str, ...]
    metric: MetricName


@dataclass(frozen=True)
class FitContext:
    """The surroundings of one fit.

    Attributes
    ----------
    seed : every source of randomness must follow from it.
    n_jobs : cores the model may use.
    device : where torch models run.
    precision : ``float32`` or ``bfloat16`` (autocast).
    progress : report ``(done, total, unit)`` here.
    weights : the file to start from, None where the model asked for none.
    """

    tasks: TaskInfo
    seed: int = 0
    n_jobs: int = 1
    device: DeviceKind = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    progress: Progress = no_progress
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("chmr_bench.model"))
    weights: Path | None = None


@runtime_checkable
class Model(Protocol):
    """What a plugin's class must offer. It is built as ``Class(config)``."""

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, FeatureRequest]:
        """Return block name -> the feature to be computed for it."""
        ...

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Learn from the training rows; the validation rows are for early stopping only.

        `y_train` is (n_train, t) float64 with NaN where nothing was measured. A task may have no
        label, or labels of one class only: that is no error, predict something sensible.
        """
        ...

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return (n, t) finite predictions: probabilities of class 1, or values in y's unit."""
        ...


# ----------------------------------------------------------------------------------------- plugins


@dataclass(frozen=True)
class Suite:
    """A named list of datasets."""

    name: str
    title: str
    datasets: Sequence[str]

"""What is registered: everything known of it without importing it or opening a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from chmr_bench.types import PARTS, MetricName, TaskType


@dataclass(frozen=True)
class SourceFile:
    """A pinned file: where it lies in the mirror layout, where it comes from, what it must be.

    Attributes
    ----------
    path
        Below a mirror's root.
    sha256
        Of the whole file.
    n_bytes
        Its size.
    address
        Where it is public, or "".

    Examples
    --------
    >>> file = SourceFile("mine/assays.csv", "9f86d081", 1024, "https://example.org/assays.csv")
    >>> file.path
    'mine/assays.csv'
    """

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
    name
        Lower-case, as on the command line.
    title
        One line.
    task_type
        ``classification`` or ``regression``.
    task_names
        The endpoints, in the order of the labels' columns.
    metric
        What scores are of.
    n_molecules
        Rows.
    load
        ``"module:function"``, called as ``function(spec, files) -> Dataset``; `files` maps
        a source path to a verified local file. Nothing heavy is imported before that.
    unit
        Of the labels of a regression, as tables say it; "" = none.
    split
        How it is split where no ``--split`` is given: ``reference``, the published split, which
        needs `split_rule`; or a method of ``chmr-bench list splits``, such as ``scaffold``. A
        published split has no other name than ``reference``.
    split_rule
        ``"module:function"`` of the reference split, called as ``function(dataset) ->
        Split``, or "" where the dataset has none.
    split_sizes
        Rows of train, valid and test of the reference split, which add up to `n_molecules`; it is
        held against them. Zeros = not stated.
    split_digests
        sha256 of (train, valid, test) indices, as `part_digest` makes them.
    sources
        Its pinned files, fetched once and held against their hashes; none where `load` needs none.
    modalities
        What a model can be given: ``structure`` and the cell blocks of the dataset.
    suites
        Suites it is in, by name; one that is not there yet begins with it.
    licence, citation, source
        As ``chmr-bench show`` tells them; `source` is an address.
    notes
        What a user should know first, a sentence each.
    synthetic
        Simulated labels: marked in every table, and on no board.
    version
        Changes whenever the same files give other molecules or labels: runs are then computed anew.
    ceilings
        ``"module:function"`` called as ``function() -> dict[str, float]``, or "".
    details
        ``"module:function"`` called as ``function() -> dict``, more for ``show``, or "".

    Examples
    --------
    ```python
    DatasetSpec(
        name="my-assay",
        title="Inhibition of my enzyme",
        task_type="regression",
        task_names=("pIC50",),
        metric="mae",
        n_molecules=1200,
        load="my_package.data:load",
        split="scaffold",
    )
    ```
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
    def reference_digest(self) -> str:
        """Digest of the reference split, as `Split.digest` makes it; "" where it is not pinned."""
        if len(self.split_digests) != len(PARTS):
            return ""
        return hashlib.sha256("\n".join(self.split_digests).encode()).hexdigest()

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.task_names)


@dataclass(frozen=True)
class FeatureSpec:
    """A registered feature: one molecule -> numbers, stateless.

    Attributes
    ----------
    compute
        ``"module:function"``, called as ``function(smiles, **settings) -> Block`` on a
        chunk of molecules; it may run in another process and must depend on nothing but its
        arguments.
    settings
        The settings with their defaults.
    version
        Changes whenever the same molecule gives other numbers.
    depends
        Packages whose version is part of the cache key, for instance ``rdkit``.

    Examples
    --------
    ```python
    FeatureSpec("my-counts", "Counts of my groups", compute="my_package.groups:count")
    ```
    """

    name: str
    title: str
    compute: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1"
    depends: tuple[str, ...] = ("rdkit",)


@dataclass(frozen=True)
class FeatureRequest:
    """A feature with settings, as a model asks for it.

    Attributes
    ----------
    feature
        Its name; ``chmr-bench list features`` shows them.
    settings
        Those that differ from the defaults.

    Examples
    --------
    >>> FeatureRequest("morgan", {"n_bits": 1024}).feature
    'morgan'
    """

    feature: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """A registered model: everything known without importing it.

    Attributes
    ----------
    factory
        ``"module:Class"``; built as ``Class(config)``, must satisfy `Model`.
    config
        ``"module:Config"``, a pydantic model with ``extra="forbid"``: the settings.
    version
        Changes whenever the same data, settings and seed give other predictions.
    recipe
        Path of a TOML file whose ``[settings]`` (and ``[dataset.NAME]``) override defaults.
    preset
        Settings fixed by this variant, applied over the recipe.
    task_types
        What it can predict.
    reads
        Cell modalities of the dataset that it can read, besides structure.
    learns
        Cell modalities that its weights are made from; ``assay`` where they may be made from
        labelled assays of other molecules, too.
    views
        Features of a structure that it can do without, molecule by molecule, in fits and in its
        weights: they are masked where an ablation names them (``image``, ``conformer``). They are
        matrices, and their blocks have their names.
    needs_cells
        True where it cannot do without one of these: datasets that have none are not for
        it, and the plan says so. ``"learnt"``: nor without one that its weights learnt from. That
        is told by its setting ``atlas``, names of atlases; where there is none, or ``weights`` or
        ``cells`` is set, the fit has to say so.
    requires
        Modules that must be importable, for instance ``("torch",)``.
    extra
        The chmr-bench extra that installs them.
    deterministic
        True where the seed changes nothing: it is run once.
    accelerator
        True where it can use a CUDA device.
    precisions
        What `FitContext.precision` it can work in.
    weights
        ``"module:function"``, called as ``function(config, request: WeightsRequest) ->
        Weights | PendingWeights | None``: finds, or where the request says so makes, the
        weights a fit starts from. "" = it starts from none.
    explain
        ``"module:function"`` behind ``chmr-bench explain``, or "".
    match
        ``"module:Class"`` behind ``chmr-bench match``; built as ``Class(config)``, must satisfy
        `MatchModel`. "" = it cannot tell which profile belongs to which molecule.
    match_preset
        Settings for matching, over the recipe and the preset: what is learnt from is small.
    python
        Where its packages clash with ours: the environment variable that holds the path of the
        interpreter it runs in, or that path; `requires` must be importable there. "" = this one.

    Examples
    --------
    >>> spec = ModelSpec("my.ridge", "Ridge on bits", "my_model:Ridge", "my_model:Config")
    >>> spec.task_types
    ('classification', 'regression')
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
    learns: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    needs_cells: bool | Literal["learnt"] = False
    requires: tuple[str, ...] = ()
    extra: str = ""
    deterministic: bool = False
    accelerator: bool = False
    precisions: tuple[str, ...] = ("float32",)
    weights: str = ""
    explain: str = ""
    match: str = ""
    match_preset: Mapping[str, Any] = field(default_factory=dict)
    citation: str = ""
    notes: tuple[str, ...] = ()
    python: str = ""

"""A job: a model with settled settings, a dataset, a split, a seed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from chmr_bench.ablation.missing import Missing
from chmr_bench.contracts import (
    FitContext,
    ModelSpec,
    PendingWeights,
    TaskInfo,
    Weights,
    modality_of,
)
from chmr_bench.data.fetch import file_sha256
from chmr_bench.interpreters import environment_digest
from chmr_bench.plugins import Registered, registry
from chmr_bench.records import (
    AttachedAtlas,
    DatasetInfo,
    Dropped,
    ModelInfo,
    PluginRef,
    Record,
    RunKey,
)
from chmr_bench.runner.loading import LoadedDataset, SplitRequest
from chmr_bench.runner.needs import needs_of
from chmr_bench.runner.weights import WeightsKey
from chmr_bench.settings import EVERY
from chmr_bench.types import DeviceKind, IntArray, Precision

if TYPE_CHECKING:
    from chmr_bench.cells.linking import OwnProfiles

DROPPED_SHOWN = 100
WEIGHTS = "weights"
"""The setting that names the file which a model starts from."""
INTERPRETER = "interpreter"
"""Under this name stands, beside the features, the digest of a model's own environment."""


@dataclass(frozen=True)
class Job:
    """One run to be done.

    Attributes
    ----------
    seed :
        None where the model is deterministic; it then runs with seed 0.
    overrides :
        Settings that the user changed from what the model has by itself.
    weights :
        What the model starts from; `PendingWeights` where they are to be made first.
    weights_seconds :
        What making them took, in the job they were made for.
    missing :
        What is masked on purpose, None where nothing is.
    identity :
        Of the run, see `records.RunKey`; final once no weights are pending.
    """

    model: Registered[ModelSpec]
    config: BaseModel
    data: LoadedDataset
    split: SplitRequest
    seed: int | None
    precision: Precision = "float32"
    device: DeviceKind = "cpu"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    weights: Weights | PendingWeights | None = None
    weights_seconds: float = 0.0
    missing: Missing | None = None

    def weights_key(self, seed: int | None = None) -> WeightsKey:
        """Return all that its weights may depend on, besides the data."""
        return WeightsKey(
            self.model,
            self.config,
            (self.seed or 0) if seed is None else seed,
            self.device,
            self.precision,
            frozenset(self.overrides),
            self.missing,
        )

    def pending_text(self) -> str:
        """Return what tells weights that are pending from others; seeds may share them."""
        title = self.weights.title if isinstance(self.weights, PendingWeights) else ""
        return title + self.weights_key(seed=0).text()

    def context(self, n_jobs: int, logger: str) -> FitContext:
        """Return what the model's code is given beside the molecules."""
        spec, tasks = self.data.spec, self.data.dataset.task_names
        return FitContext(
            tasks=TaskInfo(spec.task_type, tasks, spec.metric),
            seed=self.seed or 0,
            n_jobs=n_jobs,
            device=self.device,
            precision=self.precision,
            log=logging.getLogger(f"{logger}.{self.model.spec.name}"),
            weights=self.weights.path if isinstance(self.weights, Weights) else None,
        )

    @property
    def identity(self) -> str:
        """Return the hash of all that can change the numbers."""
        return self.key().identity()

    def fit_name(self) -> str:
        """Return what tells its fit from others: jobs whose test rows alone differ share one."""
        at_fit = self.missing.at_fit() if self.missing else None
        return replace(self, missing=at_fit).identity + self.pending_text()

    def key(self) -> RunKey:
        """Return all that can change the numbers."""
        spec = self.model.spec
        return RunKey(
            model=spec.name,
            model_version=spec.version,
            params=public_params(self.config),
            plugin=self.model.plugin.name,
            plugin_version=self.model.plugin.version,
            dataset=self.data.spec.name,
            dataset_digest=self.data.digest,
            metric=self.data.spec.metric,
            split_digest=self.data.split_digest(self.split),
            seed=self.seed,
            features=self.features,
            weights=self.weights.sha256 if isinstance(self.weights, Weights) else None,
            missing=self.missing.to_dict() if self.missing else None,
            cells={part.atlas: part.digest for part in self.own_profiles},
            precision=self.precision,
            device=self.device,
        )

    @property
    def own_profiles(self) -> tuple[OwnProfiles, ...]:
        """Return what was attached and can reach the model; none where it reads none of it."""
        parts = tuple(part for part in self.data.own_profiles if part.blocks)
        names = {modality_of(name) for part in parts for name in part.blocks}
        return parts if names & set(self.model.spec.reads) else ()

    @property
    def features(self) -> dict[str, str]:
        """Return the version of each feature the model reads; `INTERPRETER` is of what it runs in.

        What `needs` raises, and a feature nobody registered, is the run's to report.
        """
        known, spec = registry().features, self.model.spec
        try:
            names = {request.feature for request in needs_of(spec, self.config).values()}
        except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - a stranger's code; it fails again, on record
            return {}
        own = {INTERPRETER: environment_digest(spec)} if spec.python else {}
        return {name: known[name].spec.version for name in sorted(names & set(known))} | own

    def __str__(self) -> str:
        seed = "" if self.seed is None else f" seed {self.seed}"
        masked = f", {self.missing}" if self.missing else ""
        return f"{self.model.spec.name} on {self.data.spec.name}{seed}{masked}"


def public_params(config: BaseModel, *, every: bool = False) -> dict[str, Any]:
    """Return the settings for a record; of a path that is absolute no folder.

    A file is told by its name and its hash, so that it is in the identity by what it holds. Of
    ``weights`` the name will do, and of a folder: what a model starts or learns from is in the
    identity by its weights. With `every`, those settings too that count only where they are
    changed.
    """
    values = config.model_dump(mode="json", context=EVERY if every else None)
    return {name: _public(value, hashed=name != WEIGHTS) for name, value in values.items()}


def _public(value: Any, *, hashed: bool) -> Any:
    if isinstance(value, dict):
        return {key: _public(item, hashed=hashed) for key, item in value.items()}
    if isinstance(value, list):
        return [_public(item, hashed=hashed) for item in value]
    if not isinstance(value, str):
        return value
    kind, colon, path = value.partition(":")
    if colon and kind.isalpha() and _is_path(path, sure=kind == "folder"):  # folder:/home/me/atlas
        return f"{kind}:{_named(Path(path), hashed=hashed)}"
    return _named(Path(value), hashed=hashed) if _is_path(value, sure=not hashed) else value


def _is_path(text: str, *, sure: bool) -> bool:
    """Return whether a text is an absolute path; unless `sure`, a SMARTS may begin like one."""
    try:
        path = Path(text)
        return path.is_absolute() and path.name != "" and (sure or path.exists())
    except (OSError, ValueError):  # too long, or with a null character
        return False


def _named(path: Path, *, hashed: bool) -> str:
    if not hashed or not path.is_file():
        return path.name
    about = path.stat()
    return f"{path.name}@{_sha256(path, about.st_size, about.st_mtime_ns)[:12]}"


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, n_bytes: int, changed: int) -> str:
    """Return the hash of a file, anew where it was changed."""
    return file_sha256(path)


def key_of(record: Record) -> RunKey:
    """Return the key that a record's own words make; its identity must be the record's."""
    return RunKey(
        model=record.model.id,
        model_version=record.model.version,
        weights=record.model.weights,
        params=record.model.params,
        plugin=record.plugin.name,
        plugin_version=record.plugin.version,
        dataset=record.dataset.name,
        dataset_digest=record.dataset.digest,
        metric=record.dataset.metric,
        split_digest=record.split.digest,
        seed=record.seed,
        features=record.model.features,
        missing=record.missing,
        cells={atlas.name: atlas.digest for atlas in record.cells or ()},
        precision=record.precision,
        device=record.resources.device,
    )


def model_info(job: Job, n_test_seen: int | None = None) -> ModelInfo:
    """Return what the record says of the model; `n_test_seen` of its weights."""
    spec = job.model.spec
    weights = job.weights if isinstance(job.weights, Weights) else None
    every = public_params(job.config, every=True)
    return ModelInfo(
        id=spec.name,
        version=spec.version,
        weights=weights.sha256 if weights else None,
        pretraining={**weights.info, "n_test_seen": n_test_seen} if weights else None,
        params=public_params(job.config),
        overrides={n: v for n, v in every.items() if n in job.overrides},
        features=job.features,
        deterministic=spec.deterministic,
    )


def plugin_ref(job: Job) -> PluginRef:
    """Return what the record says of the plugin."""
    plugin = job.model.plugin
    return PluginRef(name=plugin.name, distribution=plugin.distribution, version=plugin.version)


def cells_info(job: Job, test: IntArray | None) -> list[AttachedAtlas] | None:
    """Return what the record says of the profiles that were attached, None where none were.

    Parameters
    ----------
    test :
        The test rows, None in a failed run, whose split may be what failed.
    """
    return [
        AttachedAtlas(
            name=part.atlas,
            digest=part.digest,
            n_rows=int(part.observed.sum()),
            n_test=None if test is None else int(part.observed[test].sum()),
        )
        for part in job.own_profiles
    ] or None


def dataset_info(data: LoadedDataset) -> DatasetInfo:
    """Return what the record says of the dataset."""
    spec, dataset = data.spec, data.dataset
    rows = dataset.dropped[:DROPPED_SHOWN]
    return DatasetInfo(
        name=spec.name,
        title=spec.title,
        digest=data.digest,
        version=spec.version,
        task_type=spec.task_type,
        metric=spec.metric,
        unit=spec.unit,
        n_molecules=len(dataset),
        n_tasks=len(dataset.task_names),
        dropped=len(dataset.dropped),
        dropped_rows=[Dropped(row=d.row, reason=d.reason) for d in rows],
        synthetic=spec.synthetic,
        origin=data.request.origin(data.dataset.source_sha256),
    )

"""Datasets, splits and features opened once and shared by every job of a sweep."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chmr_bench.contracts import (
    Block,
    Dataset,
    DatasetSpec,
    FeatureRequest,
    Inputs,
    ModelSpec,
    Progress,
    Split,
    Weights,
    no_progress,
)
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.data.requests import MOLNET_PREFIX
from chmr_bench.data.requests import DatasetRequest as DatasetRequest
from chmr_bench.errors import DataError, SettingError
from chmr_bench.lazy import load_object
from chmr_bench.paths import feature_folder
from chmr_bench.records import ErrorInfo, canonical_json
from chmr_bench.runner.logs import stdout_to_stderr
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench.types import IntArray

CONNECTIVITY = "connectivity"
"""The feature that fills `Inputs.keys` instead of a block."""


@dataclass(frozen=True)
class SplitRequest:
    """A split method and its seed; None where the method draws nothing."""

    method: str
    seed: int | None = None


@dataclass(frozen=True)
class Opened:
    """A dataset that is open, and the hash of its content."""

    request: DatasetRequest
    spec: DatasetSpec
    dataset: Dataset
    digest: str


@dataclass
class Workspace:
    """What the jobs of one sweep share.

    Features are kept for one dataset at a time: jobs come dataset by dataset, and nine datasets'
    features would not fit a small machine.

    Attributes
    ----------
    weights : pretrained weights found so far, by what they were asked with.
    failed : why weights could not be made, by `Job.weights_key`.
    """

    options: FetchOptions
    n_jobs: int = 1
    weights: dict[str, Weights] = field(default_factory=dict)
    failed: dict[str, ErrorInfo] = field(default_factory=dict)
    _opened: dict[DatasetRequest, Opened] = field(default_factory=dict)
    _splits: dict[tuple[DatasetRequest, SplitRequest], Split] = field(default_factory=dict)
    _features: dict[str, Block | tuple[str, ...]] = field(default_factory=dict)
    _features_of: str = ""

    def __post_init__(self) -> None:
        self.atlases = AtlasData(self.options, self.n_jobs)

    # ------------------------------------------------------------------------- datasets and splits

    def open(self, request: DatasetRequest, progress: Progress = no_progress) -> Opened:
        """Return the dataset, loaded at most once.

        Raises
        ------
        UnknownNameError, SettingError, DataError : what the loaders raise.
        """
        if request not in self._opened:
            with stdout_to_stderr():
                spec, dataset = self._load(request, progress)
            self._opened[request] = Opened(request, spec, dataset, dataset.digest())
        return self._opened[request]

    def _load(self, request: DatasetRequest, progress: Progress) -> tuple[DatasetSpec, Dataset]:
        if request.file:
            from chmr_bench.data import tables

            return tables.read_table(Path(request.file), request)
        if request.name.startswith(MOLNET_PREFIX):
            from chmr_bench.data import molnet

            return molnet.molnet(
                request.name, on_invalid=request.on_invalid, offline=self.options.offline
            )
        from chmr_bench.data.datasets import open_dataset
        from chmr_bench.plugins import registry

        spec = registry().dataset(request.name).spec
        return spec, open_dataset(spec, self.options, progress)

    def split_digest(self, opened: Opened, split: SplitRequest) -> str:
        """Return the digest of a split: the pinned one without computing, where there is one."""
        pinned = opened.spec.split_digests
        if split.method == "reference" and len(pinned) == 3:
            return hashlib.sha256("\n".join(pinned).encode()).hexdigest()
        return self.split(opened, split).digest()

    def split(self, opened: Opened, split: SplitRequest) -> Split:
        """Return the rows of train, valid and test, made at most once.

        Raises
        ------
        DataError : the reference split is not the pinned one.
        """
        key = (opened.request, split)
        if key not in self._splits:
            with stdout_to_stderr():
                self._splits[key] = self._make_split(opened, split)
        return self._splits[key]

    def _make_split(self, opened: Opened, split: SplitRequest) -> Split:
        from chmr_bench import splits

        rule = opened.spec.split_rule
        if split.method == "reference" and not rule:
            raise SettingError(
                f"dataset {opened.spec.name!r} has no reference split; choose --split scaffold, "
                "strict, random, cv5x5 or deepchem:NAME"
            )
        made = splits.make_split(
            split.method,
            opened.dataset,
            rule=load_object(rule) if rule and split.method == "reference" else None,
            seed=split.seed or 0,
            keys=self.keys(opened) if splits.needs_keys(split.method) else (),
            n_jobs=self.n_jobs,
        )
        if split.method == "reference" and len(opened.spec.split_digests) == 3:
            expected = self.split_digest(opened, split)
            if made.digest() != expected:
                raise DataError(
                    f"dataset {opened.spec.name!r}: its reference split has digest "
                    f"{made.digest()[:12]}, pinned is {expected[:12]}; the rule gives other rows "
                    "here, so its figures would not compare"
                )
        return made

    # ------------------------------------------------------------------------------------ features

    def inputs(
        self,
        opened: Opened,
        spec: ModelSpec,
        needs: Mapping[str, FeatureRequest],
        progress: Progress = no_progress,
    ) -> Inputs:
        """Return what the model may see of every molecule of the dataset: no labels."""
        self._keep_features_of(opened)
        blocks: dict[str, Block] = {
            name: block
            for name, block in opened.dataset.blocks.items()
            if {name, name.partition(".")[0]} & set(spec.reads)
        }
        keys: tuple[str, ...] = ()
        for name, request in needs.items():
            if request.feature == CONNECTIVITY:
                keys = self.keys(opened, progress)
            else:
                blocks[name] = self.feature(opened, request, progress)
        return Inputs(smiles=opened.dataset.smiles, blocks=blocks, keys=keys)

    def _keep_features_of(self, opened: Opened) -> None:
        if self._features_of != opened.digest:
            self._features.clear()
            self._features_of = opened.digest

    def keys(self, opened: Opened, progress: Progress = no_progress) -> tuple[str, ...]:
        """Return the connectivity key of every molecule, "" where none can be made."""
        from chmr_bench.features import cache

        if opened.dataset.keys:
            return opened.dataset.keys
        self._keep_features_of(opened)
        if CONNECTIVITY not in self._features:
            self._features[CONNECTIVITY] = cache.connectivity_keys(
                opened.dataset.smiles,
                n_jobs=self.n_jobs,
                progress=progress,
                cache=feature_folder(),
            )
        keys = self._features[CONNECTIVITY]
        return keys if isinstance(keys, tuple) else ()

    def keys_of(
        self, opened: Opened, rows: IntArray, progress: Progress = no_progress
    ) -> tuple[str, ...]:
        """Return the connectivity keys of some rows, "" where none can be made."""
        from chmr_bench.features import cache

        known = opened.dataset.keys
        if not known and CONNECTIVITY in self._features and self._features_of == opened.digest:
            known = self.keys(opened)
        if known:
            return tuple(known[row] for row in rows.tolist())
        return cache.connectivity_keys(
            [opened.dataset.smiles[row] for row in rows.tolist()],
            n_jobs=self.n_jobs,
            progress=progress,
            cache=feature_folder(),
        )

    def feature(
        self, opened: Opened, request: FeatureRequest, progress: Progress = no_progress
    ) -> Block:
        """Return a feature of every molecule of the dataset, computed at most once."""
        from chmr_bench.features import cache
        from chmr_bench.plugins import registry

        self._keep_features_of(opened)
        spec = registry().feature(request.feature).spec
        key = request.feature + canonical_json({**spec.settings, **request.settings})
        if key not in self._features:
            self._features[key] = cache.featurise(
                spec,
                request.settings,
                opened.dataset.smiles,
                n_jobs=self.n_jobs,
                progress=progress,
                cache=feature_folder(),
            )
        block = self._features[key]
        if isinstance(block, tuple):
            raise DataError(f"feature {request.feature!r} gave keys, not a block")
        return block

"""A dataset that is loaded, with the splits and features made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import foreign, paths
from chmr_bench.contracts import (
    Block,
    Dataset,
    DatasetSpec,
    FeatureRequest,
    Inputs,
    ModelSpec,
    Progress,
    Split,
    modality_of,
    no_progress,
)
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import DataError, SettingError
from chmr_bench.paths import feature_folder
from chmr_bench.plugins import registry
from chmr_bench.records import canonical_json
from chmr_bench.runner.features import feature_of
from chmr_bench.streams import stdout_to_stderr
from chmr_bench.types import PARTS, IntArray

if TYPE_CHECKING:
    from chmr_bench.cells.linking import OwnProfiles
    from chmr_bench.features.groups import MoleculeKeys

CONNECTIVITY = "connectivity"
"""The feature that fills `Inputs.keys` instead of a block."""


@dataclass(frozen=True)
class SplitRequest:
    """A split method and its seed; None where the method draws nothing."""

    method: str
    seed: int | None = None

    @classmethod
    def of(cls, method: str, seed: int = 0) -> SplitRequest:
        """Return the request for a split that is drawn with this seed, where it is drawn."""
        from chmr_bench import splits

        return cls(method, seed if splits.depends_on_seed(method) else None)


@dataclass(frozen=True, eq=False)
class LoadedDataset:
    """A dataset, the hash of its content, and what was made of it so far.

    Attributes
    ----------
    n_jobs :
        Cores for splits and features.
    load_limit :
        Seconds for another's split rule; None = `foreign.LONG_SECONDS`.
    own_profiles :
        What was attached of chosen atlases, see `with_profiles`; the digest knows nothing of it.
    part_of :
        A larger dataset and the rows of it that these are, ascending; None = this is the whole.
    """

    request: DatasetRequest
    spec: DatasetSpec
    dataset: Dataset
    digest: str
    n_jobs: int = 1
    load_limit: float | None = None
    own_profiles: tuple[OwnProfiles, ...] = ()
    part_of: tuple[LoadedDataset, IntArray] | None = None
    _splits: dict[SplitRequest, Split] = field(default_factory=dict, repr=False)
    _blocks: dict[str, Block] = field(default_factory=dict, repr=False)
    _keys: list[tuple[str, ...]] = field(default_factory=list, repr=False)

    def with_profiles(self, parts: Sequence[OwnProfiles]) -> LoadedDataset:
        """Return the dataset with its molecules' profiles beside the blocks it came with.

        Splits and features are those of this one: they depend on structures alone.
        """
        from chmr_bench.cells.linking import together

        there = dict(self.dataset.blocks)
        for name, block in together(parts)[0].items() if parts else ():
            there[f"{name}.own" if name in there else name] = block
        dataset = replace(self.dataset, blocks=there)
        return replace(self, dataset=dataset, own_profiles=tuple(parts))

    def measured(self, name: str, request: DatasetRequest) -> LoadedDataset:
        """Return the molecules with an attached profile, as a dataset whose blocks these are.

        Raises
        ------
        DataError
            No molecule has one.
        """
        have = np.logical_or.reduce([part.observed for part in self.own_profiles])
        rows = np.flatnonzero(have)
        atlases = " or ".join(part.atlas for part in self.own_profiles)
        if not len(rows):
            raise DataError(
                f"dataset {name}: no molecule of {self.spec.name} is measured in {atlases}; "
                f"'chmr-bench show {self.spec.name} --cells all' shows which atlases have some"
            )
        dataset = self.dataset.take(rows)
        spec = replace(
            self.spec,
            name=name,
            title=f"{self.spec.title}: the molecules measured in {atlases}",
            n_molecules=len(rows),
            split_sizes=(0, 0, 0),
            split_digests=(),
            modalities=("structure", *dataset.blocks),
            suites=(),
            ceilings="",
            details="",
        )
        part_of = self, rows
        return LoadedDataset(
            request, spec, dataset, dataset.digest(), self.n_jobs, self.load_limit, part_of=part_of
        )

    # --------------------------------------------------------------------------------------- splits

    def split_digest(self, request: SplitRequest) -> str:
        """Return the digest of a split: the pinned one without computing, where there is one."""
        if request.method == "reference" and self.spec.reference_digest:
            return self.spec.reference_digest
        return self.split(request).digest()

    def split(self, request: SplitRequest) -> Split:
        """Return the rows of train, valid and test, made at most once.

        Raises
        ------
        SettingError
            There is no reference split.
        DataError
            The reference split is not the pinned one.
        """
        if request not in self._splits:
            with stdout_to_stderr():
                self._splits[request] = self._make_split(request)
        return self._splits[request]

    def _make_split(self, request: SplitRequest) -> Split:
        from chmr_bench import splits

        by_rule = request.method == "reference"
        if by_rule and self.part_of:
            whole, rows = self.part_of
            theirs = whole.split(request)
            train, valid, test = (np.flatnonzero(np.isin(rows, theirs.part(p))) for p in PARTS)
            return self._with_rows(Split(train, valid, test))
        if by_rule and self.dataset.parts:
            own = np.array(self.dataset.parts)
            return Split(*(np.flatnonzero(own == part) for part in PARTS))
        pinned = self.spec.reference_digest if by_rule else ""
        if pinned and (kept := _kept_split(pinned)):
            return kept
        if by_rule and not self.spec.split_rule:
            raise SettingError(
                f"dataset {self.spec.name!r} has no reference split; choose --split scaffold, "
                "strict, random, cv5x5 or deepchem:NAME, or name a table's own with --parts COLUMN"
            )
        rule = partial(foreign.call, self.spec.split_rule, seconds=self.load_limit)
        try:
            made = splits.make_split(
                request.method,
                self.dataset,
                rule=rule if by_rule else None,
                seed=request.seed or 0,
                keys=self.molecules() if splits.needs_keys(request.method) else (),
                n_jobs=self.n_jobs,
            )
        except DataError as error:
            error.args = (f"dataset {self.spec.name!r}, split {request.method}: {error}",)
            raise
        if by_rule:
            self._check_reference(made)
        if pinned:
            listed = {part: made.part(part).tolist() for part in PARTS}
            paths.keep(paths.split_folder() / f"{pinned}.json", json.dumps(listed))
        return made

    def _check_reference(self, made: Split) -> None:
        """Raise DataError where the rule gives other rows than the spec states."""
        name, stated, pinned = self.spec.name, self.spec.split_sizes, self.spec.reference_digest
        sizes = tuple(len(made.part(part)) for part in PARTS)
        if any(stated) and sizes != stated:
            given, expected = ("/".join(map(str, of)) for of in (sizes, stated))
            raise DataError(
                f"dataset {name!r}: its split_rule gives {given} rows of train/valid/test, its "
                f"spec states split_sizes {expected}"
            )
        if pinned and made.digest() != pinned:
            raise DataError(
                f"dataset {name!r}: its reference split has digest {made.digest()[:12]}, pinned is "
                f"{pinned[:12]}; the rule gives other rows here, so its figures would not compare"
            )

    def _with_rows(self, split: Split) -> Split:
        """Return the split; DataError where a part of it holds no molecule."""
        sizes = {part: len(split.part(part)) for part in PARTS}
        if not all(sizes.values()):
            held = ", ".join(f"{n} in {part}" for part, n in sizes.items())
            raise DataError(
                f"dataset {self.spec.name!r}: of its {len(self.dataset)} measured molecules the "
                f"reference split has {held}; choose --split random or strict, or another atlas"
            )
        return split

    # ------------------------------------------------------------------------------------- features

    def inputs(
        self,
        spec: ModelSpec,
        needs: Mapping[str, FeatureRequest],
        progress: Progress = no_progress,
    ) -> Inputs:
        """Return what the model may see of every molecule: no labels."""
        blocks: dict[str, Block] = {
            name: block
            for name, block in self.dataset.blocks.items()
            if {name, modality_of(name)} & set(spec.reads)
        }
        keys: tuple[str, ...] = ()
        for name, request in needs.items():
            if request.feature == CONNECTIVITY:
                keys = self.keys(progress)
            else:
                blocks[name] = self.feature(request, progress)
        return Inputs(smiles=self.dataset.smiles, blocks=blocks, keys=keys)

    def feature(self, request: FeatureRequest, progress: Progress = no_progress) -> Block:
        """Return a feature of every molecule, computed at most once."""
        spec = registry().feature(request.feature).spec
        key = request.feature + canonical_json({**spec.settings, **request.settings})
        if key not in self._blocks:
            self._blocks[key] = feature_of(self.dataset.smiles, request, self.n_jobs, progress)
        return self._blocks[key]

    def keys(self, progress: Progress = no_progress) -> tuple[str, ...]:
        """Return the connectivity key of every molecule, "" where none can be made."""
        if self.dataset.keys:
            return self.dataset.keys
        if not self._keys and self.part_of:
            whole, rows = self.part_of
            self._keys.append(whole.keys_of(rows, progress))
        elif not self._keys:
            self._keys.append(self._make_keys(self.dataset.smiles, progress))
        return self._keys[0]

    def keys_of(self, rows: IntArray, progress: Progress = no_progress) -> tuple[str, ...]:
        """Return the connectivity keys of some rows, "" where none can be made."""
        if self.dataset.keys or self._keys:
            known = self.keys()
            return tuple(known[row] for row in rows.tolist())
        return self._make_keys(tuple(self.dataset.smiles[row] for row in rows.tolist()), progress)

    def molecules(
        self, progress: Progress = no_progress, rows: IntArray | None = None
    ) -> MoleculeKeys:
        """Return what tells molecules, all or those of some rows, apart in every form.

        See `features.groups`.
        """
        from chmr_bench.features import cache
        from chmr_bench.features.groups import MoleculeKeys

        smiles = self.dataset.smiles
        if rows is not None:
            smiles = tuple(smiles[i] for i in rows.tolist())
        keys = self.keys(progress) if rows is None else self.keys_of(rows, progress)
        known = () if self.dataset.keys else keys
        parents = cache.neutral_parent_keys(
            smiles, known, n_jobs=self.n_jobs, progress=progress, cache=feature_folder()
        )
        return MoleculeKeys(keys, parents)

    def _make_keys(self, smiles: tuple[str, ...], progress: Progress) -> tuple[str, ...]:
        from chmr_bench.features import cache

        return cache.connectivity_keys(
            smiles, n_jobs=self.n_jobs, progress=progress, cache=feature_folder()
        )

    def forget_features(self) -> None:
        """Let go of features: those of nine datasets would not fit a small machine."""
        self._blocks.clear()
        self._keys.clear()


def _kept_split(digest: str) -> Split | None:
    """Return the split of that digest, if an earlier load has made and kept it."""
    try:
        text = (paths.split_folder() / f"{digest}.json").read_text(encoding="utf-8")
        rows = {part: np.array(of, dtype=np.int64) for part, of in json.loads(text).items()}
        split = Split(**rows)
        return split if split.digest() == digest else None
    except (OSError, ValueError, TypeError, AttributeError):  # lost, damaged: made anew
        return None

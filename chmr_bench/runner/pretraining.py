"""Atlases as a pretraining may see them: without the test molecules of the benchmarks."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench import paths
from chmr_bench.ablation.missing import MaskedEntries, Missing, MoleculeNames, masked_entries
from chmr_bench.contracts import ASSAY, AtlasSpec, DatasetSpec, MatrixBlock, Progress, no_progress
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import DataError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.records import canonical_json, json_digest
from chmr_bench.runner.features import FINGERPRINT, bits_of, feature_of
from chmr_bench.runner.loading import LoadedDataset, SplitRequest

if TYPE_CHECKING:
    from scipy import sparse

    from chmr_bench.cells import Atlas
    from chmr_bench.features.groups import MoleculeKeys

log = logging.getLogger("chmr_bench.runner.pretraining")


def no_stage(name: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class AtlasData:
    """Opens atlases by name for a pretraining; satisfies `contracts.PretrainingData`.

    A name is a registered atlas, or ``folder:PATH`` for one of the user's own.

    Attributes
    ----------
    missing :
        What is masked of the atlases; None = nothing.
    assays :
        Whether labelled assays may be opened, which are no cells.
    progress, stage :
        Called with how far it is, and with what begins.
    """

    options: FetchOptions
    n_jobs: int = 1
    missing: Missing | None = None
    assays: bool = False
    progress: Progress = no_progress
    stage: Callable[[str], None] = no_stage
    _digests: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def digest(self, atlases: Sequence[str], transductive: bool, packages: bool = True) -> str:
        """Return the sha256 of what `open` would give, from pins alone; folders are read.

        Without `packages` it is the same whichever version of a package reads the files.

        Raises
        ------
        UnknownNameError
            No such atlas.
        DataError
            A folder cannot be read.
        """
        hidden = self.missing.atlas_dict() if self.missing else None
        key = canonical_json([list(atlases), transductive, packages, hidden])
        if key not in self._digests:
            from chmr_bench.cells import sources

            specs = self._specs(atlases, transductive)
            left_out = [] if transductive else [_pins(b) for b in benchmarks(specs)]
            content = {
                "atlases": sources.digest(specs, packages),
                "left_out": sorted(left_out, key=canonical_json),
                **({"hidden": hidden} if hidden else {}),
                **({"censored": censored} if (censored := _censored(specs)) else {}),
            }
            self._digests[key] = json_digest(content)
        return self._digests[key]

    def open(self, atlases: Sequence[str], transductive: bool) -> tuple[Atlas, Mapping[str, Any]]:
        """Return the merged atlas without the benchmarks' test molecules, and words for a record.

        Raises
        ------
        UnknownNameError
            No such atlas.
        DataError
            An atlas, or a benchmark whose test molecules are to be left out, cannot be had.
        """
        specs = self._specs(atlases, transductive)
        left_out = [] if transductive else benchmarks(specs)
        atlas, n_left_out = self._without(specs, left_out)
        atlas, hidden = self._masked(atlas)
        info = {
            "atlases": [public_name(name) for name in atlases],
            "data": self.digest(atlases, transductive),
            "transductive": transductive,
            "synthetic": atlas.synthetic,
            "n_molecules": len(atlas),
            "n_left_out": n_left_out,
            "left_out_of": [b.name for b in left_out],
            **({"assays": sorted(atlas.assays)} if atlas.assays else {}),
            **hidden,
        }
        log.info("atlas: %s", canonical_json(info))
        return atlas, info

    def _specs(self, atlases: Sequence[str], transductive: bool) -> list[AtlasSpec | Path]:
        """Return what the names mean; UsageError where assays are not for this model, or leak."""
        specs = atlas_specs(atlases)
        assays = [s.name for s in specs if isinstance(s, AtlasSpec) and s.kind == "assays"]
        if assays and not self.assays:
            models = [m.spec.name for m in registry().models.values() if ASSAY in m.spec.learns]
            raise UsageError(
                f"atlas {assays[0]!r} holds labelled assays, not cells; only "
                f"{', '.join(models) or 'no model'} learns from such. Name another atlas, see "
                "'chmr-bench list atlases'"
            )
        if assays and transductive:
            raise UsageError(
                f"atlas {assays[0]!r} holds labels, so molecules of test parts are never kept in; "
                "leave out --transductive (transductive=true)"
            )
        return specs

    def _without(
        self, specs: Sequence[AtlasSpec | Path], left_out: Sequence[DatasetSpec]
    ) -> tuple[Atlas, int]:
        """Return the merged atlas without test molecules, and how many those were.

        Block by block, each of which is then let go of: all of them twice may be too much.
        """
        from chmr_bench.cells import sources

        self.stage("atlas")
        atlas = sources.open_atlases(specs, self.options, self.progress)
        n = len(atlas)
        kept = atlas.rows_without(self.test_molecules(left_out)) if left_out else np.arange(n)
        if len(kept) == n:
            return atlas, 0
        blocks, rest = dict(atlas.blocks), dataclasses.replace(atlas, blocks={})
        del atlas
        taken = {name: blocks.pop(name).take(kept) for name in tuple(blocks)}
        return dataclasses.replace(rest.take(kept), blocks=taken), n - len(kept)

    def _masked(self, atlas: Atlas) -> tuple[Atlas, dict[str, Any]]:
        """Return the atlas without what is masked, and words for a record."""
        settings = self.missing.atlas_dict() if self.missing else None
        if settings is None:
            return atlas, {}
        self.stage("masking cell modalities")
        missing = Missing.from_dict({**settings, "stages": ["pretrain"]})
        atlas, counts = mask_atlas(atlas, missing, self.n_jobs)
        return atlas, {"hidden": {**settings, "counts": counts}}

    def test_molecules(self, of: Sequence[DatasetSpec]) -> MoleculeKeys:
        """Return the molecules of the reference test parts."""
        from chmr_bench.features.groups import MoleculeKeys

        molecules = MoleculeKeys((), ())
        for spec in of:
            molecules += self._molecules_of(spec)
        return molecules

    def _molecules_of(self, spec: DatasetSpec) -> MoleculeKeys:
        from chmr_bench.features.groups import MoleculeKeys

        file = _held_out_file(spec)
        if file.is_file():
            lines = file.read_text(encoding="ascii").splitlines()
            return MoleculeKeys(*zip(*(line.split("\t") for line in lines), strict=True))
        self.stage(f"test molecules of {spec.name}")
        try:
            found = _test_molecules(spec, self.options, self.n_jobs, self.progress)
        except DataError as error:
            raise DataError(
                f"{error} (Pretraining leaves out the test molecules of {spec.name!r}, so it has "
                "to know them; --transductive, or --set transductive=true, keeps them in)"
            ) from error
        pairs = zip(found.keys, found.parents, strict=True)
        paths.keep(file, "".join(f"{key}\t{parent}\n" for key, parent in pairs))
        return found


def mask_atlas(atlas: Atlas, missing: Missing, n_jobs: int) -> tuple[Atlas, Mapping[str, Any]]:
    """Return an atlas without what is masked, and what became of each modality."""
    from chmr_bench.ablation import masking
    from chmr_bench.splits import scaffold_smiles

    def bits() -> sparse.csr_array:
        return bits_of(feature_of(atlas.smiles, FINGERPRINT, n_jobs))

    families: Sequence[str] = ()
    if missing.mechanism == "scaffold":
        families = scaffold_smiles(atlas.smiles, chirality=False, n_jobs=n_jobs)
    molecules = MoleculeNames(atlas.smiles, atlas.keys, families)
    masked = masking.mask(missing, molecules, atlas.blocks)
    blocks = masking.imputed(missing.fill, masked, bits)
    counts = masking.counts(atlas.blocks, masked, blocks)
    hidden = _masked_views(missing, molecules)
    for name, rows in hidden.items():
        counts[name] = {"observed": len(atlas), "hidden": int(rows.sum()), "filled": 0}
    return dataclasses.replace(atlas, blocks=blocks, hidden=hidden), counts


def _masked_views(missing: Missing, molecules: MoleculeNames) -> MaskedEntries:
    """Return who loses what models compute of a structure, where that is named."""
    views = {view for model in registry().models.values() for view in model.spec.views}
    n = len(molecules.smiles)
    everyone = MatrixBlock(np.zeros((n, 0)), np.ones(n, dtype=np.bool_))
    named = dict.fromkeys(sorted(views & set(missing.modalities)), everyone)
    return masked_entries(missing, molecules, named)


def atlas_specs(atlases: Sequence[str]) -> list[AtlasSpec | Path]:
    """Return what the names mean."""
    from chmr_bench.cells import sources

    return [sources.folder_of(name) or registry().atlas(name).spec for name in atlases]


def public_name(name: str) -> str:
    """Return an atlas's name for a record: of the path of a folder only its last component."""
    from chmr_bench.cells import sources

    folder = sources.folder_of(name)
    return name if folder is None else f"{sources.FOLDER_PREFIX}{folder.resolve().name}"


def benchmarks(specs: Sequence[AtlasSpec | Path]) -> list[DatasetSpec]:
    """Return the datasets whose reference test part a pretraining on these atlases must not see.

    Simulated read-outs can tell of simulated labels only, measured ones of measured labels.
    """
    kinds = {isinstance(spec, AtlasSpec) and spec.synthetic for spec in specs}
    known = (registered.spec for registered in registry().datasets.values())
    return [d for d in known if d.split_rule and d.synthetic in kinds]


def _censored(specs: Sequence[AtlasSpec | Path]) -> dict[str, Any]:
    """Return where numbers of the blocks are censored, which losses depend on."""
    readouts = [r for spec in specs if isinstance(spec, AtlasSpec) for r in spec.readouts]
    return {r.block: [r.censored_at, r.beyond] for r in readouts if r.censored_at is not None}


def _pins(spec: DatasetSpec) -> dict[str, Any]:
    """Return all that the molecules of the reference test part depend on."""
    return {
        "name": spec.name,
        "version": spec.version,
        "sources": [source.sha256 for source in spec.sources],
        "split": list(spec.split_digests) or spec.split_rule,
    }


def _held_out_file(spec: DatasetSpec) -> Path:
    from chmr_bench.features.groups import MOLECULE_VERSION

    pins = {**_pins(spec), "rdkit": metadata.version("rdkit"), "molecule": MOLECULE_VERSION}
    return paths.home() / "held-out" / f"{spec.name}-{json_digest(pins)[:16]}.txt"


def _test_molecules(
    spec: DatasetSpec, options: FetchOptions, n_jobs: int, progress: Progress
) -> MoleculeKeys:
    """Return the molecules of a benchmark's reference test part."""
    from chmr_bench.data.datasets import open_dataset

    dataset = open_dataset(spec, options, progress)
    data = LoadedDataset(
        DatasetRequest(name=spec.name), spec, dataset, dataset.digest(), n_jobs, options.load_limit
    )
    return data.molecules(progress, data.split(SplitRequest("reference")).test)

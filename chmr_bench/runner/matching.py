"""Matching: which profile belongs to which molecule, cross-validated over the pairs of an atlas."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import BaseModel
from threadpoolctl import threadpool_limits

from chmr_bench import isolation, paths
from chmr_bench.cells import Atlas
from chmr_bench.contracts import (
    FitContext,
    Inputs,
    MatchModel,
    MatrixBlock,
    ModelSpec,
    Progress,
    TaskInfo,
)
from chmr_bench.errors import DataError, PredictionError
from chmr_bench.features import cache
from chmr_bench.features.groups import molecule_groups
from chmr_bench.lazy import load_object
from chmr_bench.plugins import Registry, registry
from chmr_bench.runner.features import feature_of
from chmr_bench.runner.fitting import Send, seed_globals, speaking, throttled
from chmr_bench.runner.options import RunOptions
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench.settings import require
from chmr_bench.splits.grouped import FOLDS, REPEATS, repeated_fold
from chmr_bench.statistics.retrieval import Ranks, ranks_of, together
from chmr_bench.types import DeviceKind, FloatArray, IntArray, Precision

MATCH = "chmr_bench.runner.matching:match_here"
LEAST_PAIRS = 5 * FOLDS
"""Fewer pairs than five a fold say nothing."""


@dataclass(frozen=True)
class MatchJob:
    """One model on one atlas.

    Attributes
    ----------
    seed :
        Of the model, and which repeat of the five folds is drawn: 0 to 4.
    shuffled :
        The negative control: the model is fitted on permuted profiles, and asked the same.
    """

    spec: ModelSpec
    config: BaseModel
    atlas: str
    seed: int = 0
    shuffled: bool = False
    device: DeviceKind = "cpu"
    precision: Precision = "float32"


@dataclass(frozen=True)
class MatchedBlock:
    """What became of the pairs of one block; row i of all that is here is one pair.

    Attributes
    ----------
    keys :
        Connectivities of the molecules.
    profiles :
        Where each molecule finds its profile among those of its fold.
    molecules :
        Where each profile finds its molecule.
    """

    block: str
    keys: tuple[str, ...]
    profiles: Ranks
    molecules: Ranks


@dataclass(frozen=True)
class Matching:
    """What a model did on an atlas.

    Attributes
    ----------
    atlas :
        What a record says of the atlas.
    n_pairs :
        Molecules with any profile, one row a molecule.
    n_same :
        Rows left out: another row is the same molecule, by its neutral parent.
    few :
        Block -> pairs, of those left out for having fewer than `LEAST_PAIRS`.
    """

    blocks: tuple[MatchedBlock, ...]
    atlas: Mapping[str, Any]
    n_pairs: int
    n_same: int
    few: Mapping[str, int]
    seconds: float


def match(job: MatchJob, options: RunOptions, receiver: isolation.Receiver) -> Matching:
    """Return what the model makes of held-out pairs; all of it is done in a worker process.

    Raises
    ------
    DataError
        The atlas cannot be had, or no block of it has enough pairs.
    PluginError
        The model breaks the contract of `MatchModel`.
    """
    require(job.spec)
    arguments = (job, AtlasData(options.fetch, options.n_jobs), registry())
    matched: Matching = isolation.call(MATCH, *arguments, limits=options.limits, receiver=receiver)
    return matched


def match_here(job: MatchJob, data: AtlasData, known: Registry, send: Send) -> Matching:
    """Return what the model makes of held-out pairs, computed in this process."""
    started = time.perf_counter()
    with speaking(send, known), threadpool_limits(data.n_jobs):
        send("step", "atlas")
        opened, info = data.open([job.atlas], transductive=True)  # no label is in sight
        atlas, n_same = pairs_of(opened, data.n_jobs)
        counts = {name: int(block.observed_rows.sum()) for name, block in atlas.blocks.items()}
        kept = [name for name, n in counts.items() if n >= LEAST_PAIRS]
        if not kept:
            raise DataError(
                f"atlas {job.atlas!r}: pairs of molecule and profile by block: {counts}; matching "
                f"needs {LEAST_PAIRS} of a block at least, {LEAST_PAIRS // FOLDS} a fold"
            )
        parts: dict[str, list[MatchedBlock]] = {name: [] for name in kept}
        send("step", "features")
        inputs = _inputs(job, atlas, data.n_jobs)
        context = _context(job, data.n_jobs, throttled(send))
        for fold in range(FOLDS):
            send("step", f"fold {fold + 1} of {FOLDS}")
            for name, part in _fold(job, atlas, inputs, fold, context, kept).items():
                parts[name].append(part)
    blocks = tuple(_joined(parts[name]) for name in kept)
    few = {name: n for name, n in counts.items() if name not in kept}
    return Matching(blocks, info, len(atlas), n_same, few, time.perf_counter() - started)


def pairs_of(atlas: Atlas, n_jobs: int) -> tuple[Atlas, int]:
    """Return the molecules with a profile, one row each, and how many rows were the same ones.

    Two rows are one molecule where their connectivity or that of their neutral parent agrees; the
    first is kept. So no molecule stands in two folds, in whatever form.
    """
    folder = paths.feature_folder()
    parents = cache.neutral_parent_keys(atlas.smiles, n_jobs=n_jobs, cache=folder)
    groups = molecule_groups([atlas.keys, parents])
    measured = np.zeros(len(atlas), dtype=np.bool_)
    for block in atlas.blocks.values():
        measured |= block.observed_rows
    rows = np.flatnonzero(measured)
    firsts = rows[np.unique(groups[rows], return_index=True)[1]]
    return atlas.take(np.sort(firsts)), len(rows) - len(firsts)


def _inputs(job: MatchJob, atlas: Atlas, n_jobs: int) -> Inputs:
    """Return what the model reads of the molecules."""
    needs = load_object(job.spec.match).needs(job.config)
    blocks = {name: feature_of(atlas.smiles, one, n_jobs) for name, one in needs.items()}
    return Inputs(atlas.smiles, blocks, atlas.keys)


def _context(job: MatchJob, n_jobs: int, progress: Progress) -> FitContext:
    return FitContext(
        TaskInfo("regression", (), "mae"),
        seed=job.seed,
        n_jobs=n_jobs,
        device=job.device,
        precision=job.precision,
        progress=progress,
        log=logging.getLogger(f"chmr_bench.match.{job.spec.name}"),
    )


def _fold(
    job: MatchJob,
    atlas: Atlas,
    inputs: Inputs,
    fold: int,
    context: FitContext,
    blocks: list[str],
) -> dict[str, MatchedBlock]:
    """Return what a model fitted on the other folds makes of one fold's pairs, block by block."""
    split = repeated_fold([atlas.keys], job.seed % REPEATS * FOLDS + fold)
    train = np.sort(np.concatenate([split.train, split.valid]))
    pairs = atlas.take(train)
    if job.shuffled:
        pairs = _permuted(pairs, np.random.default_rng([job.seed, fold]))
    seed_globals(job.seed)
    model: MatchModel = load_object(job.spec.match)(job.config)
    model.fit_pairs(inputs.take(train).read_only(), pairs, context)
    matched = {}
    for name in blocks:
        rows = split.test[atlas.blocks[name].observed_rows[split.test]]
        if len(rows):
            molecules, profiles = inputs.take(rows).read_only(), atlas.blocks[name].take(rows)
            ranks = _ranks(job, model, molecules, name, profiles)
            matched[name] = MatchedBlock(name, molecules.keys, *ranks)
    return matched


def _permuted(pairs: Atlas, rng: np.random.Generator) -> Atlas:
    """Return the pairs with every profile given to another molecule that has one."""
    from chmr_bench.nn.pretraining.values import shuffled

    return replace(pairs, blocks={name: shuffled(b, rng) for name, b in pairs.blocks.items()})


def _ranks(
    job: MatchJob, model: MatchModel, molecules: Inputs, name: str, profiles: MatrixBlock
) -> tuple[Ranks, Ranks]:
    """Return the ranks of profiles for molecules and of molecules for profiles.

    The model gets the profiles in a drawn order: a diagonal would tell it the answer.
    """
    n = len(profiles)
    order = np.random.default_rng(job.seed).permutation(n)
    partner: IntArray = np.argsort(order)
    similarity = _checked(model.score(molecules, name, profiles.take(order)), n, job.spec)
    return ranks_of(similarity, partner), ranks_of(similarity[:, partner].T, np.arange(n))


def _checked(given: Any, n: int, spec: ModelSpec) -> FloatArray:
    similarity = np.asarray(given, dtype=np.float64)
    if similarity.shape != (n, n) or not np.isfinite(similarity).all():
        raise PredictionError(
            f"{spec.match}: score() gave shape {similarity.shape}, "
            f"{int(np.isfinite(similarity).sum())} of {similarity.size} numbers finite; expected "
            f"finite numbers of shape {(n, n)}, a row a molecule and a column a profile"
        )
    return similarity


def _joined(parts: list[MatchedBlock]) -> MatchedBlock:
    """Return the pairs of all folds."""
    keys = tuple(key for part in parts for key in part.keys)
    profiles, molecules = ([getattr(p, name) for p in parts] for name in ("profiles", "molecules"))
    return MatchedBlock(parts[0].block, keys, together(profiles), together(molecules))

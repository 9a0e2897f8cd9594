"""The planted data as the harness sees them: a dataset, its reference split, and the atlas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chmr_bench.cells import Atlas
from chmr_bench.contracts import AtlasSpec, Dataset, DatasetSpec, LoadFiles, Split
from chmr_bench.errors import DataError
from chmr_bench.types import BoolArray, FloatArray
from chmr_bench_nine.planted.simulate import World, uniforms, world

N_TRAIN, N_VALID = 220, 80


def load(spec: DatasetSpec, files: LoadFiles) -> Dataset:
    """Return the labelled molecules; `spec.task_type` says which twin. No file is asked for.

    Raises
    ------
    DataError
        The installed rdkit has another NCI file, or the spec names other tasks.
    """
    made = world()
    if spec.n_tasks != made.y.shape[1]:
        raise DataError(
            f"{spec.name}: the spec names {spec.n_tasks} tasks, the simulator makes "
            f"{made.y.shape[1]}; name as many tasks as the simulator makes"
        )
    rows = made.labelled
    y = classes(made) if spec.task_type == "classification" else made.y
    return Dataset(
        smiles=tuple(made.smiles[i] for i in rows),
        y=np.where(made.measured, y, np.nan)[rows],
        task_names=spec.task_names,
        blocks={name: block.take(rows) for name, block in made.blocks.items()},
        keys=tuple(made.keys[i] for i in rows),
    )


def classes(made: World) -> FloatArray:
    """Return (n, t) labels 0 and 1: whether the regression label is above its threshold."""
    above: BoolArray = made.y > made.thresholds
    return above.astype(np.float64)


def reference_split(dataset: Dataset) -> Split:
    """Return the reference split: 220 train and 80 valid drawn by the seed, the rest test."""
    return split_of(len(dataset))


def split_of(n: int) -> Split:
    """Return the reference split of n labelled molecules."""
    order = np.argsort(uniforms("reference split", (n,)), kind="stable").astype(np.int64)
    return Split(
        train=np.sort(order[:N_TRAIN]),
        valid=np.sort(order[N_TRAIN : N_TRAIN + N_VALID]),
        test=np.sort(order[N_TRAIN + N_VALID :]),
    )


def atlas() -> Atlas:
    """Return the unlabelled molecules with at least one profile, in the order of the NCI file.

    None shares its connectivity with a labelled one.
    """
    made = world()
    rows = made.atlas
    return Atlas(
        name="planted",
        smiles=tuple(made.smiles[i] for i in rows),
        keys=tuple(made.keys[i] for i in rows),
        blocks={name: block.take(rows) for name, block in made.blocks.items()},
        synthetic=True,
        counts={"rows": len(rows)},
    )


def load_atlas(spec: AtlasSpec, files: LoadFiles) -> Atlas:
    """Return the atlas; no file is asked for.

    Connectivities alone tell its molecules apart: no two are forms of one, nor of a labelled one.
    """
    made = atlas()
    return replace(made, forms=made.known_forms)

"""The simulated cell: a state behind each molecule, two views of it, and tasks that follow from it.

For a molecule with structure s, all numbers standardised::

    f    = four fixed functions of substructures, mean 0 and variance 1 over the molecules
    z    = sqrt(0.7) f + sqrt(0.3) r,   r ~ N(0, I)            what structure sees, and not
    x_m  = z A_m' + u B_m' + s_m e,   u ~ N(0, I), e ~ N(0, I)       a view: signal, batch, noise
    P(x_m is observed | z) = Phi(a_m + b_m (|z| - 1.88) / 0.68)      weak phenotypes are lost more
    y_t  = z . w_t + tau e_t,           the regression twin's label; the classification label is
                                        1 where y_t is above a fixed threshold

Morphology sees dimensions 0, 1 and 2 of the state, expression 1, 2 and 3. Each row of random
numbers belongs to a line of the NCI file. The bits are those of `numpy.random.PCG64`, which numpy
promises to keep, and are turned into normals by the inverse distribution function: `Generator`'s
own normals may change between numpy versions. Values are rounded, so that the last bits of a
platform do not show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ndtri

from chmr_bench.contracts import MatrixBlock
from chmr_bench.types import BoolArray, FloatArray, IntArray
from chmr_bench_nine.planted.molecules import N_ROWS, choose

VERSION = "1"
SEED = 20
N_STATE = 4
STRENGTH_MEAN, STRENGTH_SD = 1.88, 0.68  # of |z| for z ~ N(0, I) in four dimensions
DECIMALS = 4


@dataclass(frozen=True)
class PlantedView:
    """One modality: which dimensions of the state it sees, how well, and who has it.

    Attributes
    ----------
    dimensions : tuple[int, ...]
        The dimensions of the state it sees.
    n_columns, n_batch : int
        Number of features, and of batch factors behind their shared noise.
    noise : float
        S.d. of each feature's own noise; a feature's signal has a s.d. of about 0.7.
    observed_at_mean, observed_slope : float
        a_m and b_m of the chance to be observed.
    """

    dimensions: tuple[int, ...]
    n_columns: int
    n_batch: int
    noise: float
    observed_at_mean: float
    observed_slope: float


@dataclass(frozen=True)
class Settings:
    """The knobs of the simulator; the defaults are frozen under `VERSION`.

    Attributes
    ----------
    from_structure : float
        Share of the state's variance that structure explains.
    n_terms, n_pairs, pair_weight : int
        Substructures and pairs a dimension of f depends on, and how much a pair counts beside a
        single substructure.
    task_noise : float
        S.d. of a task's own noise; the state's part of a label has a s.d. of about 1.
    unlabelled : float
        Share of the labels kept back as not measured, at random.
    prevalences : tuple[float, ...]
        Share of actives aimed at, repeated over the tasks.
    """

    from_structure: float = 0.7
    n_terms: int = 5
    n_pairs: int = 2
    pair_weight: float = 1.0
    task_noise: float = 0.9
    n_tasks: int = 12
    unlabelled: float = 0.1
    n_labelled: int = 900
    prevalences: tuple[float, ...] = (0.25, 0.3, 0.35, 0.4)


VIEWS: Mapping[str, PlantedView] = {
    "morphology": PlantedView((0, 1, 2), 64, 3, 0.8, 0.0, 0.6),
    "expression": PlantedView((1, 2, 3), 48, 3, 0.8, -0.3, 0.6),
}


@dataclass(frozen=True)
class World:
    """Everything the simulator knows of the n chosen molecules.

    Attributes
    ----------
    structure, state : FloatArray
        (n, 4) f and z.
    blocks : Mapping[str, MatrixBlock]
        Modality -> profiles, NaN where not observed.
    y : FloatArray
        (n, t) regression labels, complete.
    measured : BoolArray
        (n, t) bool, False where the label is kept back as not measured.
    thresholds : FloatArray
        (t,) the classification label is 1 above these.
    labelled, atlas : IntArray
        Row indices into the n: the dataset's molecules, and the unlabelled ones with at least one
        profile.
    """

    smiles: tuple[str, ...]
    keys: tuple[str, ...]
    structure: FloatArray
    state: FloatArray
    blocks: Mapping[str, MatrixBlock]
    y: FloatArray
    measured: BoolArray
    thresholds: FloatArray
    labelled: IntArray
    atlas: IntArray


def uniforms(name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return uniforms strictly between 0 and 1 of the stream `name`."""
    key = hashlib.sha256(f"planted {VERSION} {SEED} {name}".encode()).digest()
    bits = np.random.PCG64(int.from_bytes(key[:16], "big")).random_raw(int(np.prod(shape)))
    return (((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)


def normals(name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return standard normals of the stream `name`."""
    return np.asarray(ndtri(uniforms(name, shape)))


def structure_function(present: BoolArray, settings: Settings) -> FloatArray:
    """Return f, (n, 4): per dimension a weighted sum of a few substructures and of a few pairs.

    A pair counts where exactly one of its two substructures is present, so what one of them does
    depends on whether the other is there.
    """
    n_known = present.shape[1]
    order = np.argsort(uniforms("terms", (N_STATE, n_known)), axis=1)
    weights = _signed("weights", (N_STATE, n_known))
    columns = []
    for dimension in range(N_STATE):
        terms = order[dimension, : settings.n_terms]
        value = present[:, terms] @ weights[dimension, terms]
        for left, right in zip(terms[: settings.n_pairs], terms[::-1], strict=False):
            either = present[:, left] ^ present[:, right]
            value = value + settings.pair_weight * weights[dimension, right] * either
        columns.append((value - value.mean()) / value.std())
    return np.column_stack(columns)


def _signed(name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return numbers of random sign and a size between 0.5 and 1.5."""
    u = uniforms(name, shape)
    return np.asarray(np.where(u < 0.5, -1.0, 1.0) * (0.5 + np.abs(2.0 * u - 1.0)))


def loadings(name: str) -> tuple[FloatArray, FloatArray]:
    """Return A (d, 4) and B (d, batch) of one modality: its signal and its batch factors."""
    view = VIEWS[name]
    signal = np.zeros((view.n_columns, N_STATE))
    seen = list(view.dimensions)
    signal[:, seen] = 0.4 * normals(f"{name} signal", (view.n_columns, len(seen)))
    return signal, 0.5 * normals(f"{name} batch", (view.n_columns, view.n_batch))


def observed_score(name: str, state: FloatArray) -> FloatArray:
    """Return, for states (..., 4), the normal score of the chance that the profile is observed."""
    view = VIEWS[name]
    strength = (np.sqrt((state**2).sum(axis=-1)) - STRENGTH_MEAN) / STRENGTH_SD
    return np.asarray(view.observed_at_mean + view.observed_slope * strength)


def task_weights(settings: Settings) -> FloatArray:
    """Return (t, 4): each task follows two dimensions of the state; rows have length 1."""
    order = np.argsort(uniforms("task dimensions", (settings.n_tasks, N_STATE)), axis=1)
    weights = _signed("task weights", (settings.n_tasks, N_STATE))
    np.put_along_axis(weights, order[:, 2:], 0.0, axis=1)
    return np.asarray(weights / np.sqrt((weights**2).sum(axis=1, keepdims=True)))


def _profiles(name: str, state: FloatArray, rows: IntArray) -> MatrixBlock:
    view = VIEWS[name]
    signal, batch = loadings(name)
    observed = observed_score(name, state) + normals(f"{name} observed", (N_ROWS,))[rows] > 0.0
    values = state @ signal.T
    values += normals(f"{name} batches", (N_ROWS, view.n_batch))[rows] @ batch.T
    values += view.noise * normals(f"{name} noise", (N_ROWS, view.n_columns))[rows]
    values = np.round(values, DECIMALS)
    values[~observed] = np.nan
    columns = tuple(f"simulated_{name}_{i:03d}" for i in range(view.n_columns))
    return MatrixBlock(values, observed, columns)


def simulate(settings: Settings) -> World:
    """Run the simulator."""
    chosen = choose()
    rows, n_tasks = chosen.rows, settings.n_tasks
    structure = structure_function(chosen.present, settings)
    share = settings.from_structure
    residual = normals("residual", (N_ROWS, N_STATE))[rows]
    state = np.sqrt(share) * structure + np.sqrt(1.0 - share) * residual
    blocks = {name: _profiles(name, state, rows) for name in VIEWS}
    noise = normals("labels", (N_ROWS, n_tasks))[rows]
    y = state @ task_weights(settings).T + settings.task_noise * noise
    prevalence = np.resize(np.array(settings.prevalences), n_tasks)
    labelled = np.sort(np.argsort(uniforms("labelled", (N_ROWS,))[rows])[: settings.n_labelled])
    profiled = np.any([block.observed for block in blocks.values()], axis=0)
    profiled[labelled] = False
    return World(
        smiles=chosen.smiles,
        keys=chosen.keys,
        structure=structure,
        state=state,
        blocks=blocks,
        y=np.round(y, DECIMALS),
        measured=uniforms("measured", (N_ROWS, n_tasks))[rows] >= settings.unlabelled,
        thresholds=np.sqrt(1.0 + settings.task_noise**2) * ndtri(1.0 - prevalence),
        labelled=labelled.astype(np.int64),
        atlas=np.flatnonzero(profiled).astype(np.int64),
    )


@cache
def world() -> World:
    """Return the world of this version."""
    return simulate(Settings())

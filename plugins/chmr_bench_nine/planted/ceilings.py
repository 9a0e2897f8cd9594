"""How well anything can do on the planted data: three ceilings, computed from the simulator itself.

Each is the score of an ideal predictor on the test part of the reference split:

- ``structure``: E[y | f]. It knows what structure says of the state, and nothing else.
- ``profiles``: E[y | f, observed profiles, which profiles are missing]. Given f the state is
  normal, and a view is a linear function of it with normal noise (its batch factors included), so
  a molecule's observed views give a normal posterior in closed form; a missing view gives no term.
  That a profile is missing says something too (weak phenotypes lose theirs): the posterior is
  re-weighted by the chance of what is observed and missing, over 2,048 fixed draws a molecule.
- ``state``: E[y | z]. It knows the state; what is left is the tasks' own noise.

Classification labels are ``w.z + noise > threshold``, so E[y | ...] is a mean of normal
distribution functions. The *expected* ceiling draws the labels of the test molecules anew 1,000
times from their states (the cell itself and which labels are measured stay as published) and takes
the mean score; the *actual* one is the score on the published labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

from chmr_bench.types import BoolArray, FloatArray, IntArray
from chmr_bench_nine.planted.load import N_TRAIN, N_VALID, classes, split_of
from chmr_bench_nine.planted.molecules import choose
from chmr_bench_nine.planted.simulate import (
    N_STATE,
    SEED,
    VERSION,
    VIEWS,
    Settings,
    World,
    loadings,
    normals,
    observed_score,
    task_weights,
    world,
)

N_REDRAWS = 1000
N_DRAWS = 2048


@dataclass(frozen=True)
class Ideal:
    """What an ideal predictor says: the mean label of each twin, (n_test, t) each."""

    active: FloatArray
    value: FloatArray


def ceilings() -> dict[str, float]:
    """Return every ceiling of both twins, as one flat table.

    Keys are ``METRIC_SOURCE`` (expected) and ``METRIC_SOURCE_actual``, with METRIC one of
    ``roc_auc`` (planted), ``mae`` and ``r2`` (its regression twin), and SOURCE one of
    ``structure``, ``profiles`` and ``state``. All are means over the twelve tasks.
    """
    return classification_ceilings() | regression_ceilings()


def classification_ceilings() -> dict[str, float]:
    """Return the ceilings of `planted`: macro ROC-AUC."""
    made, rows = world(), rows_of_test()
    measured = made.measured[rows]
    actual = np.where(measured, classes(made)[rows], np.nan)
    result = {}
    for source, ideal in ideals().items():
        expected = [
            _redrawn_auc(ideal.active[:, task], task, rows, measured[:, task])
            for task in range(measured.shape[1])
        ]
        result[f"roc_auc_{source}"] = float(np.mean(expected))
        result[f"roc_auc_{source}_actual"] = macro_auc(actual, ideal.active)
    return result


def regression_ceilings() -> dict[str, float]:
    """Return the ceilings of `planted-regression`: macro MAE (smaller is better) and R2."""
    made, rows = world(), rows_of_test()
    measured = made.measured[rows]
    result = {}
    for source, ideal in ideals().items():
        expected = np.zeros((measured.shape[1], 2))
        actual = np.zeros_like(expected)
        for task in range(len(expected)):
            known = measured[:, task]
            redrawn = _redrawn_values(task, rows)[:, known]  # (redraws, n_known)
            expected[task] = np.mean(_mae_and_r2(redrawn, ideal.value[known, task]), axis=1)
            published = made.y[rows][known, task][None]
            actual[task] = np.mean(_mae_and_r2(published, ideal.value[known, task]), axis=1)
        for column, metric in enumerate(("mae", "r2")):
            result[f"{metric}_{source}"] = float(expected[:, column].mean())
            result[f"{metric}_{source}_actual"] = float(actual[:, column].mean())
    return result


def rows_of_test() -> IntArray:
    """Return the rows of the world that are the test part of the reference split."""
    made = world()
    return made.labelled[split_of(len(made.labelled)).test]


@cache
def ideals() -> dict[str, Ideal]:
    """Return what each ideal predictor says of the test molecules."""
    made, rows = world(), rows_of_test()
    settings = Settings()
    weights = task_weights(settings).T  # (4, t)
    left_over = (1.0 - settings.from_structure) * (weights**2).sum(axis=0)
    noise = settings.task_noise
    from_structure = structure_values(made)[rows]
    from_state = made.state[rows] @ weights
    spread = np.sqrt(left_over + noise**2)
    return {
        "structure": Ideal(ndtr((from_structure - made.thresholds) / spread), from_structure),
        "profiles": _profile_ideal(made, rows, settings),
        "state": Ideal(ndtr((from_state - made.thresholds) / noise), from_state),
    }


def structure_values(made: World) -> FloatArray:
    """Return (n, t): E[y | f] of the regression labels of all molecules."""
    settings = Settings()
    return np.asarray(np.sqrt(settings.from_structure) * made.structure @ task_weights(settings).T)


def posterior(made: World, row: int, settings: Settings) -> tuple[FloatArray, FloatArray]:
    """Return mean (4,) and covariance (4, 4) of a molecule's state given f and its observed views.

    The prior is N(sqrt(0.7) f, 0.3 I); an observed view x adds the precision A' C^-1 A and the
    information A' C^-1 x, with C = s^2 I + B B' the covariance of its noise and batch factors.
    """
    prior = 1.0 - settings.from_structure
    precision = np.eye(N_STATE) / prior
    information = np.sqrt(settings.from_structure) * made.structure[row] / prior
    for name, block in made.blocks.items():
        if block.observed[row]:
            signal, _ = loadings(name)
            weighted = _weighted_loadings(name)
            precision = precision + signal.T @ weighted
            information = information + weighted.T @ np.asarray(block.values)[row]
    covariance = np.linalg.inv(precision)
    return covariance @ information, covariance


@cache
def _weighted_loadings(name: str) -> FloatArray:
    """Return C^-1 A of one view, (d, 4)."""
    signal, batch = loadings(name)
    covariance = VIEWS[name].noise ** 2 * np.eye(len(signal)) + batch @ batch.T
    return np.asarray(np.linalg.solve(covariance, signal))


def _profile_ideal(made: World, rows: IntArray, settings: Settings) -> Ideal:
    weights = task_weights(settings).T
    draws = normals("posterior draws", (N_DRAWS, N_STATE))
    active = np.empty((len(rows), weights.shape[1]))
    value = np.empty_like(active)
    for i, row in enumerate(rows):
        mean, covariance = posterior(made, int(row), settings)
        states = mean + draws @ np.linalg.cholesky(covariance).T
        chance = np.ones(N_DRAWS)
        for name, block in made.blocks.items():
            score = observed_score(name, states)
            chance *= ndtr(score if block.observed[row] else -score)
        chance /= chance.sum()
        values = states @ weights  # (draws, t)
        value[i] = chance @ values
        active[i] = chance @ ndtr((values - made.thresholds) / settings.task_noise)
    return Ideal(active, value)


def _redrawn_values(task: int, rows: IntArray) -> FloatArray:
    """Return (redraws, n): labels of one task drawn anew from the states of these rows."""
    settings = Settings()
    noise = normals(f"redrawn labels {task}", (N_REDRAWS, len(rows)))
    middle = world().state[rows] @ task_weights(settings)[task]
    return np.asarray(middle + settings.task_noise * noise)


def _redrawn_auc(score: FloatArray, task: int, rows: IntArray, measured: BoolArray) -> float:
    """Return the mean ROC-AUC of one score over redrawn labels of one task."""
    active = _redrawn_values(task, rows)[:, measured] > world().thresholds[task]
    return float(np.mean(_auc(active, score[measured])))


def _auc(active: BoolArray, score: FloatArray) -> FloatArray:
    """Return the ROC-AUC of one score (n,) against rows of labels (r, n), by the rank sum."""
    n_active = active.sum(axis=1)
    wins = active @ rankdata(score) - n_active * (n_active + 1) / 2
    return np.asarray(wins / (n_active * (active.shape[1] - n_active)))


def macro_auc(y: FloatArray, y_pred: FloatArray) -> float:
    """Return the mean ROC-AUC over tasks; `y` is 0, 1 or NaN for not measured."""
    known = ~np.isnan(y)
    return float(
        np.mean(
            [
                _auc(y[None, known[:, t], t] > 0.5, y_pred[known[:, t], t])[0]
                for t in range(y.shape[1])
            ]
        )
    )


def _mae_and_r2(y: FloatArray, y_pred: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return MAE and R2 of one prediction (n,) against rows of labels (r, n)."""
    error = y - y_pred
    spread = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return np.abs(error).mean(axis=1), 1.0 - (error**2).sum(axis=1) / spread


def describe() -> dict[str, Any]:
    """Return what the simulator made: version, seed, sizes, missing profiles."""
    made, chosen = world(), choose()
    n = len(made.labelled)
    return {
        "version": VERSION,
        "seed": SEED,
        "synthetic": True,
        "n_molecules": len(made.smiles),
        "n_excluded": dict(chosen.excluded),
        "n_labelled": n,
        "n_train": N_TRAIN,
        "n_valid": N_VALID,
        "n_test": n - N_TRAIN - N_VALID,
        "n_atlas": len(made.atlas),
        "n_tasks": made.y.shape[1],
        "measured_share": float(made.measured[made.labelled].mean()),
        "observed_share_labelled": _observed(made, made.labelled),
        "observed_share_atlas": _observed(made, made.atlas),
        "n_columns": {name: view.n_columns for name, view in VIEWS.items()},
        "from_structure": Settings().from_structure,
    }


def _observed(made: World, rows: IntArray) -> dict[str, float]:
    return {name: float(b.observed[rows].mean()) for name, b in made.blocks.items()}

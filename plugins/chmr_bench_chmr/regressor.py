"""The plain control: a network from bits to cell read-outs, and a linear model on what it learnt.

It is what anyone would try first with an atlas: regress the observed read-outs of its molecules on
their fingerprints, take the last hidden layer, and fit logistic (or ridge) regression on it. CHMR
has to beat it where the gain is planted.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench import (
    DataError,
    FeatureRequest,
    FitContext,
    Inputs,
    PendingWeights,
    Weights,
    WeightsRequest,
)
from chmr_bench.nn.pretraining import store
from chmr_bench.nn.pretraining.files import (
    SEEN,
    WEIGHTS,
    checked_sha256,
    read_header,
    read_tensors,
)
from chmr_bench.nn.pretraining.place import KEY_LENGTH, Place, sha256_of
from chmr_bench.nn.trainer import validation_score
from chmr_bench.types import FloatArray
from chmr_bench_chmr.reading import bits_of
from chmr_bench_chmr.regressor_config import LAYERS, NO_LAYERS, RegressorConfig, requests

REGRESSOR_VERSION = "1"
"""Changes whenever the same settings, atlas and seed give other weights."""
FEATURES_MS, EPOCH_MS = 4.0, 0.05
"""Of a molecule's bits and keys, and of a molecule and epoch at the default size."""
BEST_EPOCH = 5
"""After which the error on held-out molecules no longer fell, learning from `jump-activity`."""

DOWNSTREAM = frozenset({"pretrain_seed", "strengths"})
"""Settings that the weights do not depend on; the seed is counted as it was settled."""


def find_or_make(config: RegressorConfig, request: WeightsRequest) -> Weights | PendingWeights:
    """Return the network's weights; where they are not there, learn them if the request says so."""
    seed = request.seed if config.pretrain_seed == "run" else config.pretrain_seed
    inputs = {
        "version": REGRESSOR_VERSION,
        "config": config.model_dump(mode="json", exclude=set(DOWNSTREAM)),
        "seed": seed,
        "data": request.data.digest(config.atlas, config.transductive),
    }
    key = sha256_of(inputs)
    place = Place(request.folder / f"regressor-{key[:KEY_LENGTH]}", key, seed, inputs)

    def make() -> None:
        from chmr_bench_chmr import regressor_training  # torch, only where it is needed

        regressor_training.make(config, request, place)

    title = f"regress {' + '.join(config.atlas)} on bits (seed {seed})"
    pending = PendingWeights(title, config.atlas, _core_ms(config))
    return store.find_or_make(place, request, pending, make, _stored)


def _core_ms(config: RegressorConfig) -> float:
    """Return how long a molecule takes on one core, its features included."""
    epochs = min(config.epochs, BEST_EPOCH + config.patience)
    return FEATURES_MS + epochs * EPOCH_MS * (config.hidden / 512)


def _stored(folder: Path) -> Weights | None:
    """Return the weights of a folder; None where there are none, or they are damaged."""
    path = folder / WEIGHTS
    try:
        info = read_header(path).get("info")
        sha256 = checked_sha256(path)
    except DataError:
        return None
    return Weights(path, sha256, info, folder / SEEN) if isinstance(info, dict) else None


class Regressor:
    """The last hidden layer of the network, then one penalised linear model a task."""

    def __init__(self, config: RegressorConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: RegressorConfig) -> Mapping[str, FeatureRequest]:
        """Return the bits it reads."""
        return requests(config)

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit the linear models of every strength; keep the one best on the validation rows."""
        if context.weights is None:
            raise DataError("cells.regressor starts from pretrained weights, and there are none")
        self._context = context
        self._body = _Body(context.weights)
        x_train, x_valid = self._body(bits_of(train)), self._body(bits_of(valid))
        tasks = context.tasks
        best: float | None = None
        for strength in self.config.strengths:
            columns = self._fit_tasks(x_train, y_train, strength)
            score = validation_score(tasks, y_valid, self._scores(columns, x_valid))
            value = 0.0 if score is None else score
            if best is None or value > best:
                best, self._columns, chosen = value, columns, strength
        context.log.info("L2 penalty %g chosen, validation score %s", chosen, best)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._scores(self._columns, self._body(bits_of(inputs)))

    def _fit_tasks(self, x: FloatArray, y: FloatArray, strength: float) -> list[Any]:
        """Return an estimator a task; a number where the task has one label value or none."""

        def fit(labels: FloatArray) -> Any:
            rows = np.flatnonzero(np.isfinite(labels))
            if len(np.unique(labels[rows])) < 2:
                return float(labels[rows].mean()) if len(rows) else 0.5 * self._is_classifier
            return self._estimator(strength).fit(x[rows], labels[rows])

        with ThreadPoolExecutor(self._context.n_jobs) as pool:
            return list(pool.map(fit, y.T))

    def _scores(self, columns: list[Any], x: FloatArray) -> FloatArray:
        y_pred = np.empty((len(x), len(columns)))
        for task, column in enumerate(columns):
            if isinstance(column, float):
                y_pred[:, task] = column
            elif self._is_classifier:
                y_pred[:, task] = column.predict_proba(x)[:, 1]
            else:
                y_pred[:, task] = column.predict(x)
        return y_pred

    def _estimator(self, strength: float) -> Any:
        from sklearn.linear_model import LogisticRegression, Ridge

        if not self._is_classifier:
            return Ridge(alpha=strength)
        return LogisticRegression(C=1.0 / strength, max_iter=3000)

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"


class _Body:
    """Bits (n, d) -> last hidden layer (n, h), standardised as on the atlas; numpy alone.

    Without a layer, since nothing could be learnt, the bits are what they are.
    """

    def __init__(self, path: Path) -> None:
        tensors, _ = read_tensors(path)
        if set(tensors) not in ({NO_LAYERS}, LAYERS):
            raise DataError(
                f"{path} is damaged: it holds the tensors {sorted(tensors)}, expected "
                f"{sorted(LAYERS)}; make the weights again with chmr-bench pretrain"
            )
        self._parts = {name: tensor.numpy().astype(np.float64) for name, tensor in tensors.items()}

    def __call__(self, bits: FloatArray) -> FloatArray:
        p = self._parts
        if NO_LAYERS in p:
            return bits
        first = np.maximum(bits @ p["first.weight"].T + p["first.bias"], 0.0)  # (n, hidden)
        last = np.maximum(first @ p["last.weight"].T + p["last.bias"], 0.0)  # (n, h)
        return np.asarray((last - p["mean"]) / p["sd"])

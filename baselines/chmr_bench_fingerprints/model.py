"""What the models on fingerprint bits share: which bits they read, and a way to go task by task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, bits_of, requests
from chmr_bench.tasks import (
    LabelScale,
    TaskRows,
    constants,
    fill_constants,
    learnable,
    over_threads,
)
from chmr_bench.types import FloatArray


class FingerprintModel(ABC):
    """Bits to tasks; a subclass says how, in `_fit` and `_predict`."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: FingerprintConfig) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads."""
        return requests(config)

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit on the training rows; the validation rows say when to stop, where anything does."""
        self._context = context
        self._scale = LabelScale.of(y_train, context.tasks.task_type)
        y = self._scale.scaled(y_train)
        self._constants = constants(y, context.tasks.task_type)
        self._fit(self._bits(train), y, valid, self._scale.scaled(y_valid))

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._scale.restored(self._predict(self._bits(inputs)))

    @abstractmethod
    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        """Learn the labels y (n, t) of the training rows' bits (n, d)."""

    @abstractmethod
    def _predict(self, bits: sparse.csr_array) -> FloatArray:
        """Return predictions, (n, t)."""

    def _bits(self, inputs: Inputs) -> sparse.csr_array:
        return bits_of(inputs, self.config)

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"


class TaskwiseModel(FingerprintModel):
    """One estimator a task, on all cores; a task with one label value gets that value.

    Where there is one task alone, its estimator may use all cores itself: `_threads`.
    """

    @abstractmethod
    def _fit_task(self, bits: sparse.csr_array, task: TaskRows) -> Any:
        """Return what is learnt of one task; its rows of the bits are `task.rows`."""

    @abstractmethod
    def _predict_task(self, fitted: Any, bits: Any) -> FloatArray:
        """Return the predictions of one task, (n,)."""

    def _fit(
        self, bits: sparse.csr_array, y: FloatArray, valid: Inputs, y_valid: FloatArray
    ) -> None:
        tasks = learnable(y)
        self._threads = self._context.n_jobs if len(tasks) == 1 else 1
        fitted = over_threads(lambda task: self._fit_task(bits, task), tasks, self._context)
        self._fitted = {task.task: one for task, one in zip(tasks, fitted, strict=True)}

    def _predict(self, bits: Any) -> FloatArray:
        y_pred = fill_constants(self._constants, bits.shape[0])
        if not bits.shape[0]:
            return y_pred
        fitted = list(self._fitted.values())
        columns = over_threads(lambda one: self._predict_task(one, bits), fitted, self._context)
        for task, column in zip(self._fitted, columns, strict=True):
            y_pred[:, task] = np.asarray(column, dtype=np.float64)
        return y_pred

"""scikit-learn's random forest with the settings of `fingerprint.forest`: its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from chmr_bench.tasks import TaskRows
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.forest import ForestConfig, tried_features
from chmr_bench_fingerprints.model import TaskwiseModel


class SklearnForest(TaskwiseModel):
    """One forest a task; the prediction is the mean of the trees' leaf means."""

    config: ForestConfig

    def _fit_task(self, bits: sparse.csr_array, task: TaskRows) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        sequence = np.random.SeedSequence((self._context.seed, task.task))
        forest = RandomForestClassifier if self._is_classifier else RandomForestRegressor
        return forest(
            self.config.n_trees,
            max_features=tried_features(self.config, bits.shape[1], self._is_classifier),
            # `min_leaf` counts draws: weights, to scikit-learn. Half a draw less, for rounding.
            min_weight_fraction_leaf=min((self.config.min_leaf - 0.5) / len(task.y), 0.5),
            random_state=int(sequence.generate_state(1)[0]),
            n_jobs=self._threads,
        ).fit(bits[task.rows].toarray(), task.y)

    def _predict_task(self, fitted: Any, bits: sparse.csr_array) -> FloatArray:
        if self._is_classifier:
            return np.asarray(fitted.predict_proba(bits)[:, 1])
        return np.asarray(fitted.predict(bits))

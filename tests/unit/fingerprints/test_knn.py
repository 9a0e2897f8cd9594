"""Nearest neighbours against a plain loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rdkit import DataStructs
from rdkit.DataStructs import CreateFromBitString
from scipy import sparse

from chmr_bench.features.tanimoto import similarity_matrix
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.knn import Knn, KnnConfig


def test_tanimoto_is_that_of_rdkit() -> None:
    bits = np.random.default_rng(0).random((12, 40)) < 0.3
    vectors = [CreateFromBitString("".join(map(str, row.astype(int)))) for row in bits]
    expected = [DataStructs.BulkTanimotoSimilarity(vector, vectors) for vector in vectors]
    matrix = sparse.csr_array(bits.astype(np.float32))
    np.testing.assert_allclose(similarity_matrix(matrix, matrix), expected, rtol=1e-6)


def test_molecules_without_bits_are_alike() -> None:
    bits = sparse.csr_array(np.array([[0, 0], [1, 0]], dtype=np.float32))
    np.testing.assert_array_equal(similarity_matrix(bits, bits), [[1, 0], [0, 1]])


def by_hand(likeness: FloatArray, y: FloatArray, config: KnnConfig) -> FloatArray:
    """Take the k most similar labelled rows of each molecule and task, one by one."""
    expected = np.empty((len(likeness), y.shape[1]))
    for i, row in enumerate(likeness):
        nearest = sorted(range(len(row)), key=lambda j, row=row: (-row[j], j))
        for task in range(y.shape[1]):
            own = [j for j in nearest if np.isfinite(y[j, task])][: config.k]
            weights = [float(row[j]) ** config.power for j in own]
            labels = [y[j, task] for j in own]
            prior = np.nanmean(y[:, task])
            total = np.dot(weights, labels) + config.prior * prior
            expected[i, task] = total / (sum(weights) + config.prior)
    return expected


@pytest.mark.parametrize("settings", [{"k": 1}, {"k": 7, "power": 0}, {"k": 500, "power": 4}])
def test_predictions_are_those_of_a_plain_loop(
    settings: dict[str, Any], problem_of: Callable[..., Any]
) -> None:
    problem = problem_of("regression")
    config = KnnConfig.model_validate(settings)
    y_pred = problem.fit(Knn(config)).predict(problem.test)
    train, test = (
        sparse.csr_array(p.matrix("morgan").values, dtype=np.float32)
        for p in (problem.train, problem.test)
    )
    expected = by_hand(similarity_matrix(test, train), problem.y_train[:, :2], config)
    np.testing.assert_allclose(y_pred[:, :2], expected, rtol=1e-5)

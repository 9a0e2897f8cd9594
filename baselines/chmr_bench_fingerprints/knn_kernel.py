"""The compiled inner loop of `fingerprint.knn`; it releases the interpreter lock."""

from __future__ import annotations

import numpy as np
from numba import njit

from chmr_bench.types import FloatArray, IntArray


@njit(nogil=True, cache=True)
def weighted_labels(
    order: IntArray,
    weights: FloatArray,
    labels: FloatArray,
    k: int,
    sums: FloatArray,
    totals: FloatArray,
) -> None:
    """Add up the labels of each molecule's k nearest labelled training rows, task by task.

    Parameters
    ----------
    order : IntArray
        (n, m) training rows, nearest first.
    weights : FloatArray
        (n, m) the weight of each training row, by row.
    labels : FloatArray
        (m, t), NaN where there is none.
    k : int
        Neighbours a task.
    sums, totals : FloatArray
        (n, t), filled with sum of weight times label, and sum of weights.
    """
    n_tasks = labels.shape[1]
    taken = np.empty(n_tasks, np.int64)
    for i in range(order.shape[0]):
        taken[:] = 0
        full = 0
        for row in order[i]:
            for task in range(n_tasks):
                label = labels[row, task]
                if taken[task] < k and not np.isnan(label):
                    taken[task] += 1
                    full += taken[task] == k
                    sums[i, task] += weights[i, row] * label
                    totals[i, task] += weights[i, row]
            if full == n_tasks:
                break

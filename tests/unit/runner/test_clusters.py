"""Clusters of test rows by connectivity."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from chmr_bench.contracts import Dataset
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.runner.clusters import connectivity_clusters
from chmr_bench.runner.workspace import Opened, Workspace

SMILES = ("CCO", "c1ccccc1", "OCC", "C[C@H](N)O", "C[C@@H](N)O", "CCC")


def opened(keys: tuple[str, ...] = ()) -> Opened:
    dataset = Dataset(SMILES, np.zeros((6, 1)), ("t",), keys=keys)
    return cast(Any, SimpleNamespace(dataset=dataset))


def test_one_connectivity_is_one_cluster(home: Path) -> None:
    workspace = Workspace(FetchOptions(offline=True), 1)
    rows = np.array([0, 2, 3, 4, 5])
    # Ethanol written twice, and two mirror images.
    assert connectivity_clusters(workspace, opened(), rows).tolist() == [0, 0, 1, 1, 2]


def test_keys_of_the_dataset_are_taken_and_rows_without_one_stand_alone() -> None:
    workspace = Workspace(FetchOptions(offline=True), 1)
    known = opened(("", "B", "", "A", "A", "B"))
    rows = np.array([0, 1, 2, 4, 5])
    assert connectivity_clusters(workspace, known, rows).tolist() == [0, 1, 2, 3, 1]

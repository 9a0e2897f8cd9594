"""Clusters of test rows by connectivity."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from chmr_bench.contracts import Dataset
from chmr_bench.runner import DatasetRequest, LoadedDataset
from chmr_bench.runner.scoring import clusters_of

SMILES = ("CCO", "c1ccccc1", "OCC", "C[C@H](N)O", "C[C@@H](N)O", "CCC")


def loaded(keys: tuple[str, ...] = ()) -> LoadedDataset:
    dataset = Dataset(SMILES, np.zeros((6, 1)), ("t",), keys=keys)
    return LoadedDataset(DatasetRequest(name="x"), cast(Any, None), dataset, "")


def test_one_connectivity_is_one_cluster(home: Path) -> None:
    rows = np.array([0, 2, 3, 4, 5])
    # Ethanol written twice, and two mirror images.
    assert clusters_of(loaded().keys_of(rows)).tolist() == [0, 0, 1, 1, 2]


def test_keys_of_the_dataset_are_taken_and_rows_without_one_stand_alone() -> None:
    known = loaded(("", "B", "", "A", "A", "B"))
    rows = np.array([0, 1, 2, 4, 5])
    assert clusters_of(known.keys_of(rows)).tolist() == [0, 1, 2, 3, 1]

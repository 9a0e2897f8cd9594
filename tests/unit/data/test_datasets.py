"""What is loaded is held against what is registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import Dataset, DatasetSpec, LoadFiles, MatrixBlock
from chmr_bench.data import datasets
from chmr_bench.data.datasets import check_dataset, dataset_request, open_dataset
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.data.requests import TableOptions
from chmr_bench.errors import DataError, PluginError, UnknownNameError, UsageError
from chmr_bench.records import RecordStore

SPEC = DatasetSpec(
    name="toy",
    title="Toy",
    task_type="classification",
    task_names=("a", "b"),
    metric="roc_auc",
    n_molecules=3,
    load="toy:load",
)
DATASET = Dataset(("C", "CC", "CCC"), np.array([[0, 1], [1, np.nan], [np.nan, 0]]), ("a", "b"))


def block(n: int) -> MatrixBlock:
    return MatrixBlock(np.zeros((n, 2)), np.ones(n, dtype=bool))


def test_what_fits_passes() -> None:
    check_dataset(SPEC, DATASET)
    check_dataset(
        replace(SPEC, modalities=("structure", "morphology")),
        replace(DATASET, blocks={"morphology": block(3)}, keys=("A", "B", "C")),
    )
    regression = replace(SPEC, task_type="regression")
    check_dataset(regression, replace(DATASET, y=DATASET.y * 3.7))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"smiles": ("C", "CC"), "y": DATASET.y[:2]}, "2 molecules were loaded, 3 are registered"),
        ({"task_names": ("a", "c")}, "task 1 .* is called 'c', registered as 'b'"),
        ({"task_names": ("a",), "y": DATASET.y[:, :1]}, "1 tasks were loaded, 2 are registered"),
        ({"keys": ("A",)}, "1 keys for 3 molecules"),
        ({"smiles": ("C", " ", "CCC")}, "row 1 .* empty SMILES"),
        ({"smiles": ("C", None, "CCC")}, "None is no SMILES"),
        ({"smiles": ("C", "\udcff", "CCC")}, "is no SMILES; expected UTF-8"),
        ({"y": DATASET.y + 1j}, "labels are of type complex128; expected float64"),
        ({"y": np.full((3, 2), "a", dtype=object)}, "labels are of type object"),
        ({"y": DATASET.y * 2}, "row 0 .*, task 'b': .*2.0.* where 0, 1 or NaN is expected"),
        ({"blocks": {"morphology": block(3)}}, r"blocks \['morphology'\], registered with \[\]"),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(DataError, match=f"dataset 'toy': .*{what}"):
        check_dataset(SPEC, replace(DATASET, **changes))


def test_a_block_must_have_a_row_a_molecule() -> None:
    spec = replace(SPEC, modalities=("structure", "morphology"))
    with pytest.raises(DataError, match="'morphology' has 2 rows for 3 molecules"):
        check_dataset(spec, replace(DATASET, blocks={"morphology": block(2)}))
    with pytest.raises(DataError, match=r"blocks \[\], registered with \['morphology'\]"):
        check_dataset(spec, DATASET)


def test_an_infinite_label_is_refused() -> None:
    spec = replace(SPEC, task_type="regression")
    y = DATASET.y.copy()
    y[2, 0] = np.inf
    with pytest.raises(DataError, match=r"row 2 .*, task 'a': .*inf.* a finite number or NaN"):
        check_dataset(spec, replace(DATASET, y=y))


def test_open_calls_the_loader_and_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    returned: list[Any] = [DATASET]

    def load(spec: DatasetSpec, files: LoadFiles) -> Any:
        assert spec is SPEC
        with pytest.raises(PluginError, match="'x', which is not among its sources"):
            files("x")
        return returned[0]

    monkeypatch.setattr(datasets, "load_object", {"toy:load": load}.__getitem__)
    assert open_dataset(SPEC, FetchOptions()) is DATASET
    returned[0] = replace(DATASET, keys=("A",))
    with pytest.raises(DataError, match="1 keys for 3 molecules"):
        open_dataset(SPEC, FetchOptions())
    returned[0] = None
    with pytest.raises(PluginError, match="toy:load returned NoneType, not a Dataset"):
        open_dataset(SPEC, FetchOptions())


def test_a_misspelt_or_empty_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assay.csv").touch()
    with pytest.raises(UnknownNameError, match=r"called 'assay\.cvs'; did you mean 'assay\.csv'"):
        dataset_request("assay.cvs", TableOptions(), ["bace"])
    with pytest.raises(UsageError, match="--dataset ''; expected a registered name"):
        dataset_request("", TableOptions(), ["bace"])


def test_a_folder_whose_name_cannot_be_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--out .*ame too long; choose another"):
        RecordStore(tmp_path / ("x" * 300)).check_writable()

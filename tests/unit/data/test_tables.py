"""A user's own table: what is read, and what each mistake says."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chmr_bench.contracts import Dataset, DatasetSpec
from chmr_bench.data.requests import TableOptions
from chmr_bench.data.tables import read_table
from chmr_bench.errors import DataError, UsageError

GOOD = "id,smiles,pIC50,logD\n1,CCO,5.5,1\n2,c1ccccc1,6.25,\n3,CCN,,-0.5\n"


def write(tmp_path: Path, text: str, name: str = "my.csv") -> Path:
    path = tmp_path / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, tasks: str = "y", **options: Any) -> tuple[DatasetSpec, Dataset]:
    return read_table(path, TableOptions("smiles", tuple(tasks.split(",")), **options))


def error_of(tmp_path: Path, text: str, tasks: str = "y", **options: Any) -> str:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read(path, tasks, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------ what is read


def test_a_regression_table(tmp_path: Path) -> None:
    spec, data = read(write(tmp_path, GOOD), "pIC50,logD")
    assert data.smiles == ("CCO", "c1ccccc1", "CCN")
    np.testing.assert_array_equal(data.y, [[5.5, 1], [6.25, np.nan], [np.nan, -0.5]])
    assert (spec.name, spec.task_type, spec.metric) == ("my", "regression", "mae")
    assert (spec.split, spec.n_molecules, spec.source) == ("scaffold", 3, "my.csv")
    assert spec.task_names == data.task_names == ("pIC50", "logD")
    assert str(tmp_path) not in repr(spec)


@pytest.mark.parametrize("name", ["my.csv.gz", "my.tsv", "my.tsv.gz", "MY.CSV"])
def test_the_ending_says_the_format(name: str, tmp_path: Path) -> None:
    text = GOOD.replace(",", "\t") if "tsv" in name else GOOD
    spec, data = read(write(tmp_path, text, name), "pIC50,logD")
    assert spec.name.lower() == "my"
    assert data.digest() == read(write(tmp_path, GOOD), "pIC50,logD")[1].digest()


def test_byte_order_mark_crlf_blank_lines_and_quotes(tmp_path: Path) -> None:
    text = '\ufeffsmiles,note,y\r\n"CCO","a, b",1\r\n\r\n CC ,,0\r\n'
    spec, data = read(write(tmp_path, text))
    assert data.smiles == ("CCO", "CC")
    assert (spec.task_type, spec.metric) == ("classification", "roc_auc")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0", "1", "NA"], "classification"),
        (["1", "1", ""], "classification"),
        (["0.0", "1.0", "nan"], "classification"),
        (["0", "1", "2"], "regression"),
        (["0", "1", "0.5"], "regression"),
    ],
)
def test_the_task_type_is_inferred_and_noted(
    cells: list[str], expected: str, tmp_path: Path
) -> None:
    text = "smiles,y\n" + "".join(f"C,{cell}\n" for cell in cells)
    spec, _ = read(write(tmp_path, text))
    assert spec.task_type == expected
    (note,) = (note for note in spec.notes if "inferred" in note)
    assert note.startswith(f"task type {expected} inferred from the labels")
    assert ("expects labels 0 and 1" in note) == (expected == "regression")


def test_the_task_type_can_be_given(tmp_path: Path) -> None:
    path = write(tmp_path, "smiles,y\nC,0\nCC,1\n")
    spec, _ = read(path, task_type="regression", metric="rmse")
    assert (spec.task_type, spec.metric) == ("regression", "rmse")


def test_duplicates_stay_and_are_counted(tmp_path: Path) -> None:
    spec, data = read(write(tmp_path, "smiles,y\nC,1\nC,0\nC,1\nCC,0\n"))
    assert len(data) == 4
    assert any(n.startswith("2 rows repeat the SMILES of an earlier row;") for n in spec.notes)


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    first, _ = read(write(tmp_path, "smiles,y\nC,1\nCC,0\n"))
    moved, _ = read(write(tmp_path, "y,smiles\n1,C\n0,CC\n", "other.csv"))
    changed, _ = read(write(tmp_path, "smiles,y\nC,1\nCC,1\n"))
    assert first.version == moved.version != changed.version


def test_a_name_is_fit_for_a_folder(tmp_path: Path) -> None:
    assert read(write(tmp_path, "smiles,y\nC,1\n", "my assay (2).csv"))[0].name == "my-assay-2"
    cities = [
        read(write(tmp_path, "smiles,y\nC,1\n", f"{n}.csv"))[0].name for n in ("東京", "大阪")
    ]
    assert cities[0] != cities[1]
    assert all(name.startswith("table-") for name in cities)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1
    ).filter(lambda values: any(v is not None for v in values))
)
def test_every_number_survives_the_file(tmp_path: Path, values: list[float | None]) -> None:
    cells = ["" if v is None else repr(v) for v in values]
    _, data = read(write(tmp_path, "smiles,y\n" + "".join(f"C,{c}\n" for c in cells)))
    expected = [np.nan if v is None else v for v in values]
    np.testing.assert_array_equal(data.y[:, 0], expected)


# ---------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("smiles,y\n", "a header (row 1) but no molecule under it"),
        ("smile,y\nC,1\n", "row 1: no column 'smiles' (--smiles); did you mean 'smile'?"),
        (
            "smiles,pIC50,abc\nC,1,1\n",
            "row 1: no column 'y' (--tasks); there are: smiles, pIC50, abc",
        ),
        ("smiles,y,y\nC,1,1\n", "column 'y' stands 2 times"),
        ("smiles,y\nC,potent\n", "row 2, column 'y': 'potent', expected a finite number"),
        ("smiles,y\nC,1\nC,inf\n", "row 3, column 'y': 'inf', expected a finite number"),
        ("smiles,y\nC,1_0\n", "row 2, column 'y': '1_0', expected a finite number"),
        ('smiles,y\nC,"1,5"\n', "row 2, column 'y': '1,5', expected a finite number"),
        ("smiles,y\nC,1\n,1\n", "row 3, column 'smiles': empty, expected a SMILES"),
        ("smiles,y\nC,1\n\nC(C,1\n", "row 4, column 'smiles': 'C(C' is no molecule"),
        ("smiles,y\nCN(C)(C)(C)C,1\n", "is no molecule RDKit can read: Explicit valence"),
        ("smiles,y\nC,1\nCC,1,2\n", "row 3, 3 cells, expected 2 as in the header; quote a cell"),
        ("smiles,y\nC,1\nCC\n", "row 3, 1 cell, expected 2 as in the header; write the delimiter"),
        ("C,1.5\nCC,1\n", "there are: C, 1.5; that reads like a molecule's row"),
        ("smiles,y\nC,\nCC,NA\n", "no label at all in 'y' (1 of 1 tasks)"),
        ('smiles,y\nC,1\n"C,1\nCC,2\n', "row 3: a quote opens here and nothing closes it"),
        ('smiles,y\nC,1\n"C"C,1\n', "row 3, text follows a closing quote"),
    ],
)
def test_a_mistake_says_where_and_what(text: str, message: str, tmp_path: Path) -> None:
    assert message in error_of(tmp_path, text)


def test_a_class_other_than_0_and_1(tmp_path: Path) -> None:
    message = error_of(tmp_path, "smiles,y\nC,0\nCC,2\n", task_type="classification")
    assert "row 3, column 'y': 2, expected 0 or 1" in message
    message = error_of(tmp_path, "smiles,y\nC,0\nCC,-1\n", task_type="classification")
    assert "-1, expected 0 or 1; if it means not measured, empty these cells" in message


def test_an_empty_task_is_named_among_others(tmp_path: Path) -> None:
    message = error_of(tmp_path, "smiles,a,b\nC,1,\nCC,0,\n", "a,b")
    assert "no label at all in 'b' (1 of 2 tasks)" in message


def test_several_bad_rows_are_listed_at_once(tmp_path: Path) -> None:
    text = "smiles,y\n" + "C(C,1\n" * 7 + "C,1\n"
    message = error_of(tmp_path, text)
    assert "7 of 8 rows cannot be used" in message
    assert message.count("is no molecule") == 5
    assert "... and 2 more" in message
    assert "--on-invalid drop" in message


def test_text_that_is_no_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_text(GOOD)
    with pytest.raises(DataError, match=r"a\.csv\.gz: cannot be read as gzip"):
        read(tmp_path / "a.csv.gz")


# ------------------------------------------------------------------------------------- what is left


def test_bad_rows_are_dropped_on_order_and_listed(tmp_path: Path) -> None:
    text = "smiles,y\nC,0\nC(C,1\nCC,2\nCCC,x\nCCCC,1\n"
    spec, data = read(write(tmp_path, text), task_type="classification", on_invalid="drop")
    assert data.smiles == ("C", "CCCC")
    assert [d.row for d in data.dropped] == [3, 4, 5]
    assert "expected 0 or 1" in data.dropped[1].reason
    assert "3 rows dropped on the user's order" in spec.notes


def test_dropping_every_row_is_an_error(tmp_path: Path) -> None:
    message = error_of(tmp_path, "smiles,y\nC(C,1\n", on_invalid="drop")
    assert "its one row cannot be used" in message


# ----------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        ([], {}, "no task column given"),
        (["a", "a"], {}, "names 'a' twice"),
        (
            ["a"],
            {"on_invalid": "skip"},
            "--on-invalid is called 'skip'; there are: drop, stop",
        ),
        (
            ["a"],
            {"task_type": "ranking"},
            "--task-type is called 'ranking'; there are: class",
        ),
        (["a"], {"metric": "auc"}, "no value of --metric is called 'auc'; did you mean 'roc_auc'"),
        (
            ["a"],
            {"metric": "mae", "task_type": "classification"},
            "does not measure classification",
        ),
        (["a"], {"metric": "mae"}, "does not measure classification"),
    ],
)
def test_settings_that_do_not_fit(
    tasks: list[str], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "smiles,a\nC,1\nCC,0\n")
    with pytest.raises(UsageError, match=message):
        read_table(path, TableOptions("smiles", tuple(tasks), **options))


def test_one_column_cannot_be_molecule_and_task(tmp_path: Path) -> None:
    assert "both --smiles and a task" in error_of(tmp_path, "smiles,y\nC,1\n", "smiles")


# ------------------------------------------------------------------------------ a split of its own

PARTED = "smiles,y,year\nCCO,1,train\nCCN,2,Training\nCCC,3,val\nCCCl,4,TEST\n"


def test_a_column_says_the_parts(tmp_path: Path) -> None:
    spec, data = read(write(tmp_path, PARTED), parts="year")
    assert spec.split == "reference"
    assert data.parts == ("train", "train", "valid", "test")
    assert data.take(np.array([3, 0])).parts == ("test", "train")
    assert read(write(tmp_path, PARTED))[1].parts == ()


@pytest.mark.parametrize("cell", ["2019", ""])
def test_a_row_of_no_part_is_a_bad_row(tmp_path: Path, cell: str) -> None:
    text = PARTED + f"CCBr,5,{cell}\n"
    said = error_of(tmp_path, text, parts="year")
    assert "row 6, column 'year': expected train, valid or test" in said
    _, data = read(write(tmp_path, text), parts="year", on_invalid="drop")
    assert (len(data), len(data.dropped)) == (4, 1)


def test_all_parts_must_have_rows(tmp_path: Path) -> None:
    said = error_of(tmp_path, PARTED.replace("val", "train"), parts="year")
    assert "no row of column 'year' is valid; expected rows of train, of valid (on which" in said
    assert "no column 'part' (--parts)" in error_of(tmp_path, PARTED, parts="part")

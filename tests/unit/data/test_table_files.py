"""Users' files of every format: what is seen, what is noted, what is refused and how."""

from __future__ import annotations

import gzip
import io
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from chmr_bench.contracts import Dataset, DatasetSpec
from chmr_bench.data.requests import DatasetRequest, TableOptions
from chmr_bench.data.tables import read_table
from chmr_bench.errors import DataError, SettingError, UnknownNameError

ROWS = [("CCO", "ethanol, pure", 5.5), ("c1ccccc1", "Benzol", 6.25), ("CCN", 'an "amine"', -0.5)]
EXPECTED = np.array([[5.5], [6.25], [-0.5]])
FRAME = pd.DataFrame(ROWS, columns=["smiles", "name", "y"])


def read(path: Path, tasks: str = "y", **options: Any) -> tuple[DatasetSpec, Dataset]:
    return read_table(path, TableOptions("smiles", (tasks,), **options))


def put(tmp_path: Path, content: str | bytes, name: str = "my.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "start", ["<!DOCTYPE html>\n<html>", "\n <html lang='en'>", "<?xml v='1'?>"]
)
@pytest.mark.parametrize("name", ["my.csv", "my.xls", "my.smi"])
def test_a_web_page_is_named_as_one(tmp_path: Path, start: str, name: str) -> None:
    page = f"{start}\n<body>a,b</body>\n<p>smiles,y</p>\n</html>\n"
    with pytest.raises(DataError, match="looks like a web page"):
        read(put(tmp_path, page, name))


def test_a_line_without_end_is_refused_at_once_and_a_long_field_is_read(tmp_path: Path) -> None:
    note = "x" * 5_000_000
    _, dataset = read(put(tmp_path, f"smiles,note,y\nCCO,{note},1\nCCN,,2.5\n"))
    assert len(dataset) == 2
    wide = ",".join(f"c{i}" for i in range(100_000))
    _, dataset = read(put(tmp_path, f"smiles,y,{wide}\nCCO,1.5{',' * 100_000}\n"))
    assert len(dataset) == 1
    start = time.monotonic()
    for text, row in (("CCO,1.5 " * 2_000_000, 1), ("smiles,y\nCCO,1\n" + "C" * 16_000_000, 3)):
        with pytest.raises(DataError, match=f"row {row}: a line of 16,000,000 characters"):
            read(put(tmp_path, text))
    assert time.monotonic() - start < 10


def check(path: Path, **options: Any) -> tuple[str, ...]:
    """Read the three rows from a file; return its notes."""
    spec, data = read(path, **options)
    assert data.smiles == ("CCO", "c1ccccc1", "CCN")
    np.testing.assert_array_equal(data.y, EXPECTED)
    return spec.notes


def write_sheet(path: Path, rows: list[list[object]]) -> None:
    """Write a workbook of one sheet, as little of the format as there is."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    cells = "".join("<row>" + "".join(map(cell, row)) + "</row>" for row in rows)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/'
        'vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Data" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData>'
        "</worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"<c><v>{value}</v></c>"
    text = str(value).replace("&", "&amp;").replace("<", "&lt;")
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


def refusal(path: Path, tasks: str = "y", **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(path, tasks, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------------------------- text, separated


@pytest.mark.parametrize("name", ["my.csv", "my.tsv", "my.txt"])
@pytest.mark.parametrize(
    ("mark", "word"), [(",", "comma"), ("\t", "tab"), (";", "semicolon"), ("|", "bar")]
)
def test_the_separator_is_seen_and_noted_where_the_name_says_another(
    tmp_path: Path, name: str, mark: str, word: str
) -> None:
    notes = check(put(tmp_path, FRAME.to_csv(index=False, sep=mark), name))
    usual = {"csv": ","}.get(name[-3:], "\t")
    assert (f"read as {word}-separated" in notes) == (mark != usual)
    assert check(tmp_path / name, delimiter=word)


@pytest.mark.parametrize("mark", [";", ",", "\t", ":"])
def test_the_line_of_a_spreadsheet_that_names_the_separator_is_no_row(
    tmp_path: Path, mark: str
) -> None:
    path = put(tmp_path, f"sep={mark}\n" + FRAME.to_csv(index=False, sep=mark))
    assert f"its first line says that {mark!r} separates the cells" in check(path)
    assert read(path)[1].row_numbers == (3, 4, 5)
    assert "the file is empty" in refusal(put(tmp_path, f"sep={mark}\n", "bare.csv"))


def test_blanks_separate_where_nothing_else_does(tmp_path: Path) -> None:
    text = "smiles   y\nCCO  5.5 \nc1ccccc1 6.25\nCCN   -0.5\n"
    assert "read as blank-separated" in check(put(tmp_path, text, "my.txt"))


def test_blanks_before_a_quote_do_not_matter(tmp_path: Path) -> None:
    check(put(tmp_path, 'smiles, n, y\nCCO, "a, b", 5.5\nc1ccccc1, "", 6.25\nCCN, "c", -0.5\n'))


@pytest.mark.parametrize(
    "head", ["# one\n# a;b\nsmiles;y\n", "# smiles, they say\n#smiles;y\n", "\n#\nsmiles;y\n\n"]
)
def test_comment_lines_are_counted_and_a_header_among_them_is_seen(
    tmp_path: Path, head: str
) -> None:
    path = put(tmp_path, head + "CCO;5.5\nc1ccccc1;6.25\n# that was benzene\nCCN;-0.5\n")
    notes = check(path)
    n_comments = head.count("#") + 1
    assert f"{n_comments} lines begin with '#'" in notes
    first = head.count("\n") + 1
    assert read(path)[1].row_numbers == (first, first + 1, first + 3)


def test_a_cell_may_hold_a_line_break(tmp_path: Path) -> None:
    path = put(tmp_path, 'smiles,n,y\nCCO,"two\nlines",1\nCC(,x,1\n')
    assert "row 3, column 'smiles'" in refusal(path)


@pytest.mark.parametrize("delimiter", ["ab", '"', "\n"])
def test_a_delimiter_that_cannot_be(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(SettingError, match="--delimiter"):
        check(put(tmp_path, "smiles,y\nC,1\n"), delimiter=delimiter)


# ---------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    notes = check(put(tmp_path, FRAME.to_csv(index=False).encode(encoding)))
    assert (f"read as {encoding.upper()}" in notes) == (encoding != "utf-8-sig")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_without_a_mark_names_the_option(tmp_path: Path, encoding: str) -> None:
    path = put(tmp_path, FRAME.to_csv(index=False).encode(encoding))
    assert f"--encoding {encoding}" in refusal(path)
    check(path, encoding=encoding)


def test_latin_text_is_refused_with_row_and_option(tmp_path: Path) -> None:
    text = FRAME.replace("Benzol", "Benzöl").to_csv(index=False)
    path = put(tmp_path, text.encode("latin-1"))
    assert "row 3: cannot be read as UTF-8 text: byte 0xf6" in refusal(path)
    assert "--encoding cp1252" in refusal(path)
    check(path, encoding="latin-1")
    with pytest.raises(SettingError, match="there is no such encoding"):
        read(path, encoding="latin-77")


def test_the_encoding_named_is_one_that_reads_the_file(tmp_path: Path) -> None:
    text = FRAME.replace("Benzol", "Benz\u00f6l").to_csv(index=False)
    path = put(tmp_path, text.encode())
    assert "it looks like UTF-8: --encoding utf-8" in refusal(path, encoding="ascii")
    text = text.replace("Benz\u00f6l", "\u6c34\u9280\u30c6\u30b9\u30c8")
    path = put(tmp_path, text.encode("shift_jis"), "japanese.csv")
    assert "name its encoding (--encoding shift_jis, " in refusal(path)
    check(path, encoding="shift_jis")


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (gzip.compress(b"smiles,y\nC,1\n" * 9, mtime=0), ".csv.gz"),
        (b"PK\x03\x04\x8f\xff", ".xlsx or .zip"),
        (b"PAR1\x15\x04\xfe", ".parquet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", ".xls"),
    ],
)
def test_a_file_of_another_kind_is_told_its_ending(
    tmp_path: Path, content: bytes, ending: str
) -> None:
    assert refusal(put(tmp_path, content)).endswith(f"call it {ending}")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    assert "row 2: cannot be read as text: a NUL" in refusal(put(tmp_path, b"smiles,y\nC,\0\n"))


# ------------------------------------------------------------------------------------ other formats


@pytest.mark.parametrize("name", ["my.xlsx", "my.parquet", "my.csv.zip", "my.csv.gz", "my.tsv.zip"])
def test_other_formats(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("xlsx"):
        write_sheet(path, [list(FRAME.columns), *FRAME.to_numpy().tolist()])
    elif name.endswith("parquet"):
        FRAME.to_parquet(path)
    else:
        FRAME.to_csv(path, index=False, sep="\t" if "tsv" in name else ",")
    check(path)
    assert read(path)[0].name == "my"
    damaged = put(tmp_path, path.read_bytes()[:-30], f"damaged-{name}")
    assert "cannot be read as" in refusal(damaged)


def test_an_archive_holds_one_table(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "smiles,y\nC,1\n")
        archive.writestr("b.csv", "smiles,y\nC,1\n")
    assert "expected one table in it; there are: a.csv, b.csv" in refusal(tmp_path / "two.zip")


def test_smi_lines_have_a_name_or_a_header(tmp_path: Path) -> None:
    path = put(tmp_path, "CCO 5.5\n# a comment\nc1ccccc1\t6.25\nCCN -0.5\n", "my.smi")
    _, data = read(path, "name")
    np.testing.assert_array_equal(data.y, EXPECTED)
    assert data.row_numbers == (1, 3, 4)
    check(put(tmp_path, "smiles\ty\nCCO\t5.5\nc1ccccc1\t6.25\nCCN\t-0.5\n", "header.smi"))
    assert TableOptions(tasks=("name",)).request("my.smi").smiles == "smiles"


def test_sdf_records_with_their_properties(tmp_path: Path) -> None:
    stream = io.StringIO()
    with Chem.SDWriter(stream) as writer:
        for smiles, name, y in ROWS:
            mol = Chem.MolFromSmiles(smiles)
            mol.SetProp("_Name", name)
            mol.SetProp("y", str(y))
            writer.write(mol)
    path = put(tmp_path, stream.getvalue(), "my.sdf")
    check(path)
    assert read(path, id="name")[1].ids[0] == "ethanol, pure"
    broken = put(tmp_path, stream.getvalue().replace(" C ", " Xx", 1), "broken.sdf")
    assert "row 1, RDKit cannot read this record" in refusal(broken)
    assert read(broken, on_invalid="drop")[1].row_numbers == (2, 3)


def test_a_property_called_smiles_is_not_the_structure(tmp_path: Path) -> None:
    stream = io.StringIO()
    with Chem.SDWriter(stream) as writer:
        for smiles, _, y in ROWS:
            mol = Chem.MolFromSmiles(smiles)
            mol.SetProp("smiles", "c1ccccc1C")
            mol.SetProp("y", str(y))
            writer.write(mol)
    check(put(tmp_path, stream.getvalue(), "my.sdf"))


@pytest.mark.parametrize("name", ["my.xlsx", "my.parquet"])
def test_whole_numbers_stay_whole(tmp_path: Path, name: str) -> None:
    """As names of molecules and of columns: as decimals two long ones would be one."""
    path, ids = tmp_path / name, [1000, 1001, 1002]
    if name.endswith("parquet"):
        ids = [12345678901234567, 12345678901234568, 12345678901234569]
        FRAME.assign(number=ids).to_parquet(path)
    else:
        columns = [*FRAME.columns, "number", 2024]
        rows = [[*row, i, 1] for row, i in zip(FRAME.to_numpy().tolist(), ids, strict=True)]
        write_sheet(path, [columns, *rows])
        assert read(path, "2024")[1].task_names == ("2024",)
    assert read(path, id="number")[1].ids == tuple(map(str, ids))


@pytest.mark.parametrize("broken", ["garbage\n", "", "\n\n\n  0  0  0  0  0 V2000\nM  END\n"])
def test_a_broken_record_takes_no_other_with_it(tmp_path: Path, broken: str) -> None:
    blocks = []
    for smiles in ("C", "CC", "CCC", "CCCC"):
        block = Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))
        blocks.append(f"{block}>  <y>\n{len(smiles)}.5\n\n$$$$\n")
    blocks[1] = broken + "$$$$\n"
    for name, end in (("my.sdf", "\n"), ("crlf.sdf", "\r\n")):
        path = put(tmp_path, ("".join(blocks) + "\n").replace("\n", end), name)
        spec, data = read(path, on_invalid="drop")
        assert data.smiles == ("C", "CCC", "CCCC")
        assert data.row_numbers == (1, 3, 4)
        assert [d.row for d in data.dropped] == [2]
        assert "1 row dropped on the user's order" in spec.notes
        assert "1 of 4 rows cannot be used" in refusal(path)


def test_a_pointer_of_git_lfs_is_named_as_one(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"
    for name in ("my.csv", "my.xlsx", "my.csv.gz"):
        assert "a pointer of Git LFS; 'git lfs pull'" in refusal(put(tmp_path, pointer, name))


def test_a_cell_of_parquet_may_hold_a_list(tmp_path: Path) -> None:
    path = tmp_path / "my.parquet"
    FRAME.assign(bits=[[1, 0], [0, 1], [1]], z=[[1.5], [2.5], [3.5]]).to_parquet(path)
    check(path)
    assert "row 1, column 'bits': 'list[2]', expected a finite number" in refusal(path, "bits")
    assert "the cell holds a list; write one number a cell" in refusal(path, "z")


def test_an_ending_nobody_reads(tmp_path: Path) -> None:
    assert "expected a file called .csv, .tsv, .txt, .smi" in refusal(put(tmp_path, "x", "my.doc"))


def test_what_is_no_file(tmp_path: Path) -> None:
    put(tmp_path, "smiles,y\nC,1\n", "assay.csv")
    assert "this is a folder; name a file (it holds assay.csv)" in refusal(tmp_path)
    assert "there is no such file; did you mean" in refusal(tmp_path / "asay.csv")
    assert "this is an address; download the file" in refusal(Path("https://example.org/a.csv"))
    with pytest.raises(DataError, match=r"^https://example\.org/a\.csv: this is an address"):
        read("https://example.org/a.csv")  # type: ignore[arg-type]
    assert "this is an address; download the file" in refusal(Path("s3://bucket/a.csv"))
    os.mkfifo(tmp_path / "pipe.csv")
    assert "this is no ordinary file" in refusal(tmp_path / "pipe.csv")


# ------------------------------------------------------------------------------------------ columns


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("cafe\u0301", "caf\u00e9"),
        ("caf\u00e9", "cafe\u0301"),
        ("EC50 (\u00b5M)", "EC50 (\u03bcM)"),
        ("EC50 (\u03bcM)", "EC50 (\u00b5M)"),
    ],
)
def test_two_spellings_of_one_text_are_one_column(tmp_path: Path, header: str, asked: str) -> None:
    _, data = read(put(tmp_path, f"smiles,{header}\nC,1\n"), asked)
    assert data.task_names == (header,)


def test_an_exact_name_comes_before_a_like_one(tmp_path: Path) -> None:
    path = put(tmp_path, "smiles,\u00b5,\u03bc\nC,1,2\n")
    assert read(path, "\u03bc")[1].y.item() == 2


def test_task_names_with_commas(tmp_path: Path) -> None:
    path = put(tmp_path, 'smiles,"logS, mol/L",y\nC,1.5,2\n')
    for asked in (("logS, mol/L", "y"), ('"logS, mol/L",y',)):
        assert read_table(path, TableOptions("smiles", asked))[1].task_names == ("logS, mol/L", "y")
    assert "there are: smiles, 'logS, mol/L', y" in refusal(path, "42")


# ------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        *[("True", "False"), ("active", "Inactive"), ("YES", "no"), ("1", "False")],
        *[("toxic", "Non-toxic"), ("pos", "neg"), ("+", "-"), ("+", "\u2212")],
    ],
)
def test_words_for_classes(tmp_path: Path, yes: str, no: str) -> None:
    spec, data = read(put(tmp_path, f"smiles,y\nC,{yes}\nCC,{no}\nCCC,<NA>\nCCCC,#N/A\n"))
    np.testing.assert_array_equal(data.y[:, 0], [1, 0, np.nan, np.nan])
    assert spec.task_type == "classification"
    assert any(note.startswith("labels are read as") for note in spec.notes)


def test_signs_among_numbers_are_not_guessed(tmp_path: Path) -> None:
    path = put(tmp_path, "smiles,y\nC,+\nCC,-\nCCC,1\n")
    assert "'+' and '-' are read as classes where a column holds nothing else" in refusal(path)
    _, data = read(put(tmp_path, "smiles,y\nC,0\nCC,-\nCCC,1\n"))
    np.testing.assert_array_equal(data.y[:, 0], [0, np.nan, 1])


def test_a_word_that_is_no_class_is_told_the_words(tmp_path: Path) -> None:
    path = put(tmp_path, "smiles,y\nC,active\nCC,inactive\nCCC,inconclusive\n")
    message = refusal(path)
    assert "row 4, column 'y': 'inconclusive'" in message
    assert "the words that are read: true, active, yes, positive" in message
    assert "it names a class" in refusal(path, task_type="regression")
    path = put(tmp_path, "smiles,y\nC,active\nCC,perhaps\nCCC,inconclusive\nCCCC,maybe\n")
    message = refusal(path)
    assert message.count("the words that are read: true, active") == 1
    assert "row 5, column 'y': 'maybe', expected a finite number, or an empty cell\n" in message


@pytest.mark.parametrize("mark", ["n.d.", "ND", "N/D", "not tested", "\u2013", "--"])
def test_marks_of_a_laboratory_are_read_as_missing_with_a_note(tmp_path: Path, mark: str) -> None:
    spec, data = read(put(tmp_path, f"smiles,y\nC,1.5\nCC,{mark}\nCCC,-\n"))
    np.testing.assert_array_equal(data.y[:, 0], [1.5, np.nan, np.nan])
    assert f"{mark!r} is read as not measured" in spec.notes


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("5%", "a unit stands in the cell"),
        ("5 nM", "a unit stands in the cell"),
        ("1e-3 mol/L", "a unit stands in the cell"),
        ("> 10 nM", "a unit stands in the cell"),
        ("1-3", "a range"),
        ("1.5 to -3", "a range"),
        ("1\u00b10.1", "a value and its error"),
        ("1.5 (0.2)", "a value and its error"),
        ("1,144,000", "without thousands marks"),
        ("1,144.0", "without thousands marks"),
        ("1'144", "without thousands marks"),
        ("1,144", "commas between thousands are not read"),
        (">>10", "the qualifiers that are read are >"),
        ("ca. 10", "the qualifiers that are read are >"),
        ("5-Jan", "a date"),
        ("2024-01-05", "a date"),
        ("#DIV/0!", "an error of the spreadsheet"),
    ],
)
def test_what_is_no_number_is_told_what_helps(tmp_path: Path, cell: str, said: str) -> None:
    assert said in refusal(put(tmp_path, f'smiles,y\nC,2.5\nCC,"{cell}"\n'))


def test_words_are_no_numbers(tmp_path: Path) -> None:
    path = put(tmp_path, "smiles,y\nC,active\nCC,0.5\n")
    assert "row 2, column 'y': 'active', expected a finite number" in refusal(path)


def test_a_decimal_comma_is_seen_where_commas_do_not_separate(tmp_path: Path) -> None:
    text = "smiles;y\nCCO;5,5\nc1ccccc1;6,25\nCCN;-0,5\n"
    assert "numbers have a decimal comma" in check(put(tmp_path, text))
    quoted = "smiles,y\n" + "".join(f'{s},"{y}"\n'.replace(".", ",") for s, _, y in ROWS)
    path = put(tmp_path, quoted, "quoted.csv")
    assert "'5,5', expected a finite number, or an empty cell; for a decimal comma" in refusal(path)
    check(path, decimal=",")
    points = put(tmp_path, FRAME.to_csv(index=False), "points.csv")
    assert "'5.5', expected a finite number, or an empty cell; --decimal , expects a" in refusal(
        points, decimal=","
    )
    with pytest.raises(UnknownNameError, match=r"there are: ',', '\.'"):
        read(points, decimal="x")


def test_a_minus_that_is_no_hyphen_is_named(tmp_path: Path) -> None:
    assert "its sign is U+2212" in refusal(put(tmp_path, "smiles,y\nC,\u22125.5\n"))


@pytest.mark.parametrize("cell", ["1,234", "1.234,5", "1,2,3"])
def test_a_comma_that_may_be_of_thousands_is_not_guessed(tmp_path: Path, cell: str) -> None:
    assert f"'{cell}', expected a finite number" in refusal(put(tmp_path, f"smiles;y\nC;{cell}\n"))


@pytest.mark.parametrize("sign", [">", "<", ">=", "<= ", "~", "\u2265"])
def test_a_qualifier_is_named_and_dropped_or_taken_on_order(tmp_path: Path, sign: str) -> None:
    path = put(tmp_path, f"smiles,y\nC,{sign}10\nCC,2.5\n")
    message = refusal(path)
    assert f"'{sign}10', a value with a qualifier" in message
    assert "--censored drop" in message
    assert "--censored bound as 10" in message
    np.testing.assert_array_equal(read(path, censored="drop")[1].y, [[np.nan], [2.5]])
    spec, data = read(path, censored="bound")
    np.testing.assert_array_equal(data.y, [[10], [2.5]])
    assert "1 value with a qualifier is taken as the bound" in spec.notes
    assert data.remarks == ("1 value with a qualifier is taken as the bound",)


def test_notes_and_remarks_are_of_the_rows_that_are_kept(tmp_path: Path) -> None:
    path = put(tmp_path, "smiles,y\nC,>10\nCC,2.5\nx,ND\n")
    spec, data = read(path, on_invalid="drop")
    assert [note for note in spec.notes if "task type" not in note] == [
        "2 rows dropped on the user's order"
    ]
    assert data.remarks == ()


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        ([1, 2, 1, 2], "column 'y' holds 1 and 2 alone; are they classes?"),
        ([-1, 1, 1, -1], "column 'y' holds -1 and 1 alone; are they classes?"),
        ([0, 1] * 4 + [-1], "column 'y' holds 0, 1 and -1 (1 time) alone; if -1 means not"),
        ([0, 1] * 10 + [10], "column 'y': 1 of 21 labels is not 0 or 1"),
        ([5.5, 6.1, 1e300], "column 'y' holds 1e+300, whose square is infinite"),
        ([5.5, 6.1, -999, 7.2], "column 'y': -999 stands 1 time, far from every other value"),
    ],
)
def test_odd_labels_are_noted_with_the_reason_for_a_regression(
    tmp_path: Path, cells: list[float], note: str
) -> None:
    text = "smiles,y\n" + "".join(f"{'C' * (i + 1)},{c}\n" for i, c in enumerate(cells))
    spec, _ = read(put(tmp_path, text))
    assert spec.task_type == "regression"
    assert any(n.startswith(note) for n in spec.notes)
    assert any("--task-type classification expects" in n and "row " in n for n in spec.notes)


def test_classes_beside_values_are_noted(tmp_path: Path) -> None:
    spec, _ = read(put(tmp_path, "smiles,y,z\nC,1.5,0\nCC,2.5,1\n"), "y,z")
    assert spec.task_type == "regression"
    assert any(n.startswith("column 'z' holds 0 and 1 alone, beside values") for n in spec.notes)


def test_ordinary_labels_are_not_noted(tmp_path: Path) -> None:
    (note,) = read(put(tmp_path, "smiles,y\nC,1.5\nCC,2.5\nCCC,999\nCCCC,950\n"))[0].notes
    assert note.startswith("task type regression")


def test_a_row_that_is_dropped_does_not_choose_the_task_type(tmp_path: Path) -> None:
    path = put(tmp_path, "smiles,y\nC,1\nCC,0\nC(C,7.5\n")
    assert read(path, on_invalid="drop")[0].task_type == "classification"


# ------------------------------------------------------------------------------------ the molecule


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("CCl\u2082", "a SMILES has ASCII characters alone"),
        ("CCO ethanol", "'ethanol' follows the SMILES"),
        ("CCO |$_R1$| ethanol", "follows the SMILES"),
        ("CCO\tx", "'x' follows the SMILES"),
    ],
)
def test_what_follows_a_smiles_is_not_left_out_in_silence(
    tmp_path: Path, cell: str, reason: str
) -> None:
    path = put(tmp_path, f'smiles,y\nC,1\n"{cell}",1\n')
    message = refusal(path)
    assert "row 3, column 'smiles'" in message
    assert reason in message


def test_extensions_of_the_format_are_read(tmp_path: Path) -> None:
    spec, data = read(put(tmp_path, 'smiles,y\n"[CH2]C |^1:0|",1\nC,1\n'))
    assert data.smiles[0] == "[CH2]C |^1:0|"
    assert "1 SMILES carries CX extensions, which RDKit reads" in spec.notes


# ------------------------------------------------------------------------------- what is kept of it


def test_rows_names_and_hash_of_the_file_go_with_the_molecules(tmp_path: Path) -> None:
    path = put(tmp_path, "id,smiles,y\nm1,C,1\n\nm2,C(C,1\nm3,CC,0\n")
    _, data = read(path, id="id", on_invalid="drop")
    assert data.row_numbers == (2, 5)
    assert data.ids == ("m1", "m3")
    assert [d.row for d in data.dropped] == [4]
    before = data.source_sha256
    path.write_text(path.read_text() + "m4,CCC,1\n")
    assert read(path, on_invalid="drop")[1].source_sha256 != before
    assert "no column 'nmae' (--id)" in refusal(path, id="nmae")


def test_the_digest_does_not_depend_on_what_goes_with_it() -> None:
    bare = Dataset(("C",), np.array([[1.0]]), ("y",))
    full = replace(bare, row_numbers=(7,), ids=("m",), source_sha256="ab")
    assert bare.digest() == full.digest()
    with pytest.raises(DataError, match="2 ids for 1 molecules"):
        replace(bare, ids=("a", "b"))


def test_two_files_of_one_name_have_titles_that_tell_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        Path(folder).mkdir()
        put(tmp_path / folder, "smiles,y\nC,1\n", "train.csv")
    titles = [read(Path(folder, "train.csv"))[0].title for folder in ("a", "b")]
    assert titles == ["a/train.csv (user's file)", "b/train.csv (user's file)"]
    assert read(tmp_path / "a" / "train.csv")[0].title == titles[0]


def test_a_request_and_its_origin_say_the_same() -> None:
    options = {"delimiter": ";", "decimal": ",", "encoding": "cp1252", "censored": "bound"}
    table = TableOptions.of_words(["a", "b, c"], smiles="s", id="no", task_type="", **options)
    request = table.request("my.csv")
    origin = request.origin("ab")
    assert (origin.kind, origin.tasks, origin.sha256) == ("file", ["a", "b, c"], "ab")

    class Part:
        name, task_type, metric = "my", None, None

    class Whole:
        dataset = Part()

    Part.origin = origin  # type: ignore[attr-defined]
    assert DatasetRequest.of_record(Whole()) == request


# --------------------------------------------------------------------------- whatever a file may be

GOOD = 'id,smiles,"y, mol/L"\n1,CCO,5.5\n2,"c1ccccc1",\n3,CCN,-0.5\n4,C,>10\n5,CC,active\n'
PIECES = st.sampled_from(
    [
        *(b",", b";", b"\t", b'"', b"\n", b"\r", b"#", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"|"),
        *(b" ", b"CCO", b"smiles", b"y, mol/L", b"1,5", b">3", b"NaN", b"1e999", b"[#119]"),
        *(b"C |$a$|", b"C |x", b"\xe9", b"-999", b"0"),
    ]
)
CHANGES = st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 6), PIECES), max_size=5)
NAMES = st.sampled_from(["t.csv", "t.tsv", "t.txt", "t.smi", "t.sdf", "t.xlsx", "t.parquet"])


def outcome(path: Path, **options: Any) -> str:
    """Return what reading gives: a digest, or the one error, which names the file."""
    caught = None
    try:
        data = read(path, '"y, mol/L"', **options)[1]
    except DataError as error:
        caught = str(error)
    if caught is not None:
        assert str(path) in caught
        return caught
    assert len(data.row_numbers) == len(data) > 0
    return data.digest()


def same_twice(path: Path) -> None:
    for options in ({}, {"on_invalid": "drop", "censored": "drop"}):
        assert outcome(path, **options) == outcome(path, **options)


@pytest.mark.slow
@settings(deadline=None, max_examples=1000, suppress_health_check=list(HealthCheck))
@given(CHANGES, NAMES, st.booleans())
def test_a_changed_table_ends_in_a_dataset_or_one_error(
    tmp_path: Path, changes: list[tuple[int, int, bytes]], name: str, packed: bool
) -> None:
    content = GOOD.encode()
    for place, n_removed, piece in changes:
        content = content[:place] + piece + content[place + n_removed :]
    path = put(tmp_path, gzip.compress(content) if packed else content, name + ".gz" * packed)
    same_twice(path)


@settings(deadline=None, max_examples=600, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), NAMES)
@example(b"\x1c", "t.smi")
@example(b"\xef\xbb\xbf", "t.csv")
def test_any_bytes_end_in_one_error(tmp_path: Path, content: bytes, name: str) -> None:
    same_twice(put(tmp_path, content, name))

"""Small files in the layouts of the public ones: csv, tsv, xlsx, zip, structures of their own."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import AtlasSpec, DataError
from chmr_bench.cells import ProfileTable
from chmr_bench.cells.sources import atlas_of_table
from chmr_bench_atlases import connectivity_map
from chmr_bench_atlases.layouts import layout_of
from chmr_bench_atlases.load import load_layouts

NAN = np.nan
Write = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path, home: Path) -> Callable[..., ProfileTable]:
    """Return the profiles of tables described as in the TOML, their files written before."""

    def open_them(contents: Mapping[str, bytes], *described: Mapping[str, Any]) -> ProfileTable:
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        return load_layouts([layout_of(table) for table in described], lambda p: tmp_path / p)

    return open_them


def zipped(tmp_path: Path, **members: str) -> bytes:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lines/", "")
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return path.read_bytes()


def rows(table: ProfileTable, block: str) -> dict[str, list[list[float | None]]]:
    """Return SMILES -> its rows of a block, None where not measured."""
    found: dict[str, list[list[float | None]]] = {}
    for smiles, values in zip(table.smiles, np.asarray(table.blocks[block].values), strict=True):
        found.setdefault(smiles, []).append([None if np.isnan(v) else float(v) for v in values])
    return found


WIDE = {"block": "growth.toy", "files": ["a.csv"], "smiles": "SMILES", "columns": {"% *": "*"}}


def test_a_wide_csv(opened: Write) -> None:
    """A tab and an extension after a SMILES go; a row without a value, and other columns, go."""
    text = 'id,SMILES,% A,% B\n1,"CCO\t",1,NA\n2,CCN |r|,,2.5\n3,CCC,,\n'
    table = opened({"a.csv": text.encode()}, WIDE)
    assert rows(table, "growth.toy") == {"CCO": [[1, None]], "CCN": [[None, 2.5]]}
    assert table.blocks["growth.toy"].names == ("A", "B")
    assert table.blocks["growth.toy"].in_part
    assert table.counts == {"no_readout": 1}


def test_read_outs_with_few_values_are_left_out(opened: Write) -> None:
    text = b"SMILES,% A,% B\nCCO,1,\nCCN,1,2\nCCC,,\n"
    table = opened({"a.csv": text}, {**WIDE, "min_values": 2})
    assert table.blocks["growth.toy"].names == ("A",)


def test_repeats_of_a_read_out_are_rows_of_their_own(opened: Write) -> None:
    text = b"SMILES,bck1,BCK1-2nd,Yfg\nCCO,1,3,5\n"
    described = {**WIDE, "columns": {"*": "*"}, "repeats": ["-2nd"], "upper": True}
    table = opened({"a.csv": text}, described)
    assert table.blocks["growth.toy"].names == ("BCK1", "YFG")
    assert rows(table, "growth.toy") == {"CCO": [[3, None], [1, 5]]}
    atlas = atlas_of_table("toy", table)
    assert atlas.blocks["growth.toy"].values.tolist() == [[2, 5]]
    assert atlas.counts["conflicts"] == 1


def test_a_zip_with_a_table_a_line(opened: Write, tmp_path: Path) -> None:
    """CCO has two calls in A, which contradict; D is not in the folder that is read."""
    content = zipped(
        tmp_path,
        lines__B="no csv",
        **{
            "lines__A.csv": "smiles,call\nCCO,1\nCCO,0\nCCN,1\n",
            "lines__B.csv": "smiles,call\nCCO,1\n",
            "other__D.csv": "smiles,call\nCCC,1\n",
        },
    )
    described = {
        "block": "growth.toy",
        "files": ["a.zip"],
        "members": "lines/*.csv",
        "smiles": "smiles",
        "columns": {"call": "{member}"},
    }
    table = opened({"a.zip": content}, described)
    assert table.blocks["growth.toy"].names == ("A", "B")
    assert rows(table, "growth.toy") == {"CCO": [[1, 1], [0, None]], "CCN": [[1, None]]}


def test_parts_of_one_screen_share_rows_and_a_word_is_a_number(opened: Write) -> None:
    contents = {"a.csv": b"S,X\nCCO,HIGH\nCCN,LOW\n", "b.csv": b"S,X\nCCN,\nCCO,LOW\n"}
    described = [
        {
            "block": block,
            "files": [f"{name}.csv"],
            "smiles": "S",
            "columns": {"X": name},
            "words": {"LOW": 0, "HIGH": 2, "": 1},
        }
        for block, name in (("cytotoxicity.toy", "a"), ("growth.toy", "b"))
    ]
    table = opened(contents, *described)
    assert rows(table, "cytotoxicity.toy") == {"CCO": [[2]], "CCN": [[0]]}
    assert rows(table, "growth.toy") == {"CCO": [[0]], "CCN": [[1]]}


def test_structures_in_a_latin_1_table_of_their_own(opened: Write) -> None:
    contents = {
        "a.tsv": b"id\tX\tY\nAB 1\t1\t2\nAB 2\t3\t4\nAB 9\t5\t6\n",
        "s.csv": "Key,Name,Smiles\nab-1,é,CCO\nAB2,x,-666\nAB1,y,CCC\n".encode("latin-1"),
    }
    structures = {
        "files": ["s.csv"],
        "key": "id",
        "matches": "Key",
        "smiles": "Smiles",
        "encoding": "latin-1",
    }
    described = {"block": "x.toy", "files": ["a.tsv"], "columns": {"*": "*"}}
    table = opened(contents, {**described, "structures": structures})
    assert rows(table, "x.toy") == {"CCO": [[1, 2]]}
    assert table.counts == {"no_structure": 2}
    with pytest.raises(DataError, match=r"s\.csv: cannot be read: .*utf-8.*expected a table"):
        opened({}, {**described, "structures": {**structures, "encoding": "utf-8"}})


def workbook(**sheets: str) -> bytes:
    """Return the fewest parts of an xlsx: each sheet's rows are cells of XML."""
    made = io.BytesIO()
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    office = "http://schemas.openxmlformats.org"
    links = f"{office}/officeDocument/2006/relationships"
    with zipfile.ZipFile(made, "w") as archive:
        names = "".join(
            f'<sheet name="{name}" sheetId="{i}" r:id="rId{i}"/>'
            for i, name in enumerate(sheets, 1)
        )
        relations = "".join(
            f'<Relationship Id="rId{i}" Type="{links}/worksheet" Target="worksheets/s{i}.xml"/>'
            for i in range(1, len(sheets) + 1)
        )
        main = f"{office}/spreadsheetml/2006/main"
        archive.writestr(
            "xl/workbook.xml",
            f'{head}<workbook xmlns="{main}" xmlns:r="{links}"><sheets>{names}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{head}<Relationships xmlns="{office}/package/2006/relationships">{relations}'
            "</Relationships>",
        )
        archive.writestr(
            "_rels/.rels",
            f'{head}<Relationships xmlns="{office}/package/2006/relationships"><Relationship '
            f'Id="rId1" Type="{links}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        for i, xml in enumerate(sheets.values(), 1):
            text = f'{head}<worksheet xmlns="{main}"><sheetData>{xml}</sheetData></worksheet>'
            archive.writestr(f"xl/worksheets/s{i}.xml", text)
    return made.getvalue()


def cells(row: int, *values: object) -> str:
    parts = []
    for column, value in zip("ABC", values, strict=False):
        place = f'r="{column}{row}"'
        if isinstance(value, str):
            parts.append(f'<c {place} t="inlineStr"><is><t>{value}</t></is></c>')
        elif value is not None:
            parts.append(f"<c {place}><v>{value}</v></c>")
    return f'<row r="{row}">{"".join(parts)}</row>'


def test_a_sheet_of_a_workbook(opened: Write) -> None:
    """A legend comes first; an empty cell is not measured."""
    rows_of_hts = (("SMILES", "% A", "% B"), ("CCO", 1, 2.5), ("CCN", None, -1))
    hts = "".join(cells(i, *row) for i, row in enumerate(rows_of_hts, 1))
    content = workbook(Legend=cells(1, "what"), HTS=hts)
    described = {**WIDE, "files": ["a.xlsx"], "sheet": "HTS"}
    table = opened({"a.xlsx": content}, described)
    assert rows(table, "growth.toy") == {"CCO": [[1, 2.5]], "CCN": [[None, -1]]}
    with pytest.raises(DataError, match="no sheet 'hts'; it has Legend, HTS"):
        opened({}, {**described, "sheet": "hts"})


def test_smiles_that_do_not_sanitise_are_counted_and_not_given_another_key(opened: Write) -> None:
    indole_without_its_hydrogen = "c1ccc2nccc2c1"
    text = f"SMILES,% A,% B\n{indole_without_its_hydrogen},1,2\nCCO,1,2\n"
    atlas = atlas_of_table("toy", opened({"a.csv": text.encode()}, WIDE))
    assert atlas.smiles == ("CCO",)
    assert atlas.counts["unreadable_smiles"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"SMILES,% A\nCCO,1\nCCN,high\n", r"a\.csv: row 3 .* column '% A': 'high'; expected a nu"),
        (b"Smiles,% A\nCCO,1\n", r"no column 'SMILES'; it has Smiles, % A"),
        (b"SMILES,A\nCCO,1\n", r"no column % \*; it has SMILES, A"),
        (b"", r"a\.csv: cannot be read"),
        ("SMILES,% A\nCCO,1\né,2\n".encode("latin-1"), r"a\.csv: cannot be read: .*utf-8"),
    ],
)
def test_a_table_that_is_not_laid_out_so_is_named(opened: Write, text: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened({"a.csv": text}, WIDE)


@pytest.mark.parametrize("member", ["../A.csv", "/A.csv", "lines/../../A.csv", "C:\\A.csv"])
def test_a_zip_that_leads_out_of_its_folder(opened: Write, tmp_path: Path, member: str) -> None:
    content = zipped(tmp_path, **{"lines__A.csv": "smiles,call\nCCO,1\n", member: "x"})
    described = {**WIDE, "files": ["a.zip"], "smiles": "smiles", "columns": {"call": "{member}"}}
    with pytest.raises(DataError, match="lies outside the archive's folder"):
        opened({"a.zip": content}, described)


def test_a_zip_without_such_members_and_one_that_is_none(opened: Write, tmp_path: Path) -> None:
    described = {**WIDE, "files": ["a.zip"], "members": "x/*.csv"}
    with pytest.raises(DataError, match=r"no member is called x/\*\.csv"):
        opened({"a.zip": zipped(tmp_path, **{"A.csv": "x"})}, described)
    with pytest.raises(DataError, match="expected a zip of CSV tables"):
        opened({"a.zip": b"no zip"}, described)


# -------------------------------------------------------------------------------- connectivity map


def connectivity_files(tmp_path: Path, up: str, down: str) -> Callable[[str], Path]:
    files = {
        connectivity_map.UP: lzma.compress(up.encode()),
        connectivity_map.DOWN: lzma.compress(down.encode()),
    }
    rows = [("Drug-A", "CCO"), ("b", "-666")]
    for described in connectivity_map.NAMES:
        for path in described.files:
            mark = "," if path.endswith(".csv") else "\t"
            lines = [(described.matches, described.smiles), *rows]
            text = "".join(f"{mark.join(line)}\n" for line in lines).encode()
            files[path] = gzip.compress(text) if path.endswith(".gz") else text
        rows = [("DRUG A", "N"), ("drug c", "CCC")]  # LINCS has the first already
    for path, content in files.items():
        (tmp_path / Path(path).name).write_bytes(content)
    return lambda path: tmp_path / Path(path).name


def test_signed_shares_of_instances(tmp_path: Path) -> None:
    """druga has two instances: G1 up in both, G2 up in one and down in the other, G3 down once."""
    up = "druga@MCF7#1_1\t2\tG1\tG2\ndruga@MCF7#1_2\t2\tG1\nb@PC3#1_1\t2\tG9\n"
    up += "drugc@PC3#1_1\t2\tG9\n"
    down = "druga@MCF7#1_1\t2\tG3\ndruga@MCF7#1_2\t2\tG2\nb@PC3#1_1\t2\tG1\n"
    down += "drugc@PC3#1_1\t2\tG1\n"
    spec = AtlasSpec("toy", "", "", ())
    table = connectivity_map.load(spec, connectivity_files(tmp_path, up, down))
    block = table.blocks[connectivity_map.BLOCK]
    assert table.smiles == ("CCO", "CCC")  # the second is in another table than LINCS's
    assert dict(zip(block.names, np.asarray(block.values)[0].tolist(), strict=True)) == {
        "G1": 1.0, "G2": 0.0, "G9": 0.0, "G3": -0.5
    }  # fmt: skip
    assert table.counts == {"name_not_found": 1}


def test_lists_that_are_none(tmp_path: Path) -> None:
    spec = AtlasSpec("toy", "", "", ())
    with pytest.raises(DataError, match="line 1: expected a name, a remark and genes"):
        connectivity_map.load(spec, connectivity_files(tmp_path, "x\n", "x\n"))
    with pytest.raises(DataError, match="expected lists of the same instances"):
        connectivity_map.load(spec, connectivity_files(tmp_path, "a@b\t1\tG\n", "c@b\t1\tG\n"))

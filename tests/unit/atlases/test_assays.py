"""Small files in the layouts of the public assays, and the real ones."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import DataError
from chmr_bench.cells import ProfileTable
from chmr_bench.cells.sources import open_atlas
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import FetchError
from chmr_bench.plugins import registry
from chmr_bench.runner.pretraining import AtlasData, benchmarks
from chmr_bench_atlases import assays
from chmr_bench_atlases.layouts import layout_of

Open = Callable[..., ProfileTable]
TARGETS = {"block": "assay.toy", "files": ["a.csv.gz"], "smiles": "smiles", "columns": {"T*": "T*"}}


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Return the assays of tables described as in the TOML, their files written before."""

    def open_them(contents: Mapping[str, str], *described: Mapping[str, Any]) -> ProfileTable:
        for name, text in contents.items():
            content = text.encode()
            (tmp_path / name).write_bytes(gzip.compress(content) if ".gz" in name else content)
        layouts = [layout_of(table) for table in described]
        return assays.load_assays(layouts, lambda path: tmp_path / path)

    return open_them


def entries(table: ProfileTable, block: str = "assay.toy") -> list[list[float | None]]:
    values = table.assays[block].dense(np.arange(len(table)))
    return [[None if np.isnan(v) else float(v) for v in row] for row in values]


@pytest.mark.parametrize("at_once", [1, 2, 4096])
def test_tables_of_one_layout_are_stacked(
    opened: Open, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A column that a file lacks is not measured there; a row without a value goes, counted."""
    monkeypatch.setattr(assays, "AT_ONCE", at_once)
    files = {"a.csv.gz": "T1,T2,smiles\n0,,CCO\n,,CCC\n,5.5,CCN\n", "b.csv.gz": "smiles,T2\nCO,7\n"}
    table = opened(files, {**TARGETS, "files": ["a.csv.gz", "b.csv.gz"]})
    assert table.smiles == ("CCO", "CCN", "CO")
    assert table.assays["assay.toy"].names == ("T1", "T2")
    assert entries(table) == [[0, None], [None, 5.5], [None, 7]]
    assert table.counts == {"no_readout": 1}
    assert not table.blocks


def test_blocks_have_rows_of_their_own(opened: Open) -> None:
    other = {**TARGETS, "block": "assay.other", "files": ["b.csv"], "columns": {"value": "logD"}}
    table = opened(
        {"a.csv.gz": "T1,smiles\n1,CCO\n", "b.csv": "smiles,value\nCCN,2\n"}, TARGETS, other
    )
    assert entries(table) == [[1], [None]]
    assert entries(table, "assay.other") == [[None], [2]]


def test_bad_files_are_named(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assays, "AT_ONCE", 2)
    with pytest.raises(DataError, match=r"a\.csv\.gz: no column T\*; it has U1, smiles"):
        opened({"a.csv.gz": "U1,smiles\n0,CCO\n"}, TARGETS)
    with pytest.raises(DataError, match=r"a\.csv\.gz: no column 'smiles'; it has T1, SMILES"):
        opened({"a.csv.gz": "T1,SMILES\n0,CCO\n"}, TARGETS)
    with pytest.raises(DataError, match=r"row 4 \(the header being 1\), column 'T1': 'high'"):
        opened({"a.csv.gz": "T1,smiles\n0,CCO\n1,CCN\nhigh,CCC\n"}, TARGETS)
    whole = gzip.compress(b"T1,smiles\n" + b"0,CCO\n" * 10_000)
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.csv\.gz: cannot be read"):
        opened({}, TARGETS)


def test_a_file_of_another_hash_is_refused(tmp_path: Path, home: Path) -> None:
    (tmp_path / "assays").mkdir()
    (tmp_path / "assays" / "muv.csv.gz").write_bytes(gzip.compress(b"MUV-1,smiles\n0,CCO\n"))
    with pytest.raises(FetchError, match=r"muv\.csv\.gz: only 39 of 1749843 bytes"):
        open_atlas(registry().atlas("assays").spec, FetchOptions(mirror=str(tmp_path)))


@pytest.mark.slow
def test_mostly_empty_columns_are_never_numbers_as_a_whole(opened: Open) -> None:
    """Ten thousand rows of 691 columns: 28 MB as float32, and 0.2 MB as what was measured."""
    d, n = 691, 10_000
    row = "," * (d - 2) + "5.5"
    names = ",".join(f"T{i}" for i in range(d))
    text = f"smiles,{names}\n" + f"CCO,{row}\n" * n
    tracemalloc.start()
    try:
        made = opened({"a.csv.gz": text}, TARGETS).assays["assay.toy"].values
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert made.shape == (n, d)
    assert made.nnz == n
    assert kept - len(text) < 3_000_000


def test_what_is_registered() -> None:
    spec = registry().atlas("assays").spec
    assert spec.kind == "assays"
    assert [
        s.name for s in (r.spec for r in registry().atlases.values()) if s.kind == "assays"
    ] == ["assays"]
    assert {one.partition(".")[0] for one in spec.modalities} == {"assay"}


@pytest.mark.slow
def test_nothing_of_the_test_parts_remains(mirror: Path, home: Path) -> None:
    """The rows of the real files, what becomes of them, and that no test molecule is left."""
    data = AtlasData(FetchOptions(mirror=str(mirror), offline=True), assays=True)
    spec = registry().atlas("assays").spec
    whole = open_atlas(spec, data.options)
    assert whole.counts["rows"] == 361_855
    atlas, info = data.open(["assays"], transductive=False)
    assert 0 < info["n_left_out"] == len(whole) - len(atlas)
    assert len(info["left_out_of"]) == 9
    test = data.test_molecules(benchmarks([spec]))
    assert not atlas.known_forms.names.among(test).any()
    assert whole.known_forms.names.among(test).any()

"""Opening atlases: registered ones and folders, what is left out, what a digest depends on."""

from __future__ import annotations

import gzip
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from chmr_bench import AtlasSpec, DataError, MatrixBlock, PluginError, SourceFile, UsageError
from chmr_bench.cells import Atlas, ProfileTable, merge
from chmr_bench.cells.atlas import Bound
from chmr_bench.cells.plugin import CMEA, JUMP_ACTIVITY, L1000_SKB100, LINCS_CELLCOUNT
from chmr_bench.cells.sources import (
    digest,
    folder_of,
    jump_activity,
    open_atlas,
    open_atlases,
    tables,
)
from chmr_bench.cells.sources.keys import keys_where_readable
from chmr_bench.cells.sources.opening import complete
from chmr_bench.contracts import ReadOuts
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import FetchError

OFFLINE = FetchOptions(offline=True)
SPEC = AtlasSpec(name="toy", title="A toy", load="toys:load", modalities=("activity",))


def write_folder(folder: Path, smiles: Sequence[str], **matrices: np.ndarray) -> Path:
    folder.mkdir()
    lines = ["id,smiles", *(f"{i},{text}" for i, text in enumerate(smiles))]
    (folder / "index.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    for name, values in matrices.items():
        np.savez(folder / f"{name.replace('_', '-')}_feature.npz", data=values)
    return folder


def register(monkeypatch: pytest.MonkeyPatch, loaded: object) -> None:
    """Make a module `toys` whose load() gives this."""
    module = ModuleType("toys")
    vars(module)["load"] = lambda spec, files: loaded
    monkeypatch.setitem(sys.modules, "toys", module)


# ----------------------------------------------------------------------------------------- folders


def test_a_folder_of_ones_own(home: Path, tmp_path: Path) -> None:
    nan = np.nan
    folder = write_folder(
        tmp_path / "Mine",
        ["CCO", "", "OCC |r|", "C(", "C*", "CCC"],
        CP_Lab=np.array([[nan, nan], [1, 1], [2, 3], [4, 4], [5, 5], [6, nan]]),
        GE=np.arange(6.0)[:, None],
        Some_thing=np.ones((6, 1)),
    )
    atlas = open_atlases([folder], OFFLINE)
    assert atlas.name == "Mine"
    assert atlas.smiles == ("CCO", "CCC")
    assert list(atlas.blocks) == ["morphology", "expression", "some-thing"]
    assert atlas.blocks["morphology"].values.tolist() == [[2, 3], [6, 3.5]]  # 3.5: a median
    assert atlas.blocks["expression"].values.tolist() == [[0], [5]]
    assert atlas.counts == {
        "rows": 6,
        "no_smiles": 1,
        "unreadable_smiles": 1,
        "without_key": 3,
        "repeated": 1,
        "conflicts": 1,
        "filled_values": 1,
    }


def test_several_sources_of_a_modality_in_a_folder(home: Path, tmp_path: Path) -> None:
    one = np.ones((1, 2))
    folder = write_folder(tmp_path / "two", ["CCO"], CP_Bray=one, CP_JUMP=one, GE=one)
    blocks = open_atlas(folder, OFFLINE).blocks
    assert list(blocks) == ["morphology.bray", "morphology.jump", "expression"]


def test_names_of_folders(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", ["C"], GE=np.ones((1, 1)))
    assert folder_of(f"folder:{folder}") == folder
    assert folder_of("jump-activity") is None
    for wrong in ("folder:", f"folder:{tmp_path}/nowhere"):
        with pytest.raises(UsageError, match="the path of a folder"):
            folder_of(wrong)
    (folder / "index.csv.gz").unlink()
    with pytest.raises(UsageError, match=r"expected index\.csv\.gz and one or more"):
        folder_of(f"folder:{folder}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a zip file", "expected an .npz file of plain arrays"),
        (np.array([{}], dtype=object), "allow_pickle"),
        (np.ones(2), "expected a matrix of numbers in the array 'data'"),
        (np.array([["a"]]), "expected a matrix of numbers"),
        (np.ones((2, 2)), r"2 rows, but index\.csv\.gz has 1"),
    ],
)
def test_a_matrix_that_is_none(tmp_path: Path, content: object, message: str) -> None:
    folder = write_folder(tmp_path / "f", ["C"], GE=np.ones((1, 1)))
    path = folder / "GE_feature.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, data=content)
    with pytest.raises(DataError, match=message):
        open_atlas(folder, OFFLINE)


@pytest.mark.parametrize(
    "values", [np.full((2, 3), np.nan), np.full((2, 3), np.inf), np.ones((2, 0))]
)
def test_profiles_without_a_number_are_refused_by_file(
    tmp_path: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    folder = write_folder(tmp_path / "f", ["C", "CC"], GE=values)
    with pytest.raises(DataError, match=r"GE_feature\.npz: .*holds no finite number"):
        open_atlas(folder, OFFLINE)
    block = MatrixBlock(values, np.ones(2, dtype=bool))
    register(monkeypatch, ProfileTable(("C", "CC"), {"activity": block}))
    with pytest.raises(DataError, match="atlas 'toy', block 'activity': no molecule has"):
        open_atlas(SPEC, OFFLINE)
    register(monkeypatch, Atlas("toy", ("C", "CC"), ("A", "B"), {"activity": block}))
    with pytest.raises(DataError, match="atlas 'toy', block 'activity': no molecule has"):
        open_atlas(SPEC, OFFLINE)


def test_what_is_no_array_and_no_file_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", ["C"], GE=np.ones((1, 1)))
    path = folder / "GE_feature.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", b"junk")
    with pytest.raises(DataError, match=r"GE_feature\.npz: cannot be read: 'data' is no array"):
        open_atlas(folder, OFFLINE)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match=r"one or more \*_feature\.npz"):
        digest([folder])


def test_an_atlas_without_a_molecule_that_can_be_read_is_refused(
    tmp_path: Path, home: Path
) -> None:
    folder = write_folder(tmp_path / "f", ["C((", "N(("], GE=np.ones((2, 3)))
    with pytest.raises(DataError, match=r"'unreadable_smiles': 2.*'expression': no molecule has"):
        open_atlas(folder, OFFLINE)


def encrypted(content: bytes) -> bytes:
    """Return a zip file with the mark of encryption on every member; another as openssl does."""
    if not content.startswith(b"PK"):
        return b"Salted__" + content[::-1]
    found = bytearray(content)
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = found.find(signature)
        while place >= 0:
            found[place + at] |= 1
            place = found.find(signature, place + 1)
    return bytes(found)


@pytest.mark.parametrize("name", ["index.csv.gz", "GE_feature.npz"])
@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: c[:-9], lambda c: c[: len(c) // 2], lambda c: b"PK" + c, encrypted],
    ids=["empty", "end", "half", "other", "encrypted"],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes], home: Path
) -> None:
    folder = write_folder(tmp_path / "f", ["C" * 30, "CC"], GE=np.arange(200.0).reshape(2, 100))
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        open_atlas(folder, OFFLINE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["index.csv.gz", "GE_feature.npz"])
def test_a_file_that_unpacks_to_too_much_is_named_before_it_is_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "f", ["C" * 2000, "CC"], GE=np.ones((2, 2)))
    if name != "index.csv.gz":
        np.savez_compressed(folder / name, data=np.ones((2, 1000)))
    monkeypatch.setattr(tables, "MAX_BYTES", 1500 if name == "index.csv.gz" else 15_000)
    with pytest.raises(DataError, match=rf"{name}: unpacks to .* GB; expected at most"):
        open_atlas(folder, OFFLINE)


def test_an_index_without_smiles_names_its_columns(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", ["C"], GE=np.ones((1, 1)))
    (folder / "index.csv.gz").write_bytes(gzip.compress(b"id,SMILES\n0,C\n"))
    with pytest.raises(DataError, match="no column 'smiles'; it has id, SMILES"):
        open_atlas(folder, OFFLINE)


# ------------------------------------------------------------------------------------ the contract


def test_what_a_loader_returns_is_held_against_its_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Atlas("x", ("C",), ("A",), {"activity": MatrixBlock(np.ones((1, 1)), np.ones(1, bool))})
    register(monkeypatch, good)
    assert open_atlas(SPEC, OFFLINE).name == "toy"
    for wrong, message in [
        (replace(SPEC, n_molecules=100), "1 molecules were loaded, 100 are registered"),
        (replace(SPEC, synthetic=True), "synthetic is False, registered True"),
        (replace(SPEC, modalities=("morphology",)), r"\['activity'\], registered \['morphology'\]"),
    ]:
        with pytest.raises(DataError, match=message):
            open_atlas(wrong, OFFLINE)
    register(monkeypatch, [good])
    with pytest.raises(PluginError, match=r"toys:load returned list; expected an Atlas"):
        open_atlas(SPEC, OFFLINE)
    holes = MatrixBlock(np.array([[np.nan, 1.0]]), np.ones(1, bool))
    register(monkeypatch, replace(good, blocks={"activity": holes}))
    with pytest.raises(DataError, match="an observed row holds NaN"):
        open_atlas(SPEC, OFFLINE)


def test_where_numbers_are_censored_comes_from_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    block = MatrixBlock(np.ones((2, 1)), np.ones(2, bool))
    register(monkeypatch, ProfileTable(("C", "CC"), {"activity": block}, keys=("A", "B")))
    readouts = (ReadOuts("activity", 1, censored_at=9.0, beyond="above"),)
    opened = open_atlas(replace(SPEC, readouts=readouts), OFFLINE)
    assert opened.censored == {"activity": Bound(9.0, below=False)}
    assert opened.digest() != open_atlas(SPEC, OFFLINE).digest()
    other = replace(
        opened,
        name="other",
        blocks={"activity": MatrixBlock(np.ones((2, 2)), np.ones(2, bool))},
        censored={},
    )
    assert merge([other, opened]).censored == {"activity.toy": Bound(9.0, below=False)}
    assert merge([opened, opened]).censored == opened.censored


def test_keys_that_a_table_brings_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    block = MatrixBlock(np.ones((2, 1)), np.ones(2, bool))
    register(monkeypatch, ProfileTable(("no", "none"), {"activity": block}, keys=("A", "B")))
    assert open_atlas(SPEC, OFFLINE).keys == ("A", "B")


def test_the_digest_follows_what_an_atlas_depends_on(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", ["C"], GE=np.ones((1, 1)))
    pinned = replace(SPEC, sources=(SourceFile("a", "0" * 64, 1),))
    other = replace(SPEC, sources=(SourceFile("a", "1" * 64, 1),))
    every = [[SPEC], [pinned], [other], [replace(SPEC, version="2")], [SPEC, other], [other, SPEC]]
    digests = [digest(specs) for specs in (*every, [folder])]
    assert len(set(digests)) == len(digests)
    assert digest([replace(SPEC, title="Another", notes=("so",))]) == digests[0]
    np.savez(folder / "GE_feature.npz", data=np.zeros((1, 1)))
    assert digest([folder]) != digests[-1]


def test_unreadable_rows_are_told_from_those_without_a_key(home: Path) -> None:
    found = keys_where_readable(["CCO", "C(", "", "*", "C[C@H](N)O", "C[C@@H](N)O"])
    assert found.keys[:4] == ("LFQSCWFLJHTTHZ", "", "", "")
    assert found.unreadable.tolist() == [False, True, True, False, False, False]
    assert found.keys[4] == found.keys[5] != ""
    assert keys_where_readable([]).keys == ()


def test_completing_fills_holes_and_drops_what_is_empty() -> None:
    nan, inf = np.nan, np.inf
    values = np.array([[1, nan, inf], [3, nan, 4], [nan, nan, nan], [8, nan, 6]])
    block = MatrixBlock(values, np.array([True, True, True, False]), ("a", "b", "c"))
    found, n_filled = complete(block)
    assert found.names == ("a", "c")
    assert found.observed.tolist() == [True, True, False, False]
    assert found.values[:2].tolist() == [[1, 4], [3, 4]]
    assert np.isnan(found.values[2:]).all()
    assert n_filled == 1
    whole = MatrixBlock(np.ones((2, 1)), np.ones(2, bool))
    found, n_filled = complete(whole)
    assert (found.values is whole.values, n_filled) == (True, 0)


# -------------------------------------------------------------------------------------- real ones


def test_jump_activity_on_a_few_rows(home: Path, tmp_path: Path) -> None:
    """The transforms, the join, and what is refused, on files of the published layout."""
    compounds, activity = tmp_path / "compounds.csv", tmp_path / "activity.csv"
    files = {jump_activity.COMPOUNDS: compounds, jump_activity.ACTIVITY: activity}
    compounds.write_text("Metadata_JCP2022,smiles\nJ1,C\nJ2,CC\nJ3,CCC\n")
    head = "Metadata_JCP2022,mean_average_precision,p_value,corrected_p_value,below_p\n"
    activity.write_text(head + "J3,0.5,0.01,0.1,False\nJ1,1,1,1,False\n")
    table = jump_activity.load(JUMP_ACTIVITY, files.__getitem__)
    assert table.smiles == ("CCC", "C")
    assert np.allclose(table.blocks["activity"].values, [[0.5, 2, 1], [1, 0, 0]])
    assert not np.signbit(table.blocks["activity"].values).any()
    assert table.counts == {"no_readout": 1}
    for row, message in [
        ("J9,0.5,0.01,0.1,False", r"1 have no structure \(J9\)"),
        ("J1,0.5,0,0.1,False", "row 2 .*column 'p_value': 0.0; expected a number above 0"),
        ("J1,0.5,0.01,,False", "column 'corrected_p_value': nan"),
        ("J1,high,0.01,0.1,False", "column 'mean_average_precision': .*'high'"),
    ]:
        activity.write_text(head + row + "\n")
        with pytest.raises(DataError, match=message):
            jump_activity.load(JUMP_ACTIVITY, files.__getitem__)


@pytest.mark.slow
def test_jump_activity(home: Path, mirror: Path) -> None:
    atlas = open_atlas(JUMP_ACTIVITY, FetchOptions(mirror=str(mirror)))
    block = atlas.blocks["activity"]
    assert abs(len(atlas) - 115_717) < 5
    assert atlas.counts["rows"] == 115_723
    assert atlas.counts["no_readout"] == 1_030
    assert block.observed.all()
    assert np.allclose(
        np.asarray(block.values).mean(axis=0), [0.28463, 1.13376, 0.72472], atol=1e-4
    )


def test_cmea_is_the_same_registered_and_as_a_folder(home: Path, mirror: Path) -> None:
    registered = open_atlas(CMEA, FetchOptions(mirror=str(mirror)))
    folder = open_atlas(mirror / "cells" / "cmea", OFFLINE)
    assert registered.digest() == folder.digest()
    assert {name: block.values.shape for name, block in folder.blocks.items()} == {
        "morphology": (155, 812),
        "expression": (155, 978),
    }
    assert folder.counts == {"rows": 162, "repeated": 7, "conflicts": 14}
    assert folder.genes is not None
    assert len(folder.genes.columns) == 978


@pytest.mark.slow
def test_small_real_ones_merge(home: Path, mirror: Path) -> None:
    specs = [CMEA, LINCS_CELLCOUNT, L1000_SKB100]
    options = FetchOptions(mirror=str(mirror))
    merged = open_atlases(specs, options)
    parts = [open_atlas(spec, options) for spec in specs]
    assert set(merged.keys) == {key for part in parts for key in part.keys}
    assert merged.modalities == ("morphology", "expression", "viability")
    assert {name: int(block.observed.sum()) for name, block in merged.blocks.items()} == {
        "morphology": 155,
        "expression.cmea": 155,
        "expression.l1000-skb100": 74,
        "viability": 1545,
    }
    assert merged.counts["l1000-skb100.no_smiles"] == 25


def test_without_a_mirror_one_is_told_of_it(home: Path) -> None:
    with pytest.raises(FetchError, match=r"has no public address.*--mirror"):
        open_atlas(CMEA, FetchOptions())

"""The nine benchmarks on their real files: counts, names, traps, and the published splits."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from chmr_bench.contracts import Dataset, DatasetSpec, Split, part_digest
from chmr_bench.data.datasets import open_dataset
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError
from chmr_bench.lazy import load_object
from chmr_bench.splits import check_split
from chmr_bench.types import PARTS, Part
from chmr_bench_nine.load import load
from chmr_bench_nine.plugin import chmr_bench_datasets
from chmr_bench_nine.tables import layouts, specs

SPECS = {spec.name: spec for spec in specs()}
LARGE = 2_000
"""Molecules; larger ones are held to their pins by `verify`, which continuous integration runs."""
HIV_ROWS_THAT_DO_NOT_SANITISE = [137, 987, 12882, 18293, 30784, 30785, 35728]


@pytest.fixture(scope="module")
def opened(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    """Open a benchmark by name, once, from the mirror into a cache of this module's own."""
    home = tmp_path_factory.mktemp("home")

    @cache
    def open_one(name: str) -> Dataset:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHMR_BENCH_HOME", str(home))
            return open_dataset(SPECS[name], FetchOptions(mirror=str(mirror), offline=True))

    return open_one


@pytest.fixture(scope="module")
def split_of(opened: Callable[[str], Dataset]) -> Callable[[str], Split]:
    """Return the reference split of a benchmark, made once."""
    return cache(lambda name: load_object(SPECS[name].split_rule)(opened(name)))


# ------------------------------------------------------------------------------ what is registered


def test_nine_benchmarks_with_728_tasks() -> None:
    assert list(chmr_bench_datasets()) == list(specs())
    counts = {name: (spec.n_molecules, spec.n_tasks) for name, spec in SPECS.items()}
    assert counts == {
        "chembl2k": (2355, 41),
        "broad6k": (6567, 32),
        "biogen3k": (3521, 6),
        "toxcast": (8576, 617),
        "bbbp": (2039, 1),
        "bace": (1513, 1),
        "clintox": (1477, 2),
        "sider": (1427, 27),
        "hiv": (41127, 1),
    }
    assert sum(spec.n_tasks for spec in specs()) == 728


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.name)
def test_a_spec_is_complete(spec: DatasetSpec) -> None:
    assert len(set(spec.task_names)) == spec.n_tasks
    assert sum(spec.split_sizes) == spec.n_molecules
    assert [len(digest) for digest in spec.split_digests] == [64, 64, 64]
    assert spec.modalities == ("structure",)
    assert not spec.synthetic
    assert spec.title.lower().startswith(spec.name)
    for text in (spec.licence, spec.citation, spec.source, *spec.notes):
        assert text.strip()
    for source in spec.sources:
        assert len(source.sha256) == 64
        assert source.address.startswith("https://")
        assert source.address.rsplit("/", 1)[1] == source.path.rsplit("/", 1)[1]


def test_suites_metrics_and_units() -> None:
    members: dict[str, set[str]] = {}
    for spec in specs():
        for suite in spec.suites:
            members.setdefault(suite, set()).add(spec.name)
    assert members == {
        "all": set(SPECS),
        "cells": {"chembl2k", "broad6k"},
        "moleculenet": {"toxcast", "bbbp", "bace", "clintox", "sider", "hiv"},
    }
    kinds = {(s.task_type, s.metric, bool(s.unit)) for s in specs() if s.name != "biogen3k"}
    assert kinds == {("classification", "roc_auc", False)}
    biogen = SPECS["biogen3k"]
    assert (biogen.task_type, biogen.metric) == ("regression", "mae")
    assert "log10" in biogen.unit


def test_pinned_files_are_those_of_the_source_list(mirror: Path) -> None:
    import csv

    with (mirror / "SOURCES.csv").open(newline="") as file:
        listed = {row["file"]: row for row in csv.DictReader(file)}
    for spec in specs():
        (source,) = spec.sources
        row = listed[source.path]
        assert (source.sha256, source.n_bytes) == (row["sha256"], int(row["bytes"]))
        assert source.address == row["address"]


# --------------------------------------------------------------------------------- what is loaded


@pytest.mark.parametrize("name", SPECS)
def test_counts_and_labels(name: str, opened: Callable[[str], Dataset]) -> None:
    spec, dataset = SPECS[name], opened(name)
    assert dataset.y.shape == (spec.n_molecules, spec.n_tasks)
    assert dataset.dropped == ()
    assert all(smiles.strip() == smiles != "" for smiles in dataset.smiles)
    assert (~np.isnan(dataset.y)).any(axis=0).all(), "a task without any label"
    if spec.task_type == "classification":
        assert set(np.unique(dataset.y[~np.isnan(dataset.y)])) == {0.0, 1.0}


@pytest.mark.parametrize("name", SPECS)
def test_the_file_is_read_as_a_plain_reader_reads_it(
    name: str, mirror: Path, opened: Callable[[str], Dataset]
) -> None:
    import csv

    layout, spec, dataset = layouts()[name], SPECS[name], opened(name)
    path = mirror / layout.path
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["smiles"]]
    kept = [row for i, row in enumerate(rows) if i not in layout.drop_rows]
    assert tuple(row["smiles"] for row in kept) == dataset.smiles
    for i in (0, len(kept) // 3, len(kept) - 1):
        expected = [float(kept[i][task] or "nan") for task in spec.task_names]
        np.testing.assert_array_equal(dataset.y[i], expected)


def test_keys_come_with_the_cell_benchmarks_only(opened: Callable[[str], Dataset]) -> None:
    for name in SPECS:
        keys = opened(name).keys
        if name in {"chembl2k", "broad6k"}:
            assert {len(key) for key in keys} == {14}
            assert len(keys) == SPECS[name].n_molecules
        else:
            assert keys == ()
    assert len(set(opened("broad6k").keys)) == 2745


def test_clintox_is_the_list_without_the_seven_named_rows(
    opened: Callable[[str], Dataset],
) -> None:
    assert layouts()["clintox"].drop_rows == (0, 7, 302, 983, 984, 1219, 1220)
    smiles = opened("clintox").smiles
    assert smiles[0].startswith("[C@@H]1([C@@H]([C@@H]([C@H]")
    assert not any("*" in s for s in smiles)


def test_hiv_keeps_the_rows_that_do_not_sanitise(opened: Callable[[str], Dataset]) -> None:
    from rdkit import Chem, rdBase

    smiles = opened("hiv").smiles
    rows = HIV_ROWS_THAT_DO_NOT_SANITISE
    assert all(smiles[row] for row in rows)
    assert all(any(metal in smiles[row] for metal in ("Al", "[Ge", "[B-")) for row in rows)
    with rdBase.BlockLogs():
        assert all(Chem.MolFromSmiles(smiles[row], sanitize=False) is not None for row in rows)
        readable = [Chem.MolFromSmiles(smiles[row + 2]) is not None for row in rows]
    assert all(readable)


@pytest.mark.parametrize(("name", "repeats"), [("bbbp", 64), ("clintox", 19)])
def test_duplicates_of_the_published_lists_are_kept(
    name: str, repeats: int, opened: Callable[[str], Dataset]
) -> None:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        canonical = [Chem.CanonSmiles(smiles) for smiles in opened(name).smiles]
    assert len(canonical) - len(set(canonical)) == repeats
    assert any(str(repeats) in note for note in SPECS[name].notes)


# --------------------------------------------------------------------------------- reference splits


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow) if s.n_molecules > LARGE else n
        for n, s in SPECS.items()
    ],
)
def test_the_reference_split_is_the_published_one(
    name: str, mirror: Path, split_of: Callable[[str], Split]
) -> None:
    spec, split = SPECS[name], split_of(name)
    check_split(split, spec.n_molecules)
    for part, size, digest in zip(PARTS, spec.split_sizes, spec.split_digests, strict=True):
        rows = split.part(part)
        with gzip.open(mirror / "splits" / name / f"{part}.csv.gz", "rt") as file:
            published = sorted(int(line) for line in file)
        assert rows.tolist() == published
        assert len(rows) == size
        assert part_digest(rows) == digest


@pytest.mark.slow
def test_the_rows_of_hiv_that_do_not_sanitise_stay_in_their_parts(
    split_of: Callable[[str], Split],
) -> None:
    split = split_of("hiv")
    where = {row: part for part in PARTS for row in split.part(part)}
    parts = [where[row] for row in HIV_ROWS_THAT_DO_NOT_SANITISE]
    assert parts == ["test", "test", "valid", "valid", "train", "train", "train"]


@pytest.mark.slow
def test_the_leak_of_broad6k_is_as_the_note_says(
    opened: Callable[[str], Dataset], split_of: Callable[[str], Split]
) -> None:
    keys, split = opened("broad6k").keys, split_of("broad6k")
    trained = {keys[row] for row in split.train}
    assert sum(keys[row] in trained for row in split.test) == 643


@pytest.mark.parametrize(
    ("name", "part", "evaluable"),
    [
        ("chembl2k", "valid", 40),
        pytest.param("toxcast", "valid", 610, marks=pytest.mark.slow),
        pytest.param("toxcast", "test", 610, marks=pytest.mark.slow),
    ],
)
def test_single_class_tasks_are_as_many_as_the_notes_say(
    name: str,
    part: Part,
    evaluable: int,
    opened: Callable[[str], Dataset],
    split_of: Callable[[str], Split],
) -> None:
    y = opened(name).y[split_of(name).part(part)]
    assert ((y == 0).any(axis=0) & (y == 1).any(axis=0)).sum() == evaluable


def test_the_small_tests_of_biogen_are_as_the_note_says(
    opened: Callable[[str], Dataset], split_of: Callable[[str], Split]
) -> None:
    dataset = opened("biogen3k")
    labelled = (~np.isnan(dataset.y[split_of("biogen3k").test])).sum(axis=0)
    small = [labelled[i] for i, task in enumerate(dataset.task_names) if "BINDING" in task]
    assert small == [42, 40]


# ---------------------------------------------------------------------------------------- bad files


def write(folder: Path, text: str) -> Callable[[str], Path]:
    path = folder / "file.csv"
    path.write_text(text)
    return lambda _: path


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("smiles,FDA_APPROVED\nC,1\n", "column 2 should hold the task 'CT_TOX'"),
        ("smiles,CT_TOX,FDA_APPROVED\nC,1,0\n", "column 1 should hold the task 'FDA_APPROVED'"),
        ("mol,FDA_APPROVED,CT_TOX\nC,1,0\n", "there is no column 'smiles'"),
        ("smiles,FDA_APPROVED,CT_TOX\nC,1,0\n", "1 rows, expected 1477 and the 7"),
        ("smiles,FDA_APPROVED,CT_TOX\n" + "C,1,yes\n" * 1484, "not a number: .*'yes'"),
        ("", "No columns"),
    ],
)
def test_a_file_that_is_not_the_table_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        load(SPECS["clintox"], write(tmp_path, text))


def test_only_an_empty_label_is_missing(tmp_path: Path) -> None:
    spec = SPECS["bace"]
    dataset = load(spec, write(tmp_path, "Class,smiles,mol_id\n1,NA,\n,N,nan\n0,C,x\n"))
    assert dataset.smiles == ("NA", "N", "C")
    np.testing.assert_array_equal(dataset.y, [[1.0], [np.nan], [0.0]])

"""The public atlases as they are registered, and on their real files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chmr_bench import UsageError
from chmr_bench.cells import Atlas, merge
from chmr_bench.cells.sources import open_atlas
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.testing.registration import check_registration
from chmr_bench_atlases.layouts import layouts, specs
from chmr_bench_atlases.plugin import chmr_bench_atlases

SPECS = {spec.name: spec for spec in specs()}
PAGE = Path(__file__).resolve().parents[3] / "docs" / "atlases.md"


def test_what_is_registered() -> None:
    assert list(chmr_bench_atlases()) == list(specs())
    tumours = {"nci60", "nci60-zscores", "supertoxic", "pancreatic"}
    microbes = {"burkholderia", "malaria", "antibacmap", "yeast-cgm"}
    others = {"wong2024", "redial", "cmap02", "comas", "ta-orf", "assays"}
    assert set(SPECS) == tumours | microbes | others
    check_registration("chmr_bench_atlases.plugin")


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_spec_is_full(name: str) -> None:
    """Each file is pinned and has an address; each layout reads a file and a block of the spec."""
    spec = SPECS[name]
    assert spec.licence
    assert spec.citation
    assert spec.source.startswith("https://")
    assert spec.notes
    paths = {file.path for file in spec.sources}
    assert all(len(file.sha256) == 64 and file.n_bytes for file in spec.sources)
    assert all(file.address.startswith("https://raw.") for file in spec.sources)
    blocks = {block.block for block in spec.readouts}
    assert set(spec.modalities) == blocks
    for layout in layouts()[name]:
        structures = layout.structures.files if layout.structures else ()
        assert {*layout.files, *structures} <= paths
        assert layout.block in blocks


def test_what_the_files_do_not_say_is_said_in_notes() -> None:
    def notes(name: str) -> str:
        return " ".join(SPECS[name].notes)

    assert "train.zip" in notes("nci60")
    assert not any("train.zip" in file.path for file in SPECS["nci60"].sources)
    assert "censored" in notes("supertoxic")
    (readouts,) = SPECS["supertoxic"].readouts
    assert (readouts.censored_at, readouts.beyond) == (4.0, "below")
    assert "not a hit" in notes("malaria")
    assert "presumed" in notes("antibacmap")


# ----------------------------------------------------------------------------- on their real files


@pytest.fixture(scope="module", autouse=True)
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the keys of this module's atlases, computed once, apart from a user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHMR_BENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def options(mirror: Path) -> FetchOptions:
    return FetchOptions(mirror=str(mirror), offline=True)


def opened(name: str, mirror: Path) -> Atlas:
    return open_atlas(SPECS[name], options(mirror))


@pytest.mark.slow
def test_cmap_counts_the_names_that_are_not_found(mirror: Path) -> None:
    atlas = opened("cmap02", mirror)
    assert atlas.counts["name_not_found"] == 231
    joined = {name: atlas.counts[name] for name in ("rows", "without_key", "repeated")}
    assert (len(atlas), joined) == (1047, {"rows": 1078, "without_key": 19, "repeated": 12})
    values = np.asarray(atlas.blocks["expression.cmap02"].values)
    assert (np.count_nonzero(values) / values.size) == pytest.approx(0.065, abs=0.005)


@pytest.mark.slow
def test_runs_and_doses_of_one_compound_are_joined_in_comas(mirror: Path) -> None:
    atlas = opened("comas", mirror)
    assert (len(atlas), atlas.counts["rows"], atlas.counts["repeated"]) == (717, 1961, 1244)


@pytest.mark.slow
def test_repeats_of_a_yeast_strain_are_averaged(mirror: Path) -> None:
    block = opened("yeast-cgm", mirror).blocks["fitness.yeast-cgm"]
    assert block.in_part
    assert not [name for name in block.names if name.endswith(("-2ND", "-3RD"))]
    assert len(set(block.names)) == 247


@pytest.mark.slow
def test_most_of_supertoxic_stands_at_the_top_dose(mirror: Path) -> None:
    values = np.asarray(opened("supertoxic", mirror).blocks["growth.supertoxic"].values)
    measured = values[np.isfinite(values)]
    assert (measured == 4.0).mean() == pytest.approx(0.77, abs=0.01)


@pytest.mark.slow
def test_wong_counts_the_calls_that_contradict_each_other(mirror: Path) -> None:
    atlas = opened("wong2024", mirror)
    assert atlas.counts["rows"] == 39312
    assert atlas.counts["conflicts"] > 1000
    values = np.asarray(atlas.blocks["cytotoxicity.wong2024"].values)
    assert ((values > 0) & (values < 1)).any()


@pytest.mark.slow
def test_genes_over_expressed_join_an_atlas_of_molecules(mirror: Path) -> None:
    pytest.importorskip("rdata", reason="the extra atlases is not installed")
    genes = opened("ta-orf", mirror)
    assert genes.genes is not None
    block = genes.genes.blocks["orf-expression"]
    assert int(block.observed_rows.sum()) == 188
    assert block.values.shape == (len(genes.genes), 978)
    joined = merge([opened("comas", mirror), genes])
    assert joined.genes is genes.genes


def test_without_rdata_the_error_says_what_to_install(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(UsageError, match=r"pip install 'chmr-bench\[atlases\]'"):
        opened("ta-orf", mirror)


def test_the_page_shows_what_is_registered() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for spec in specs():
        assert f"| `{spec.name}` |" in text
        for block in spec.readouts:
            n_molecules = block.n_molecules or spec.n_molecules
            assert f" {n_molecules:,} | {block.block.partition('.')[0]} | {block.n:,} |" in text

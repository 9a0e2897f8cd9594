"""The public atlases as they are registered, and on their real files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from chmr_bench.cells import Atlas
from chmr_bench.cells.sources import open_atlas
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.testing.registration import check_registration
from chmr_bench_atlases.layouts import layouts, specs
from chmr_bench_atlases.plugin import chmr_bench_atlases

SPECS = {spec.name: spec for spec in specs()}


def test_what_is_registered() -> None:
    assert list(chmr_bench_atlases()) == list(specs())
    tumours = {"nci60", "nci60-zscores", "supertoxic", "pancreatic"}
    microbes = {"burkholderia", "malaria", "antibacmap", "yeast-cgm"}
    others = {"wong2024", "redial", "cmap02", "comas", "ta-orf"}
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
    assert SPECS["supertoxic"].readouts[0].censored_at == 4.0
    assert "not a hit" in notes("malaria")
    assert "presumed" in notes("antibacmap")


# ----------------------------------------------------------------------------- on their real files


@pytest.fixture
def atlas(request: pytest.FixtureRequest, mirror: Path) -> Atlas:
    """The atlas that a test names, from the mirror; its keys come from the feature cache."""
    name = request.param
    return open_atlas(SPECS[name], FetchOptions(mirror=str(mirror), offline=True))


REAL: Mapping[str, tuple[int, Mapping[str, tuple[int, float]]]] = {
    # name: molecules, block -> (read-outs, share filled)
}


@pytest.mark.slow
@pytest.mark.parametrize(("atlas", "name"), [(name, name) for name in REAL], indirect=["atlas"])
def test_counts(atlas: Atlas, name: str) -> None:
    n_molecules, blocks = REAL[name]
    assert abs(len(atlas) - n_molecules) <= 2
    for block_name, (n_readouts, filled) in blocks.items():
        block = atlas.blocks[block_name]
        assert block.values.shape[1] == n_readouts
        entries = block.observed if block.in_part else block.observed[:, None]
        assert entries[block.observed_rows].mean() == pytest.approx(filled, abs=0.005)

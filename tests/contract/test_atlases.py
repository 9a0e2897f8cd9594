"""Every registered atlas keeps its promises; a new one is tested by existing."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench.contracts import ASSAY, CELL_MODALITIES
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.lazy import load_object
from chmr_bench.plugins import registry
from chmr_bench.testing import check_atlas

LARGE = 200
"""Molecules; a larger atlas takes seconds to minutes."""
SPECS = {name: registered.spec for name, registered in registry().atlases.items()}
EMBEDDED = sorted(name for name, spec in SPECS.items() if spec.synthetic and not spec.sources)
FETCHED = sorted(name for name, spec in SPECS.items() if spec.sources)
SMALL = [n for n in FETCHED if SPECS[n].kind == "cells" and SPECS[n].n_molecules <= LARGE]
"""Assays do not say how many molecules they are, but that is hundreds of thousands."""


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_atlas_needs_no_network(name: str, home: Path) -> None:
    check_atlas(name, FetchOptions(offline=True))


@pytest.mark.parametrize("name", SMALL)
def test_fetched_atlas(name: str, known_features: Path, mirror: Path) -> None:
    check_atlas(name, FetchOptions(mirror=str(mirror)), twice=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", FETCHED)
def test_fetched_atlas_is_repeatable(name: str, known_features: Path, mirror: Path) -> None:
    check_atlas(name, FetchOptions(mirror=str(mirror)))


@pytest.mark.parametrize("name", sorted(SPECS))
def test_what_a_spec_names_is_there(name: str) -> None:
    spec = SPECS[name]
    assert callable(load_object(spec.load))
    assert spec.modalities or spec.n_molecules == 0  # an atlas of genes alone has no molecules
    known = {ASSAY} if spec.kind == "assays" else {*CELL_MODALITIES}
    assert {one.partition(".")[0] for one in spec.modalities} <= known
    assert all(len(source.sha256) == 64 and source.n_bytes > 0 for source in spec.sources)
    assert spec.licence
    assert spec.source
    assert spec.synthetic or spec.citation

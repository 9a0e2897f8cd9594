"""Every registered dataset keeps its promises; a new one is tested by existing."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench.data.fetch import FetchOptions
from chmr_bench.lazy import load_object
from chmr_bench.plugins import registry
from chmr_bench.testing import check_dataset

LARGE = 2_000
"""Molecules; larger ones are held to their pins by `verify`, which continuous integration runs."""
EMBEDDED = sorted(n for n, r in registry().datasets.items() if not r.spec.sources)
FETCHED = [
    pytest.param(n, marks=[pytest.mark.slow] if r.spec.n_molecules > LARGE else [])
    for n, r in sorted(registry().datasets.items())
    if r.spec.sources
]


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_dataset_needs_no_network(name: str, home: Path) -> None:
    check_dataset(name, FetchOptions(mirror=None, offline=True))


@pytest.mark.parametrize("name", FETCHED)
def test_fetched_dataset(name: str, home: Path, mirror: Path) -> None:
    check_dataset(name, FetchOptions(mirror=str(mirror), offline=False))


@pytest.mark.parametrize("name", sorted(registry().datasets))
def test_what_a_spec_names_is_there(name: str) -> None:
    spec = registry().dataset(name).spec
    for path in (spec.load, spec.split_rule, spec.ceilings):
        assert not path or callable(load_object(path))
    assert all(len(source.sha256) == 64 and source.n_bytes > 0 for source in spec.sources)
    assert spec.synthetic or (spec.licence and spec.citation and spec.source)

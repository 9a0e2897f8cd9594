"""Every plugin that comes with chmr-bench loads, and imports nothing heavy to do so."""

from __future__ import annotations

import pytest

from chmr_bench.plugins import registry
from chmr_bench.testing import check_registration

OURS = sorted(p.module for p in registry().plugins if p.distribution == "chmr-bench")


@pytest.mark.parametrize("module", OURS)
def test_registration(module: str) -> None:
    check_registration(module)


def test_none_is_broken() -> None:
    assert {p.name: p.error for p in registry().broken} == {}

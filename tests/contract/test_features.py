"""Every registered feature keeps its promises; a new one is tested by existing."""

from __future__ import annotations

import importlib.util

import pytest

from chmr_bench.plugins import registry
from chmr_bench.testing import check_feature


@pytest.mark.parametrize("name", sorted(registry().features))
def test_feature(name: str) -> None:
    for package in registry().feature(name).spec.depends:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    check_feature(name)

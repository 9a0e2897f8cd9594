"""Every registered model keeps its promises; a new one is tested by existing."""

from __future__ import annotations

import pytest

from chmr_bench.plugins import registry
from chmr_bench.settings import missing_modules
from chmr_bench.testing import check_model


@pytest.mark.parametrize("name", sorted(registry().models))
def test_model(name: str) -> None:
    spec = registry().model(name).spec
    missing = missing_modules(spec)
    if missing:
        pytest.skip(f"{name} needs {', '.join(missing)}")
    check_model(name)

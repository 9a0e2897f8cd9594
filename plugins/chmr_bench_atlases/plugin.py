"""Register the public atlases; reads one TOML file and imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from chmr_bench import AtlasSpec, hookimpl
from chmr_bench_atlases.layouts import specs


@hookimpl
def chmr_bench_atlases() -> Iterable[AtlasSpec]:
    """Return the public atlases."""
    return specs()

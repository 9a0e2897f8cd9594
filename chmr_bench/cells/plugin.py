"""The built-in atlases, registered through the same door as a stranger's."""

from __future__ import annotations

from collections.abc import Iterable

from chmr_bench import AtlasSpec, hookimpl


@hookimpl
def chmr_bench_atlases() -> Iterable[AtlasSpec]:
    """Return the atlases that come with chmr-bench."""
    return []

"""Register the nine benchmarks; reads one TOML file and imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from chmr_bench import DatasetSpec, hookimpl
from chmr_bench_nine.tables import specs


@hookimpl
def chmr_bench_datasets() -> Iterable[DatasetSpec]:
    """Return the nine benchmarks: 728 tasks."""
    return specs()

"""Registers CHMR, its variants and its controls. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable

from chmr_bench import ModelSpec, hookimpl


@hookimpl
def chmr_bench_models() -> Iterable[ModelSpec]:
    """Return CHMR, its variants and its controls."""
    return []

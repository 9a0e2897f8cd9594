"""What this plugin registers. Classes are named as strings: listing imports none of them."""

from __future__ import annotations

from chmr_bench import ModelSpec, hookimpl

RIDGE = ModelSpec(
    name="template.ridge",
    title="Ridge regression on Morgan fingerprints",
    factory="chmr_bench_template.model:Ridge",
    config="chmr_bench_template.model:RidgeConfig",
    deterministic=True,
)


@hookimpl
def chmr_bench_models() -> list[ModelSpec]:
    """Return the models of this plugin."""
    return [RIDGE]

"""What this plugin registers."""

from __future__ import annotations

from chmr_bench import ModelSpec, hookimpl

PYTHON = "CHMR_BENCH_PYTHON_CHEMPROP"
"""The environment variable that holds the interpreter chemprop is installed in."""
_COMMON = {
    "factory": "chmr_bench_chemprop.model:Chemprop",
    "config": "chmr_bench_chemprop.config:ChempropConfig",
    "requires": ("chemprop",),
    "accelerator": True,
    "python": PYTHON,
    "citation": "Heid et al., J. Chem. Inf. Model. 2024, doi:10.1021/acs.jcim.3c01250",
}


@hookimpl
def chmr_bench_models() -> list[ModelSpec]:
    """Return the models of this plugin."""
    return [
        ModelSpec(name="chemprop", title="chemprop, one message-passing network", **_COMMON),
        ModelSpec(
            name="chemprop.ensemble",
            title="chemprop, the mean of three networks",
            preset={"members": 3},
            **_COMMON,
        ),
    ]

"""``chmr-bench ablate``: mask cell profiles on purpose, and see what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from chmr_bench.cli import execution, options
from chmr_bench.display.console import print_grids, print_json, print_note

if TYPE_CHECKING:
    from chmr_bench.api.sweeps import Sweep
    from chmr_bench.report.families import Family
    from chmr_bench.sweep import Plan

_MASKED = "What is masked"


class MaskGroup:
    """What is masked, and how."""

    missing: Annotated[
        str,
        options.option(
            panel=_MASKED, help="Shares masked, 0 to 1: 0.5 or 0,0.25,0.5,0.75,1. 0 is always run."
        ),
    ] = "0.5"
    modality: Annotated[
        list[str] | None,
        options.option(panel=_MASKED, help="Mask this modality alone; repeatable."),
    ] = None
    stage: Annotated[
        list[str] | None,
        options.option(
            panel=_MASKED,
            help="Who lacks it: pretrain (the atlas), finetune, test, or world (all).",
        ),
    ] = None
    mechanism: Annotated[
        str,
        options.option(
            panel=_MASKED,
            help="random, scaffold, asymmetric (at most one modality is left), or activity "
            "(the weakest phenotypes go first).",
        ),
    ] = "random"
    fill: Annotated[
        str,
        options.option(
            panel=_MASKED,
            help="How the harness imputes: none, zero, mean, neighbour or propagation.",
        ),
    ] = "none"
    control: Annotated[
        list[str] | None,
        options.option(
            panel=_MASKED,
            help="shuffled: also with permuted profiles, the negative control; replaced: a fitted "
            "model is also given the profiles of matched others.",
        ),
    ] = None
    hide_seed: Annotated[
        int | None,
        options.option(panel=_MASKED, help="One draw for all runs; else each run's own seed."),
    ] = None


@options.takes(
    MaskGroup,
    options.ModelGroup,
    options.SplitGroup,
    options.TableGroup,
    options.FetchGroup,
    options.WorkGroup,
    options.OutputGroup,
)
def ablate(given: dict[str, Any]) -> int:
    """Mask a share of the cell profiles, and measure what each model loses.

    Runs every model with nothing masked and at each rate, then prints the paired change. What is on
    record is not computed again. Tables: OUT/missing.md, .csv, .json; pictures: OUT/missing-*.png.
    Without --model it is chmr, without data the suite cells.
    """
    from chmr_bench.api.requests import make_masked_request

    return execution.sweep(make_masked_request(given), given, _show)


def _show(work: Sweep, as_json: bool) -> None:
    """Print the tables that this plan's runs are in."""
    from chmr_bench.report import curve_tables

    families, frozen = work.families(), work.frozen()
    if as_json:
        print_json(curve_tables.as_document(families, frozen))
        return
    print_grids(curve_tables.curve_grid(family, terminal=True) for family in families)
    print_grids(curve_tables.frozen_grids(frozen))
    masked = [i for i in work.plan.items if i.missing and i.state != "impossible"]
    if masked and all(item.inapplicable for item in masked):
        print_note(
            "note: nothing that is masked reaches any of these models on these datasets, so there "
            "is nothing to lose; 'chmr-bench list datasets' shows which come with cells"
        )
    for line in _surprises(work.plan, families):
        print_note(f"warning: {line}")


def _surprises(plan: Plan, families: Sequence[Family]) -> list[str]:
    """Return the models that moved, though by their spec nothing that is masked reaches them."""
    idle = {(i.dataset, i.model): i.inapplicable for i in plan.items if i.inapplicable}
    moved = {
        (name, curve.facts["model"])
        for family in families
        for curve in family.curves
        for name in family.datasets
        if not curve.unmoved and not any(p.n_failed for p in curve.points)
    }
    return [
        f"{reason}, and yet its predictions on {dataset} moved: its spec says too little, or it is "
        "not repeatable"
        for (dataset, model), reason in idle.items()
        if (dataset, model) in moved
    ]

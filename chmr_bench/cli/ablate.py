"""``chmr-bench ablate``: mask cell profiles on purpose, and see what it costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from chmr_bench.cli import execution, options, requests
from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.ablation.missing import Missing
    from chmr_bench.records import RecordStore
    from chmr_bench.report.curves import Family
    from chmr_bench.sweep import Plan, Request, Summary

MODEL, SUITE = "chmr", "cells"
"""What is run where nothing is named."""
SEEDS = 3
CONTROLS = ("shuffled",)
_MASKED = "What is masked"


@options.takes(
    options.SplitGroup,
    options.TableGroup,
    options.FetchGroup,
    options.WorkGroup,
    options.OutputGroup,
)
def ablate(
    split: options.SplitGroup,
    table: options.TableGroup,
    fetch: options.FetchGroup,
    work: options.WorkGroup,
    output: options.OutputGroup,
    missing: Annotated[
        str,
        options.option(
            panel=_MASKED, help="Shares masked, 0 to 1: 0.5 or 0,0.25,0.5,0.75,1. 0 is always run."
        ),
    ] = "0.5",
    modality: Annotated[
        list[str] | None,
        options.option(panel=_MASKED, help="Mask this modality alone; repeatable."),
    ] = None,
    stage: Annotated[
        list[str] | None,
        options.option(
            panel=_MASKED,
            help="Who lacks it: pretrain (the atlas), finetune, test, or world (all).",
        ),
    ] = None,
    mechanism: Annotated[
        str,
        options.option(
            panel=_MASKED,
            help="random, scaffold, asymmetric (at most one modality is left), or activity "
            "(the weakest phenotypes go first).",
        ),
    ] = "random",
    fill: Annotated[
        str,
        options.option(
            panel=_MASKED,
            help="How the harness imputes: none, zero, mean, neighbour or propagation.",
        ),
    ] = "none",
    control: Annotated[
        list[str] | None,
        options.option(
            panel=_MASKED, help="shuffled: also with permuted profiles, the negative control."
        ),
    ] = None,
    hide_seed: Annotated[
        int | None,
        options.option(panel=_MASKED, help="One draw for all runs; else each run's own seed."),
    ] = None,
    model: options.Model = None,
    suite: options.Suite = None,
    dataset: options.DatasetName = None,
    seeds: Annotated[
        int | None, options.option(help=f"Seeds 0 to N-1; {SEEDS} if not said.")
    ] = None,
    seed: options.Seed = None,
    setting: options.Setting = None,
) -> int:
    """Mask a share of the cell profiles, and measure what each model loses.

    Runs every model with nothing masked and at each rate, then prints the paired change. What is on
    record is not computed again. Tables: OUT/missing.md, .csv, .json; pictures: OUT/missing-*.png.
    Without --model it is chmr, without data the suite cells.
    """
    named = suite if suite or dataset else [SUITE]
    chosen = requests.chosen_seeds(SEEDS if seeds is None and not seed else seeds, seed)
    request = requests.make_request(
        model or [MODEL], named, dataset, table.options(), chosen, setting
    )
    request = requests.with_choices(request, split, work, output.keep_failed)
    kind = masking(stage or [], modality or [], mechanism, fill)
    if hide_seed is not None:
        requests.valid_seed("--hide-seed", hide_seed)
    masked = masked_in_turn(request, kind, missing, control or [])
    request = dataclasses.replace(request, missing=masked, hide_seed=hide_seed)
    return execution.sweep(request, work.run_options(fetch), output, _show)


def rates(text: str) -> list[float]:
    """Return the rates, ascending, each once and 0 among them; UsageError where one is none."""
    shares = {0.0}
    for part in text.split(","):
        try:
            rate = float(part)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            raise UsageError(
                f"--missing {text}: {part.strip()!r} is no share; expected numbers from 0 to 1, "
                "for instance 0.5 or 0.25,0.5,1"
            )
        shares.add(rate)
    if shares == {0.0}:
        raise UsageError(f"--missing {text}: nothing is masked; name a share above 0")
    return sorted(shares)


def masking(stages: Sequence[str], modalities: Sequence[str], mechanism: str, fill: str) -> Missing:
    """Return what is masked, its share still open; no stage named is all of them."""
    from typing import get_args

    from chmr_bench.ablation import missing

    stages = stages or [missing.WORLD]
    for stage in stages:
        requests.choice("--stage", stage, (*missing.STAGES, missing.WORLD))
    if missing.WORLD in stages and len(set(stages)) > 1:
        raise UsageError(f"--stage {missing.WORLD} is all stages; name it alone, or some of them")
    if mechanism == "asymmetric" and len(set(modalities)) == 1:
        raise UsageError(
            "--mechanism asymmetric leaves a molecule one modality, so with --modality "
            f"{modalities[0]} alone nothing would be masked; name two, or none for all"
        )
    chosen = missing.STAGES if missing.WORLD in stages else stages
    return missing.Missing(
        rate=0.0,
        stages=tuple(s for s in missing.STAGES if s in chosen),
        modalities=tuple(sorted(set(modalities))),
        mechanism=requests.choice("--mechanism", mechanism, get_args(missing.Mechanism)),
        fill=requests.choice("--fill", fill, get_args(missing.Fill)),
    )


def _check_modalities(request: Request, named: Sequence[str]) -> None:
    """Raise UnknownNameError where a modality is nobody's: no model's, dataset's or atlas's."""
    from chmr_bench.errors import UnknownNameError
    from chmr_bench.plugins import registry

    blocks = {name for atlas in registry().atlases.values() for name in atlas.spec.modalities}
    known = {name.partition(".")[0] for name in blocks}
    for name in request.models:
        spec = registry().model(name).spec
        known |= {*spec.reads, *spec.learns}
    for asked in request.datasets:
        if asked.name in registry().datasets:
            known |= set(registry().dataset(asked.name).spec.modalities) - {"structure"}
    for modality in named:
        if modality not in known:
            raise UnknownNameError("modality", modality, known)


def masked_in_turn(
    request: Request, kind: Missing, missing: str, controls: Sequence[str]
) -> tuple[Missing | None, ...]:
    """Return what is masked in turn: nothing, then every share; then the same with the control."""
    import dataclasses

    _check_modalities(request, kind.modalities)
    for name in controls:
        requests.choice("--control", name, CONTROLS)
    shares = rates(missing)
    turns = [dataclasses.replace(kind, rate=rate) for rate in shares if rate > 0]
    shuffled = [dataclasses.replace(kind, rate=rate, shuffled=True) for rate in shares]
    return (None, *turns, *(shuffled if controls else ()))


def _show(plan: Plan, summary: Summary, store: RecordStore, output: options.OutputGroup) -> None:
    """Print the tables that this plan's runs are in."""
    from chmr_bench.cli.console import print_json, print_note
    from chmr_bench.cli.leaderboard import print_grid
    from chmr_bench.report import curve_tables
    from chmr_bench.report.curves import families_of

    mine = {record.identity for record in execution.records(plan, summary) if record.missing}
    families = [family for family in families_of(store) if _is_of(family, mine)]
    if output.as_json:
        print_json(curve_tables.as_document(families))
        return
    for grid in curve_tables.grids(families):
        print_grid(grid)
    masked = [item for item in plan.items if item.missing and item.state != "impossible"]
    if masked and all(item.inapplicable for item in masked):
        print_note(
            "note: nothing that is masked reaches any of these models on these datasets, so there "
            "is nothing to lose; 'chmr-bench list datasets' shows which come with cells"
        )
    for line in _surprises(plan, families):
        print_note(f"warning: {line}")


def _is_of(family: Family, identities: set[str]) -> bool:
    return any(identities & set(curve.identities) for curve in family.curves)


def _surprises(plan: Plan, families: Sequence[Family]) -> list[str]:
    """Return the models that moved, though by their spec nothing that is masked reaches them."""
    idle = {(i.dataset, i.model): i.inapplicable for i in plan.items if i.inapplicable}
    moved = {
        (name, curve.model)
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

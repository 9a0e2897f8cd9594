"""``chmr-bench match``: which profile belongs to which molecule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.cli.group import stopping
from chmr_bench.display.console import print_grids, print_json, print_note


@options.takes(options.FetchGroup, options.WorkGroup)
def match(
    given: dict[str, Any],
    model: options.Model = None,
    atlas: Annotated[
        list[str] | None,
        typer.Option(help="Atlas whose pairs are matched, or folder:PATH; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the model and of the folds, 0 to 4.")] = 0,
    control: Annotated[
        list[str] | None,
        typer.Option(help="shuffled: also fitted on permuted profiles, the negative control."),
    ] = None,
    setting: options.Setting = None,
    out: Annotated[
        Path | None,
        options.option(
            panel=options.OUT,
            metavar="DIR",
            parser=options.folder,
            help="Also write match.md, and match.json with every rank, there, after each model; "
            "what stands there already is not matched again.",
        ),
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Rank held-out profiles for a molecule, and molecules for a profile.

    A model learns from the pairs of four folds of an atlas and ranks those of the fifth; folds are
    by molecule, in whatever form. Hit rates, MRR and NDCG stand beside what chance gives.
    """
    from chmr_bench.api.matching import check_failed, matchings_of
    from chmr_bench.display.progress import display
    from chmr_bench.report.match_files import match_json
    from chmr_bench.report.matching import label, match_grids
    from chmr_bench.runner.clock import Clock

    given.update(model=model, atlas=atlas, seed=seed, control=control, setting=setting)
    kept = f"what was finished is in {out}; the same command goes on from there"
    interrupted = f"interrupted; {kept if out else 'nothing was written (no --out)'}"
    with stopping(interrupted), display(1, quiet=quiet) as shown:

        def receiver(job: Any) -> Clock:
            shown.begun(f"{label(job)} on {job.atlas}")
            return Clock(shown)

        matchings = matchings_of(given, receiver, out)
    for name, reason in matchings.inapplicable.items():
        print_note(f"not applicable: {name}: {reason}")
    if as_json:
        print_json(match_json(matchings))
    else:
        print_grids(match_grids(matchings))
    if out is not None and matchings.matched:
        earlier = [label(one.job) for one in matchings.matched if one.stored]
        again = f"; not matched again: {', '.join(earlier)}" if earlier else ""
        print_note(f"in {out}: match.md, match.json{again}")
    check_failed(matchings)

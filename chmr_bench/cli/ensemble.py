"""``chmr-bench ensemble``: rows on record, weighed by their validation rows."""

from __future__ import annotations

from typing import Any

from chmr_bench.cli import options
from chmr_bench.display.console import print_grids, print_json, print_note


@options.takes(options.RecordedGroup, options.FetchGroup)
def ensemble(
    given: dict[str, Any],
    model: options.Model = None,
    split: options.Split = "",
    out: options.Out = options.OUT_FOLDER,
    as_json: options.AsJson = False,
) -> None:
    """Average rows that are on record: `zoo.ensemble`, weighed by validation rows alone.

    Nothing is trained. Of the named models, or of all, rows are picked one by one as often as the
    mean gains on the validation rows. Its runs join the records and tables in OUT.
    """
    from chmr_bench.api.ensembling import ensembles_of, left_out_words
    from chmr_bench.report.ensembles import ensemble_grid, ensemble_rows

    given.update(model=model, split=split, out=out)
    made = ensembles_of(given)
    for line in left_out_words(made.left_out):
        print_note(f"left out: {line}")
    rows = ensemble_rows(made.ensembles)
    if as_json:
        left_out = {f"{row} on {name}": why for (row, name), why in made.left_out.items()}
        print_json({"ensembles": rows, "left_out": left_out})
    else:
        print_grids([ensemble_grid(rows)])

"""A comparison of models on record, as the command line and Python ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chmr_bench.api.options import Options, as_list, datasets_of, store_of
from chmr_bench.api.requests import choice, suite_datasets
from chmr_bench.errors import UsageError
from chmr_bench.report.comparison import CV5X5, Comparison, Query, as_dict
from chmr_bench.report.comparison import compare as compare_models

if TYPE_CHECKING:
    import pandas as pd

PROTOCOLS = ("", CV5X5)


def comparison_of(
    models: Sequence[str], options: Options, progress: Callable[[str], None] = lambda name: None
) -> Comparison:
    """Return how models differ from the first named one; UsageError where there is no record."""
    protocol = choice("--protocol", options.get("protocol", ""), PROTOCOLS)
    split = options.get("split", "")
    if protocol and split not in ("", CV5X5):
        raise UsageError(f"--protocol {protocol} is of the split {CV5X5}, not {split}")
    names = [*suite_datasets(options), *as_list(options.get("dataset"))]
    tasks = tuple(as_list(options.get("tasks")))
    query = Query(tuple(models), tuple(dict.fromkeys(names)), split, tasks)
    store = store_of(options["out"])
    return compare_models(store, datasets_of(options), query, protocol=protocol, progress=progress)


def gains_frame(comparison: Comparison) -> pd.DataFrame:
    """Return a row a dataset and model: the gain over the baseline, and what is known of it."""
    import pandas as pd

    return pd.DataFrame(
        {"dataset": on["dataset"], "split": on["split"], "metric": on["metric"]}
        | {k: v for k, v in gain.items() if not isinstance(v, dict | list)}
        | {"gain" if k == "mean" else k: v for k, v in (gain["difference"] or {}).items()}
        for on in as_dict(comparison)["datasets"]
        for gain in on["gains"]
    )

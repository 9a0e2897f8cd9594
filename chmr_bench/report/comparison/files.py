"""A comparison on disk: Markdown, CSV, JSON and two pictures."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chmr_bench.errors import MissingDependencyError
from chmr_bench.records.rounding import as_csv, as_json
from chmr_bench.report.comparison.figures import draw_gains, draw_ranks
from chmr_bench.report.comparison.overall import Folds
from chmr_bench.report.comparison.results import Comparison, Gain, OnDataset
from chmr_bench.report.comparison.tables import grids
from chmr_bench.report.digits import without_nan
from chmr_bench.report.grids import section
from chmr_bench.report.render import write_files
from chmr_bench.statistics import LEVEL

SCHEMA = "chmr-bench comparison 1"
STEM = "comparison"
AS_THEY_ARE = "n_splits n_test n_clusters scores shared_scores n_runs n_failed n_damaged on_record"
"""Of a dataset: what JSON holds under the same name."""


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the comparison below `folder`; return the files, the page first.

    There is no picture of ranks below two datasets that all models have, and none of gains where
    nothing could be compared.

    Raises
    ------
    UsageError
        The folder cannot be written.
    MissingDependencyError
        matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependencyError(
            "--to draws pictures, which need matplotlib: pip install 'chmr-bench[pictures]'"
        )
    drawn = {"gains.png": draw_gains(comparison), "ranks.png": draw_ranks(comparison)}
    pictures = {name: picture for name, picture in drawn.items() if picture}
    content = as_dict(comparison)
    texts: dict[str, str | bytes] = {
        f"{STEM}.md": _page(comparison, pictures),
        f"{STEM}.csv": as_csv(_rows(content)),
        f"{STEM}.json": as_json(content),
    }
    return write_files(folder, {**texts, **pictures}, "--to DIR")


def _page(comparison: Comparison, pictures: Iterable[str]) -> str:
    others = ", ".join(comparison.models[1:])
    parts = [f"# {comparison.baseline} compared with {others}"]
    parts += [section("##", grid) for grid in grids(comparison)]
    parts += [f"![{Path(name).stem}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


# ------------------------------------------------------------------------------------- as a mapping


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Return everything about a comparison as JSON can hold it; unknown numbers are null."""
    overall = comparison.overall
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "baseline": comparison.baseline,
        "models": comparison.models,
        "protocol": comparison.protocol or None,
        "level": LEVEL,
        "left_out": comparison.left_out,
        "datasets": [_dataset(on) for on in comparison.datasets],
        "overall": None if overall is None else dataclasses.asdict(overall),
    }
    cleaned: dict[str, Any] = without_nan(content)
    return cleaned


def _dataset(on: OnDataset) -> dict[str, Any]:
    return {
        "dataset": on.name,
        "synthetic": on.synthetic,
        "split": on.split or None,
        "metric": on.metric,
        "greater_is_better": on.sign > 0,
        **{name: getattr(on, name) for name in AS_THEY_ARE.split()},
        "n_unscored": {m: len(splits) for m, splits in on.unscored.items()},
        "gains": [_gain(gain) for gain in on.gains.values()],
        "folds": None if on.folds is None else _folds(on.folds),
        "notes": on.notes,
    }


def _gain(gain: Gain) -> dict[str, Any]:
    in_errors = None if gain.difference is None else gain.difference.in_errors
    first = {"model": gain.model, "verdict": gain.verdict}
    return first | dataclasses.asdict(gain) | {"in_errors": in_errors}


def _folds(folds: Folds) -> dict[str, Any]:
    return {
        "anova": dataclasses.asdict(folds.anova),
        "sd": folds.sd,
        "pairs": [
            {
                **{"a": pair.a, "b": pair.b},
                **{name: getattr(pair.tukey, name) for name in ("mean", "low", "high")},
                **{"p_tukey": pair.tukey.p, "p_corrected": pair.corrected.p},
            }
            for pair in folds.pairs
        ],
    }


def _rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a line a dataset and model, of a comparison as a mapping."""
    names = ("low", "high", "p", "se", "se_molecules", "se_seeds", "df", "n_pairs")
    return [
        {
            **{name: on[name] for name in ("dataset", "synthetic", "split", "metric")},
            "baseline": content["baseline"],
            **{name: gain[name] for name in ("model", "baseline_score", "score")},
            "gain": (gain["difference"] or {}).get("mean"),
            **{name: (gain["difference"] or {}).get(name) for name in names},
            "p_holm": gain["p_holm"],
            "verdict": gain["verdict"],
        }
        for on in content["datasets"]
        for gain in on["gains"]
    ]

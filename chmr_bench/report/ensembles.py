"""Ensembles as a table: what they are made of, and what that gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chmr_bench.report.digits import known_mean
from chmr_bench.report.grids import Grid, number
from chmr_bench.report.words import split_words
from chmr_bench.runner.ensembling import NAME, Ensemble

NOTES = (
    "Weights and the row to compare with were chosen by validation rows alone; test is the mean "
    "over seeds.",
    "ROC-AUC and average precision in percent, errors in the unit of the labels.",
)


def ensemble_rows(made: Sequence[Sequence[Ensemble]]) -> list[dict[str, Any]]:
    """Return a row a dataset and split, as plain values."""
    return [
        {
            "model": NAME,
            "dataset": of[0].record.dataset.name,
            "split": of[0].record.split.name,
            "split_seed": of[0].record.split.seed,
            "seeds": [one.record.seed for one in of],
            "metric": of[0].record.dataset.metric,
            "weights": dict(of[0].weights),
            "valid": of[0].valid_score,
            "test": known_mean(one.record.metrics.macro for one in of if one.record.metrics),
            "single": of[0].single,
            "single_test": known_mean(one.single_score for one in of),
            "runs": [one.record.identity for one in of],
            "made_of": [dict(one.record.model.features) for one in of],
        }
        for of in made
    ]


def ensemble_grid(rows: Sequence[dict[str, Any]]) -> Grid:
    """Return the table of `ensemble_rows`."""
    lines = []
    for row in rows:
        weights = ", ".join(f"{name} {100 * w:.0f} %" for name, w in row["weights"].items())
        lines.append(
            {
                "dataset": row["dataset"],
                "split": split_words(row["split"], row["split_seed"]),
                "made of": weights,
                "validation": number(row["metric"], row["valid"]),
                "test": number(row["metric"], row["test"]),
                "best on validation": row["single"],
                "its test": number(row["metric"], row["single_test"]),
            }
        )
    left = ("dataset", "split", "made of", "best on validation")
    return Grid.of(NAME, lines, left, NOTES)

"""The section on `chmr.finetuned` over strict splits: its gains, by the corrected t-test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sections import NONE, TABLES, escaped, holm_words, markdown, tables_in

from chmr_bench.plugins import registry
from chmr_bench.report.digits import difference_text
from chmr_bench.statistics import Difference, corrected_resampled

ROW = "chmr.finetuned"
AGAINST = ("chmr.finetuned [shuffle_cells=true]", "chmr", "fingerprint.mlp", "fingerprint.forest")
"""What it is set against: the same from permuted profiles, frozen, and two without an encoder."""
NOTE = (
    "Points of ROC-AUC, and MAE on biogen3k, over the splits that both have, with 95 % intervals "
    "by the corrected resampled t-test; above 0 `{}` is better. Bold: the interval excludes 0, "
    "each for itself."
)


def section() -> str:
    """Return the table, a row a dataset, and which gains are left after Holm's correction."""
    gains = {name: [gain(name, other) for other in AGAINST] for name in measured()}
    if not gains:
        return NONE
    rows = []
    for name, of in gains.items():
        own, (scale, digits) = _scores(name, ROW), _unit(name)
        score = f"{abs(scale) * sum(own.values()) / len(own):.{digits}f}"
        rows.append((name, len(own), score, *(_text(g, digits) for g in of)))
    heads = (f"{ROW} minus", "splits", "its score", *map(escaped, AGAINST))
    columns = zip(AGAINST, zip(*gains.values(), strict=True), strict=True)
    left = [_left(other, zip(gains, column, strict=True)) for other, column in columns]
    return "\n".join([markdown(heads, rows), "", f"- {NOTE.format(ROW)}", *left])


def measured(row: str = ROW) -> list[str]:
    """Return the datasets of the nine where a row has a score on a strict split."""
    return [name for name in registry().suite("all") if _scores(name, row)]


def gain(dataset: str, other: str, row: str = ROW) -> Difference | None:
    """Return a row's gain over another in shown units, None below two splits in common."""
    own, theirs = _scores(dataset, row), _scores(dataset, other)
    shared = sorted(own.keys() & theirs.keys())
    if len(shared) < 2:
        return None
    scale, _ = _unit(dataset)
    gains = scale * np.array([own[seed] - theirs[seed] for seed in shared])
    splits = [table["split"] for table in _strict(dataset) if table["split"]["seed"] in shared]
    n_train, n_test = (np.mean([split[n] for split in splits]) for n in ("n_train", "n_test"))
    return corrected_resampled(gains, float(n_train), float(n_test))


def _strict(dataset: str) -> list[dict[str, Any]]:
    """Return a dataset's tables of strict splits, one a split."""
    tables = tables_in(TABLES / f"{dataset}.json")
    return [table for table in tables if table["split"]["name"] == "strict"]


def _scores(dataset: str, row: str) -> dict[int, float]:
    """Return seed of the split -> a row's score."""
    rows = ((table["split"]["seed"], one) for table in _strict(dataset) for one in table["rows"])
    return {seed: o["score"] for seed, o in rows if o["row"] == row and o["score"] is not None}


def _unit(dataset: str) -> tuple[float, int]:
    """Return what turns a score into what is shown, better above, and its decimals."""
    return (100.0, 1) if _strict(dataset)[0]["greater_is_better"] else (-1.0, 3)


def _text(gain: Difference | None, digits: int) -> str:
    return "-" if gain is None else difference_text(gain.mean, gain.low, gain.high, digits)


def _left(other: str, gains: Iterable[tuple[str, Difference | None]]) -> str:
    """Return which datasets' gains over a row are left after Holm's correction for them."""
    p = {
        f"{name} ({'ahead' if gain.mean > 0 else 'behind'})": gain.p
        for name, gain in gains
        if gain is not None
    }
    return f"- Over `{other}`, after {holm_words(p, 'datasets,')}"

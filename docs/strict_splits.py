"""The section on `chmr.finetuned` over strict splits: its gains, by the corrected t-test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from chmr_bench.statistics import Difference

RECORDS = Path(__file__).resolve().parents[1] / "leaderboards"
ROW = "chmr.finetuned"
AGAINST = ("chmr.finetuned [shuffle_cells=true]", "chmr", "fingerprint.mlp", "fingerprint.forest")
"""What it is set against: the same from permuted profiles, frozen, and two without an encoder."""
ERRORS = ("mae",)
"""Metrics where less is better."""
LEVEL = 0.05
NONE = "*No such runs are on record yet.*"
NOTE = (
    "Points of ROC-AUC, and MAE on biogen3k, over the splits that both have, with 95 % intervals "
    "by the corrected resampled t-test; above 0 `{}` is better. Bold: the interval excludes 0, "
    "each for itself."
)


def section() -> str:
    """Return the table, a row a dataset, and which gains are left after Holm's correction."""
    from chmr_bench.plugins import registry

    runs = _runs()
    names = [name for name in registry().suite("all") if _scores(runs, name, ROW) is not None]
    if not names:
        return NONE
    gains = {name: [_gain(runs, name, other) for other in AGAINST] for name in names}
    heads = [other.replace("[", r"\[").replace("]", r"\]") for other in AGAINST]
    lines = [
        f"| {ROW} minus | splits | its score | {' | '.join(heads)} |",
        "|:--|--:|--:|" + "--:|" * len(heads),
    ]
    for name, of in gains.items():
        own = _scores(runs, name, ROW)
        scale, digits = _unit(own)
        cells = (f"{len(own)}", f"{abs(scale) * own['score'].mean():.{digits}f}")
        lines.append(f"| {name} | {' | '.join([*cells, *(_text(g, digits) for g in of)])} |")
    left = [
        _left(other, names, [of[i] for of in gains.values()]) for i, other in enumerate(AGAINST)
    ]
    return "\n".join([*lines, "", f"- {NOTE.format(ROW)}", *left])


def _runs() -> pd.DataFrame:
    """Return the runs on strict splits of the rows shown, as they come or with one setting."""
    from chmr_bench import load_runs

    runs = load_runs(RECORDS)
    runs = runs[(runs["split"] == "strict") & runs["missing"].isna() & runs["score"].notna()]
    words = runs["overrides"].map(lambda text: _words(json.loads(text)))
    return runs.assign(shown=runs["model"] + words)


def _words(overrides: dict[str, object]) -> str:
    """Return settings as a row's name has them."""
    listed = ", ".join(f"{key}={json.dumps(value)}" for key, value in sorted(overrides.items()))
    return f" [{listed}]" if listed else ""


def _scores(runs: pd.DataFrame, dataset: str, row: str) -> pd.DataFrame | None:
    """Return a row's runs by the seed of their split, None where it has none."""
    of = runs[(runs["dataset"] == dataset) & (runs["shown"] == row)]
    return of.set_index("split_seed").sort_index() if len(of) else None


def _unit(own: pd.DataFrame) -> tuple[float, int]:
    """Return what turns a score into what is shown, better above, and its decimals."""
    return (-1.0, 3) if own["metric"].iloc[0] in ERRORS else (100.0, 1)


def _gain(runs: pd.DataFrame, dataset: str, other: str) -> Difference | None:
    """Return the gain over another row in shown units, None below two splits in common."""
    from chmr_bench.statistics.resampled import corrected_resampled

    own, theirs = (_scores(runs, dataset, row) for row in (ROW, other))
    shared = [] if theirs is None else [seed for seed in own.index if seed in theirs.index]
    if len(shared) < 2:
        return None
    scale, _ = _unit(own)
    gains = scale * (own["score"][shared] - theirs["score"][shared]).to_numpy()
    sizes = own.loc[shared, ["n_train", "n_test"]].mean()
    return corrected_resampled(gains, *sizes)


def _text(gain: Difference | None, digits: int) -> str:
    from chmr_bench.report.digits import difference_text

    return "-" if gain is None else difference_text(gain.mean, gain.low, gain.high, digits)


def _left(other: str, names: Sequence[str], gains: Sequence[Difference | None]) -> str:
    """Return which gains over a row are left after Holm's correction for the datasets."""
    from chmr_bench.statistics import holm

    known = [(name, gain) for name, gain in zip(names, gains, strict=True) if gain is not None]
    corrected = holm([gain.p for _, gain in known])
    left = [
        f"{name} ({'ahead' if gain.mean > 0 else 'behind'})"
        for (name, gain), p in zip(known, corrected, strict=True)
        if p < LEVEL
    ]
    return (
        f"- Over `{other}`, after Holm's correction for {len(known)} datasets, are left: "
        f"{', '.join(left) or 'none'}."
    )

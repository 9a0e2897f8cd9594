"""Matchings as tables: how often a molecule finds its profile, and a profile its molecule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chmr_bench.contracts import ModelSpec
from chmr_bench.report.grids import Grid
from chmr_bench.report.words import dataset_label, grouped, notes
from chmr_bench.runner.matching import MatchedBlock, Matching, MatchJob
from chmr_bench.splits.grouped import FOLDS
from chmr_bench.statistics.retrieval import (
    MEASURES,
    SUMMARY,
    MrrGain,
    RetrievalScore,
    mrr_gain,
)
from chmr_bench.statistics.retrieval import retrieval_scores as scores_of

WAYS = {"profiles": "profile of a molecule", "molecules": "molecule of a profile"}
"""What is ranked -> what a query looks for."""


@dataclass(frozen=True)
class MatchedModel:
    """A job, and what came of it.

    Attributes
    ----------
    environment :
        What it ran with: `records.Environment`, as plain values.
    stored :
        An earlier command did it.
    """

    job: MatchJob
    done: Matching
    environment: Mapping[str, Any]
    stored: bool = False


@dataclass(frozen=True)
class Matchings:
    """All that one command matched.

    Attributes
    ----------
    inapplicable :
        Model -> why it cannot match.
    failed :
        Model, as its rows would be called, and atlas -> what went wrong.
    """

    matched: tuple[MatchedModel, ...]
    inapplicable: Mapping[str, str]
    failed: Mapping[str, str]


def label(job: MatchJob) -> str:
    """Return what a job's rows are called."""
    return f"{job.spec.name}, permuted profiles" if job.shuffled else job.spec.name


def gain_over_control(
    matchings: Matchings, one: MatchedModel, block: str, way: str
) -> MrrGain | None:
    """Return what a model gains over its fit on permuted profiles; None without that control."""
    job = one.job
    for other in matchings.matched:
        same = (other.job.spec.name, other.job.atlas, other.job.seed)
        if job.shuffled or not other.job.shuffled or same != (job.spec.name, job.atlas, job.seed):
            continue
        own, control = (next(b for b in m.done.blocks if b.block == block) for m in (one, other))
        return mrr_gain(getattr(own, way), getattr(control, way))
    return None


def why_not(spec: ModelSpec) -> str:
    """Return why a model cannot match, "" where it can."""
    if spec.match:
        return ""
    if not spec.learns and not spec.reads:
        return "it learns from no cells"
    return "it offers no matching (`ModelSpec.match`)"


def match_rows(matchings: Matchings) -> list[dict[str, Any]]:
    """Return a row a model, block, way and measure."""
    return [
        {
            "model": one.job.spec.name,
            "shuffled": one.job.shuffled,
            "atlas": one.done.atlas["atlases"][0],
            "synthetic": one.done.atlas["synthetic"],
            "block": block.block,
            "finds": WAYS[way],
            "n_pairs": len(block.keys),
            "measure": score.measure,
            "score": score.score,
            "low": score.low,
            "high": score.high,
            "chance": score.chance,
            "verdict": score.verdict,
            "seed": one.job.seed,
        }
        for one in matchings.matched
        for block in one.done.blocks
        for way in WAYS
        for score in scores_of(getattr(block, way))
    ]


def match_grids(matchings: Matchings) -> list[Grid]:
    """Return a table a block of an atlas: a line a way and model, and one of chance."""
    pairs = [
        ((one.done.atlas["atlases"][0], block.block), (one, block))
        for one in matchings.matched
        for block in one.done.blocks
    ]
    return [_grid(matchings, *name, members) for name, members in grouped(pairs).items()]


def _grid(
    matchings: Matchings,
    atlas: str,
    block: str,
    members: Sequence[tuple[MatchedModel, MatchedBlock]],
) -> Grid:
    rows, sentences = [], []
    for way, finds in WAYS.items():
        scored = [(one, scores_of(getattr(own, way))) for one, own in members]
        chance = {MEASURES[s.measure]: _number(s.measure, s.chance) for s in scored[0][1]}
        rows.append({"finds": finds, "model": "by chance", **chance})
        for one, scores in scored:
            cells = {MEASURES[score.measure]: _cell(score) for score in scores}
            rows.append({"finds": finds, "model": label(one.job), **cells})
            summary = next(score for score in scores if score.measure == SUMMARY)
            gain = gain_over_control(matchings, one, block, way)
            sentences.append(_sentence(label(one.job), finds, summary, gain))
    (first, own), synthetic = members[0], members[0][0].done.atlas["synthetic"]
    sizes = sorted(set(own.profiles.gallery.tolist()))
    below = notes(
        "match",
        sentences=sentences,
        folds=FOLDS,
        gallery=f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"{sizes[0]}",
        seeds=sorted({one.job.seed for one, _ in members}),
        n_same=first.done.n_same,
        few=first.done.few,
        synthetic=synthetic,
    )
    title = f"{dataset_label(atlas, synthetic=synthetic)}, {block}: {len(own.keys):,} pairs"
    return Grid.of(title, rows, ("finds", "model"), below)


def _sentence(model: str, finds: str, score: RetrievalScore, gain: MrrGain | None) -> str:
    """Return in plain words what the MRR of a model says."""
    low, high, chance = (_number(score.measure, v) for v in (score.low, score.high, score.chance))
    interval = f"MRR {_number(score.measure, score.score)}, 95 % {low} to {high}, chance {chance}"
    said = {
        "above": f"finds the {finds} more often than chance",
        "below": f"finds the {finds} less often than chance",
        "chance": f"is not shown to find the {finds}: the interval includes chance",
    }
    if gain is not None:
        interval += (
            f"; {gain.gain:+.3f}, {gain.low:+.3f} to {gain.high:+.3f}, over permuted profiles"
        )
    return f"{model} {said[score.verdict]} ({interval})."


def _cell(score: RetrievalScore) -> str:
    ends = (_number(score.measure, end) for end in (score.low, score.high))
    return f"{_number(score.measure, score.score)} ({' to '.join(ends)})"


def _number(measure: str, value: float) -> str:
    """Return a share in percent, or a mean of ranks with three decimals."""
    return f"{100 * value:.1f}" if measure.startswith("hit") else f"{value:.3f}"

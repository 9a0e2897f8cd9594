"""Matchings as files, there and back: what a folder holds already is not matched again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.errors import UsageError
from chmr_bench.plugins import registry
from chmr_bench.records.rounding import as_json
from chmr_bench.report.grids import section
from chmr_bench.report.matching import (
    WAYS,
    MatchedModel,
    Matchings,
    gain_over_control,
    match_grids,
)
from chmr_bench.report.render import write_files
from chmr_bench.runner.matching import MatchedBlock, Matching, MatchJob
from chmr_bench.splits.grouped import FOLDS
from chmr_bench.statistics.retrieval import Ranks
from chmr_bench.statistics.retrieval import retrieval_scores as scores_of

FORMAT = 3
"""Of the JSON: changes whenever an entry means something else."""
STEM = "match"
RANKS = ("first", "last", "gallery")


def match_json(matchings: Matchings, *, with_ranks: bool = False) -> dict[str, Any]:
    """Return all of it as plain values; `with_ranks`, so that scores can be computed again."""
    matched = [_json(matchings, one, with_ranks) for one in matchings.matched]
    return {
        "format": FORMAT,
        "matchings": matched,
        "not_applicable": dict(matchings.inapplicable),
        "failed": dict(matchings.failed),
    }


def _json(matchings: Matchings, one: MatchedModel, with_ranks: bool) -> dict[str, Any]:
    done = one.done
    blocks = []
    for block in done.blocks:
        content = _block_json(block, with_ranks)
        for way in WAYS:
            gain = gain_over_control(matchings, one, block.block, way)
            content[way]["over_shuffled"] = gain and vars(gain)
        blocks.append(content)
    return {
        **_asked(one.job),
        "atlas": dict(done.atlas),
        "n_pairs": done.n_pairs,
        "n_same_molecule": done.n_same,
        "too_few_pairs": dict(done.few),
        "seconds": round(done.seconds, 1),
        "environment": dict(one.environment),
        "blocks": blocks,
    }


def _asked(job: MatchJob) -> dict[str, Any]:
    """Return what can change the ranks of a job, beside its atlas and the versions of features."""
    plugin = registry().model(job.spec.name).plugin
    return {
        "model": job.spec.name,
        "model_version": job.spec.version,
        "plugin": plugin.name,
        "plugin_version": plugin.version,
        "shuffled": job.shuffled,
        "settings": job.config.model_dump(mode="json"),
        "seed": job.seed,
        "folds": FOLDS,
        "precision": job.precision,
        "device": job.device,
    }


def _block_json(block: MatchedBlock, with_ranks: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"block": block.block, "n_pairs": len(block.keys)}
    for way in WAYS:
        ranks: Ranks = getattr(block, way)
        scores = {s.measure: {**vars(s), "verdict": s.verdict} for s in scores_of(ranks)}
        content[way] = {"finds": WAYS[way], "scores": scores}
        if with_ranks:
            content[way] |= {name: getattr(ranks, name).tolist() for name in RANKS}
    return content | ({"keys": list(block.keys)} if with_ranks else {})


def write_matchings(matchings: Matchings, folder: Path) -> list[Path]:
    """Write the page and the JSON with every rank; return the files.

    Raises
    ------
    UsageError
        The folder cannot be written.
    """
    page = "\n\n".join(["# Matching", *(section("##", grid) for grid in match_grids(matchings))])
    texts = {
        f"{STEM}.md": page + "\n",
        f"{STEM}.json": as_json(match_json(matchings, with_ranks=True)),
    }
    return write_files(folder, texts)


def stored(folder: Path, asked: Sequence[tuple[MatchJob, str]]) -> list[MatchedModel | None]:
    """Return what an earlier command left in a folder of each job; None where it left nothing.

    Parameters
    ----------
    asked :
        Jobs, each with the digest of its atlas.

    Raises
    ------
    UsageError
        What is there was not asked for, and would be lost.
    """
    file = folder / f"{STEM}.json"
    entries = _entries(file)
    jobs = [(_asked(job), digest) for job, digest in asked]
    lost = [e["model"] for e in entries if not any(_is_of(e, *job) for job in jobs)]
    if lost:
        raise UsageError(
            f"--out: {file} holds what this command does not ask for, and would be written over: "
            f"{', '.join(dict.fromkeys(lost))}, with other settings, seed, version or atlas, or "
            "not named now. Name another folder, or move that file away"
        )
    found = [next((e for e in entries if _is_of(e, *job)), None) for job in jobs]
    return [
        MatchedModel(job, _matching(entry), entry["environment"], stored=True) if entry else None
        for (job, _), entry in zip(asked, found, strict=True)
    ]


def _is_of(entry: Mapping[str, Any], asked: Mapping[str, Any], digest: str) -> bool:
    """Return whether an entry is of that job, on the atlas of that digest."""
    same = all(entry.get(name) == value for name, value in asked.items())
    return same and entry["atlas"]["data"] == digest


def _entries(file: Path) -> list[dict[str, Any]]:
    """Return the entries of a file, none where there is none."""
    if not file.is_file():
        return []
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = content["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"--out: {file} is no file of `match`; move it away: {error}") from error
    if version != FORMAT:
        raise UsageError(
            f"--out: {file} has format {version}, this version writes {FORMAT}; move it away"
        )
    return list(content["matchings"])


def _matching(entry: Mapping[str, Any]) -> Matching:
    blocks = tuple(
        MatchedBlock(b["block"], tuple(b["keys"]), *(_ranks(b[way]) for way in WAYS))
        for b in entry["blocks"]
    )
    counts = (entry["n_pairs"], entry["n_same_molecule"], entry["too_few_pairs"])
    return Matching(blocks, entry["atlas"], *counts, entry["seconds"])


def _ranks(content: Mapping[str, Any]) -> Ranks:
    return Ranks(*(np.array(content[name], dtype=np.int64) for name in RANKS))

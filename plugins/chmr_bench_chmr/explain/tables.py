"""Codes and their usage as CSV files."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chmr_bench import Inputs
from chmr_bench.nn.pretraining.files import write_atomically
from chmr_bench.types import IntArray
from chmr_bench_chmr.explain.coding import CodedLatents, CodedModality
from chmr_bench_chmr.tree_vq import perplexity

ALL = "all"
"""The row of `levels.csv` that takes all modalities together."""


def write_tables(out: Path, inputs: Inputs, coded: CodedLatents) -> list[Path]:
    """Write codes.csv, usage.csv and levels.csv; return their places."""
    levels = [f"level_{level}" for level in range(1, len(coded.sizes) + 1)]
    path = ["path"] if coded.is_tree else []
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = {
        "codes.csv": (
            ["row", "smiles", "connectivity", "modality", *levels, *path],
            _code_rows(inputs, coded),
        ),
        "usage.csv": (
            ["modality", "level", "code", "n_molecules", "share"],
            _usage_rows(coded),
        ),
        "levels.csv": (
            ["modality", "level", "n_codes", "n_used", "perplexity", "n_molecules", "agreement"],
            _level_rows(coded),
        ),
    }
    for name, (header, rows) in tables.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        write_atomically(out / name, text.getvalue().encode())
    return [out / name for name in tables]


def _code_rows(inputs: Inputs, coded: CodedLatents) -> Iterator[list[Any]]:
    for row, smiles in enumerate(inputs.smiles):
        key = inputs.keys[row] if inputs.keys else ""
        for name, modality in coded.modalities.items():
            codes = modality.codes[row].tolist()
            if not modality.observed[row]:
                codes = [""] * len(codes)
            path = [tree_path(codes)] if coded.is_tree else []
            yield [row, smiles, key, name, *codes, *path]


def tree_path(codes: Sequence[Any]) -> str:
    """Return the way from the root to a leaf, 0 for left and 1 for right; "" where there is none.

    Code c of level h has the bits of its way as its binary digits.
    """
    return "" if codes[-1] == "" else format(int(codes[-1]), f"0{len(codes)}b")


def _usage_rows(coded: CodedLatents) -> Iterator[list[Any]]:
    for name, modality in coded.modalities.items():
        codes = modality.codes[modality.observed]
        for level, size in enumerate(coded.sizes):
            counts = np.bincount(codes[:, level], minlength=size)
            for code, n in enumerate(counts.tolist()):
                yield [name, level + 1, code, n, _rounded(n / max(len(codes), 1))]


def _level_rows(coded: CodedLatents) -> Iterator[list[Any]]:
    parts = {name: m.codes[m.observed] for name, m in coded.modalities.items()}
    parts |= {ALL: np.concatenate(list(parts.values()))}
    for name, codes in parts.items():
        perplexities = perplexity(torch.from_numpy(codes), coded.sizes)
        for level, size in enumerate(coded.sizes):
            n_used = len(np.unique(codes[:, level]))
            value = _rounded(perplexities[level]) if len(codes) else ""
            agrees = agreement(coded, name, level)
            yield [name, level + 1, size, n_used, value, len(codes), agrees]


def agreement(coded: CodedLatents, name: str, level: int) -> float | str:
    """Return how often two modalities of a molecule share a code; "" where no molecule has two.

    Parameters
    ----------
    name : str
        The modality compared with all others, or `ALL` for all pairs.
    """
    same, pairs = 0, 0
    for a, b in itertools.combinations(coded.modalities, 2):
        if name in (ALL, a, b):
            first, second = _together(coded.modalities[a], coded.modalities[b], level)
            same, pairs = same + int((first == second).sum()), pairs + len(first)
    return _rounded(same / pairs) if pairs else ""


def _together(a: CodedModality, b: CodedModality, level: int) -> tuple[IntArray, IntArray]:
    """Return the codes of the molecules that have both."""
    both = a.observed & b.observed
    return a.codes[both, level], b.codes[both, level]


def _rounded(value: float) -> float:
    return round(value, 6)

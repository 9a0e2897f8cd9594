"""check_dataset finds each broken promise."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chmr_bench import Dataset, DatasetSpec, MatrixBlock, PluginError, Split
from chmr_bench.contracts import part_digest
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import ChmrBenchError
from chmr_bench.testing import check_dataset

N = 10
SPEC = DatasetSpec(
    name="toy",
    title="A toy",
    task_type="classification",
    task_names=("a", "b"),
    metric="roc_auc",
    n_molecules=N,
    load="toys:load",
    split_rule="toys:split",
    split_sizes=(8, 1, 1),
    modalities=("structure", "viability"),
    ceilings="toys:ceilings",
)
OFFLINE = FetchOptions(mirror=None, offline=True)


def honest() -> Dataset:
    y = np.zeros((N, 2))
    y[::2, 0] = 1.0
    y[3:6, 1] = np.nan
    observed = np.arange(N) < 7
    values = np.where(observed[:, None], 1.5, np.nan)
    names = ("a", "b")
    blocks = {"viability": MatrixBlock(values, observed)}
    return Dataset(tuple("C" * (i + 1) for i in range(N)), y, names, blocks)


def whole_split() -> Split:
    rows = np.arange(N, dtype=np.int64)
    return Split(rows[:8], rows[8:9], rows[9:])


def install(
    monkeypatch: pytest.MonkeyPatch,
    *datasets: Dataset,
    split: Split | None = None,
    ceilings: Any = None,
) -> None:
    """Make module `toys` whose load() gives the datasets in turn."""
    given = itertools.cycle(datasets or (honest(),))
    module = ModuleType("toys")
    members = {
        "load": lambda spec, files: next(given),
        "split": lambda dataset: split or whole_split(),
        "ceilings": lambda: {"structure": 0.9} if ceilings is None else ceilings,
    }
    for name, value in members.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "toys", module)


def with_labels(**entries: float) -> Dataset:
    dataset = honest()
    for place, value in entries.items():
        dataset.y[int(place[1:]), 0] = value
    return dataset


def test_an_honest_dataset_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    digests = tuple(part_digest(whole_split().part(p)) for p in ("train", "valid", "test"))
    check_dataset(replace(SPEC, split_digests=digests), OFFLINE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_molecules": 11, "split_sizes": (0, 0, 0)}, "10"),
        ({"task_names": ("b", "a")}, "called 'a'"),
        ({"modalities": ("structure",)}, "blocks"),
        ({"split_sizes": (7, 2, 1)}, "sizes"),
        ({"split_digests": ("0" * 64,) * 3}, "train rows are not those"),
    ],
)
def test_what_the_spec_states_must_hold(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    install(monkeypatch)
    with pytest.raises(ChmrBenchError, match=words):
        check_dataset(replace(SPEC, **changes), OFFLINE)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (with_labels(r0=2.0), "row 0.*0, 1 or NaN"),
        (with_labels(r0=np.inf), "row 0.*inf"),
        (with_labels(**{f"r{i}": np.nan for i in range(N)}), "no label at all"),
        (replace(honest(), smiles=("",) * N), "empty SMILES"),
        (replace(honest(), keys=("A",)), "1 keys for 10"),
        (replace(honest(), y=honest().y.astype(np.float32)), "expected float64"),
    ],
)
def test_labels_and_molecules_must_be_whole(
    monkeypatch: pytest.MonkeyPatch, dataset: Dataset, words: str
) -> None:
    install(monkeypatch, dataset)
    with pytest.raises(ChmrBenchError, match=words):
        check_dataset(SPEC, OFFLINE)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((N, 1)), "hold numbers"),
        (np.full((N, 1), np.nan), "holds no number"),
        (np.zeros((N - 1, 1)), r"expected \(10, d\)"),
    ],
)
def test_blocks_must_say_what_is_observed(
    monkeypatch: pytest.MonkeyPatch, values: Any, words: str
) -> None:
    block = MatrixBlock(values, np.arange(N) < 7)
    install(monkeypatch, replace(honest(), blocks={"viability": block}))
    with pytest.raises(ChmrBenchError, match=words):
        check_dataset(SPEC, OFFLINE)


def test_loading_twice_must_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, honest(), with_labels(r1=1.0))
    with pytest.raises(PluginError, match="two contents"):
        check_dataset(SPEC, OFFLINE)


def test_a_split_with_a_row_in_two_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(N, dtype=np.int64)
    install(monkeypatch, split=Split(rows[:8], rows[8:9], rows[8:]))
    with pytest.raises(ChmrBenchError):
        check_dataset(SPEC, OFFLINE)


@pytest.mark.parametrize("ceilings", [{}, {"structure": float("nan")}, [0.9]])
def test_ceilings_must_be_numbers(monkeypatch: pytest.MonkeyPatch, ceilings: Any) -> None:
    install(monkeypatch, ceilings=ceilings)
    with pytest.raises(PluginError, match="ceiling"):
        check_dataset(SPEC, OFFLINE)

"""check_atlas finds each broken promise."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from chmr_bench import AtlasSpec, MatrixBlock, PluginError, ReadOuts
from chmr_bench.cells import Atlas, Genes
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import ChmrBenchError
from chmr_bench.features.cache import connectivity_keys
from chmr_bench.testing import check_atlas

SPEC = AtlasSpec(name="toy", title="A toy", load="toys:load", modalities=("activity",))
SMILES = ("CCO", "CCN", "CCC")
OBSERVED = np.array([True, False, True])
VALUES = np.where(OBSERVED[:, None], 1.5, np.nan)


def honest() -> Atlas:
    keys = connectivity_keys(SMILES, n_jobs=1)
    return Atlas("toy", SMILES, keys, {"activity": MatrixBlock(VALUES, OBSERVED)})


def check(
    monkeypatch: pytest.MonkeyPatch, *atlases: Atlas, twice: bool = True, spec: AtlasSpec = SPEC
) -> None:
    """Check a module `toys` whose load() gives the atlases in turn."""
    given = itertools.cycle(atlases)
    module = ModuleType("toys")
    vars(module)["load"] = lambda spec, files: next(given)
    monkeypatch.setitem(sys.modules, "toys", module)
    check_atlas(spec, FetchOptions(offline=True), twice=twice)


def with_block(values: np.ndarray, observed: np.ndarray) -> Atlas:
    return replace(honest(), blocks={"activity": MatrixBlock(values, observed)})


def test_an_honest_atlas_passes(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    check(monkeypatch, honest())


BROKEN = {
    "begins with 'LFQSCWFLJHTTHZ'": lambda: replace(honest(), keys=("A", "B", "C")),
    "no molecule": lambda: honest().take(np.zeros(0, dtype=np.int64)),
    "no molecule has a finite number": lambda: with_block(VALUES * np.nan, np.zeros(3, bool)),
    "hold numbers; expected NaN": lambda: with_block(np.ones((3, 1)), OBSERVED),
    "observed is float64, not bool": lambda: with_block(VALUES, OBSERVED.astype(float)),
    "expected floats": lambda: with_block(np.ones((3, 1), dtype=int), np.ones(3, bool)),
    "NaN or infinity": lambda: with_block(VALUES * [1.0, np.inf], OBSERVED),
}


@pytest.mark.parametrize("message", sorted(BROKEN))
def test_a_broken_promise_is_named(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChmrBenchError, match=message):
        check(monkeypatch, BROKEN[message]())


def test_a_loader_that_raises_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(spec: AtlasSpec, files: object) -> Atlas:
        raise ValueError("no such sheet")

    module = ModuleType("toys")
    vars(module)["load"] = load
    monkeypatch.setitem(sys.modules, "toys", module)
    words = "atlas 'toy': toys:load raised ValueError: no such sheet"
    with pytest.raises(PluginError, match=words):
        check_atlas(SPEC, FetchOptions(offline=True))


def test_two_contents_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = with_block(VALUES + 1, OBSERVED)
    with pytest.raises(PluginError, match="opened twice"):
        check(monkeypatch, honest(), other)
    check(monkeypatch, honest(), other, twice=False)


FACTS = ReadOuts("activity", 1, filled=1.0, n_molecules=2)
WRONG_FACTS = {
    "n is 1, registered 7": replace(FACTS, n=7),
    "filled is 1, registered 0.5": replace(FACTS, filled=0.5),
    "n_molecules is 2, registered 9": replace(FACTS, n_molecules=9),
    "registered as calls; expected 0 to 1": replace(FACTS, kind="calls"),
    r"blocks \['activity'\], registered \['growth'\]": replace(FACTS, block="growth"),
}


@pytest.mark.parametrize("message", sorted(WRONG_FACTS))
def test_what_is_registered_of_a_block_is_held_against_it(
    message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(monkeypatch, honest(), spec=replace(SPEC, readouts=(FACTS,)))
    with pytest.raises(PluginError, match=message):
        check(monkeypatch, honest(), spec=replace(SPEC, readouts=(WRONG_FACTS[message],)))


def test_profiles_measured_in_part_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, 1.0]])
    facts = ReadOuts("activity", 2, filled=0.75, kind="calls", n_molecules=2)
    atlas = with_block(values, np.isfinite(values))
    check(monkeypatch, atlas, spec=replace(SPEC, readouts=(facts,)))


def test_genes_alone_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    atlas = Atlas("toy", (), (), {}, genes=Genes(("10",)))
    check(monkeypatch, atlas, spec=replace(SPEC, modalities=()))

"""Whatever a table holds for a SMILES: numbers or an error of ours, soon, and the same twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chmr_bench import splits
from chmr_bench.cells.sources.keys import keys_where_readable
from chmr_bench.contracts import Dataset, GraphBlock
from chmr_bench.errors import ChmrBenchError, DataError
from chmr_bench.features import molecules
from chmr_bench.features.cache import connectivity_keys
from chmr_bench.features.parallel import compute_block
from chmr_bench.features.plugin import FEATURES, IDENTITY
from chmr_bench.testing.blocks import equal_blocks

T = TypeVar("T")

THOROUGH = bool(os.environ.get("CHMR_BENCH_THOROUGH"))
"""Set it to try a hundred times as many."""
MOLECULES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3",
    "[Na+].[Cl-]",
    "F/C=C/c1nc2ccccc2[nH]1",
    "[2H]C([2H])([2H])S(=O)(=O)[N-]C1CC1.[K+]",
    "*c1ccc(B(O)O)cc1",
    "C1CC2CC3CC1C23.CC#N",
)
TOKENS = (
    *"CNOSPFIBcnosp()[]=#-+.:/\\@%*$~ \t\n",
    *"0123456789",
    "Cl",
    "Br",
    "[nH]",
    "[O-]",
    "[NH4+]",
    "[C@@H]",
    "[13CH3]",
    "[#119]",
    "[Fe+2]",
    "[Og]",
    "[H]",
    "c1ccccc1",
    "C" * 60,
    "C(F)(F)" * 20,
    "%10",
    "é",
    "\udc80",
    "\0",
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a molecule's SMILES in which a few pieces were put in, taken out or swapped."""
    text = draw(st.sampled_from(MOLECULES))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 3)))
        text = text[:start] + draw(st.sampled_from(("", *TOKENS))) + text[stop:]
    return text


ANY_SMILES = st.one_of(
    mutated(), mutated(), st.lists(st.sampled_from(TOKENS), max_size=12).map("".join), st.text()
)
READABLE = mutated().filter(molecules.is_parsable)


def tried(max_examples: int) -> Callable[[T], T]:
    """Return hypothesis's settings: so many examples, ten seconds each at most."""
    found: Any = settings(
        max_examples=max_examples * (100 if THOROUGH else 1),
        deadline=10_000,
        suppress_health_check=list(HealthCheck),
    )
    return found  # type: ignore[no-any-return]


def outcome(function: Callable[[], T]) -> T | str:
    """Return what comes out, or our error's text; any other error is the test's failure."""
    try:
        return function()
    except ChmrBenchError as error:
        message = f"{type(error).__name__}: {error}"
    assert "\n" not in message
    return message


def assert_same(one: Any, two: Any) -> None:
    assert one == two if isinstance(one, str) else equal_blocks(one, two)


@pytest.mark.parametrize(
    "spec", [s for s in (*FEATURES, IDENTITY) if s.name != "unimol"], ids=lambda spec: spec.name
)
def test_every_feature(spec: Any) -> None:
    @tried(30)
    @given(st.lists(READABLE | READABLE | ANY_SMILES, min_size=1, max_size=3))
    def check(smiles: list[str]) -> None:
        one = outcome(lambda: compute_block(spec, spec.settings, smiles))
        assert_same(one, outcome(lambda: compute_block(spec, spec.settings, smiles)))
        if isinstance(one, str):
            assert one.startswith("FeatureError: feature")
            assert "in row" in one
        elif isinstance(one, GraphBlock):
            assert len(one) == len(smiles)

    check()


@tried(15)
@given(st.lists(READABLE | READABLE | ANY_SMILES, min_size=1, max_size=12), st.integers(0, 24))
def test_every_split(smiles: list[str], seed: int) -> None:
    smiles = [*MOLECULES, *smiles]
    data = Dataset(tuple(smiles), np.zeros((len(smiles), 1)), ("task",))
    keys = outcome(lambda: connectivity_keys(smiles))
    methods = [m for m in splits.methods() if THOROUGH or ":" not in m]
    for method in methods:

        def make(method: str = method) -> Any:
            if isinstance(keys, str) and splits.needs_keys(method):
                raise DataError(keys)
            return splits.make_split(method, data, seed=seed, keys=keys or (), n_jobs=2)

        one, two = outcome(make), outcome(make)
        if isinstance(one, str):
            assert one == two
            continue
        for part in ("train", "valid", "test"):
            np.testing.assert_array_equal(one.part(part), two.part(part))


@tried(60)
@given(ANY_SMILES)
def test_what_is_strictly_parsable_is_parsable(smiles: str) -> None:
    reason = molecules.strictly_parsable(smiles)
    if reason is None:
        assert molecules.is_parsable(smiles)
    else:
        assert "\n" not in reason


@pytest.mark.slow
@tried(10)
@given(st.lists(ANY_SMILES, max_size=8))
def test_an_atlas_loses_no_row(smiles: list[str]) -> None:
    found = keys_where_readable(smiles)
    assert len(found.keys) == len(found.unreadable) == len(smiles)
    for text, unreadable in zip(smiles, found.unreadable, strict=True):
        assert molecules.is_parsable(text) != bool(unreadable)

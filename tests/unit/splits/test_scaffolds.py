"""Scaffolds: of one molecule, and the same over worker processes."""

from __future__ import annotations

import time

import numpy as np
import pytest

from chmr_bench import splits
from chmr_bench.contracts import Dataset, Split
from chmr_bench.errors import FeatureError
from chmr_bench.features import identity, parallel
from chmr_bench.features.molecules import parse
from chmr_bench.splits import scaffolds

ALUMINIUM = "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3"
"""Row 137 of HIV: RDKit refuses its six-valent aluminium."""


def dataset(smiles: list[str]) -> Dataset:
    return Dataset(tuple(smiles), np.zeros((len(smiles), 1)), ("task",))


@pytest.mark.parametrize(
    ("smiles", "scaffold"),
    [
        ("CCO", ""),
        ("CCc1ccccc1", "c1ccccc1"),
        ("O=C(c1ccccc1)C1CC1", "O=C(c1ccccc1)C1CC1"),
        ("[Na+].[Cl-]", ""),
    ],
)
def test_scaffold_of_one_molecule(smiles: str, scaffold: str) -> None:
    assert splits.scaffold_smiles([smiles]) == [scaffold]


def test_a_molecule_that_sanitisation_refuses_keeps_its_rings() -> None:
    (scaffold,) = splits.scaffold_smiles([ALUMINIUM])
    assert "Al" in scaffold
    assert scaffold == splits.scaffold_smiles([scaffold])[0]


def test_chirality_is_kept_or_dropped_as_asked() -> None:
    pair = ["C[C@H]1C[C@@H](c2ccccc2)CN1c1ccccc1", "C[C@H]1C[C@H](c2ccccc2)CN1c1ccccc1"]
    assert len(set(splits.scaffold_smiles(pair, chirality=True))) == 2
    assert len(set(splits.scaffold_smiles(pair, chirality=False))) == 1


def test_an_unreadable_smiles_is_named_with_its_row() -> None:
    with pytest.raises(FeatureError, match=r"row 1 \(0-based\).*'C\(C'"):
        splits.scaffold_smiles(["CC", "C(C"])


def test_worker_processes_give_the_same_scaffolds(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = ["C" * (i % 5 + 1) + "c1ccccc1" + "N" * (i % 2) for i in range(9)] + [ALUMINIUM]
    expected = splits.scaffold_smiles(smiles, n_jobs=1)
    monkeypatch.setattr(parallel, "CHUNK_LIMITS", (1, 4))
    assert splits.scaffold_smiles(smiles, n_jobs=2) == expected


@pytest.mark.parametrize("method", ["scaffold", "reference"])
@pytest.mark.parametrize(("n_jobs", "used"), [(1, 1), (3, 3), (None, 7)])
def test_a_split_keeps_to_the_cores_it_is_given(
    monkeypatch: pytest.MonkeyPatch, method: str, n_jobs: int | None, used: int
) -> None:
    seen = []

    def counted(smiles: tuple[str, ...], chirality: bool, jobs: int) -> tuple[str, ...]:
        seen.append(jobs)
        return smiles

    def rule(data: Dataset) -> Split:
        return splits.pour_balanced(splits.group_by_scaffold(splits.scaffold_smiles(data.smiles)))

    monkeypatch.setattr(scaffolds, "_scaffolds", counted)
    monkeypatch.setattr(scaffolds, "available_cores", lambda: 7)
    data = dataset([f"C{i}" for i in range(20)])
    splits.make_split(method, data, rule=rule, n_jobs=n_jobs)
    splits.scaffold_smiles(["CC"])  # of no split: all cores again
    assert seen == [used, 7]


@pytest.mark.parametrize("smiles", ["[#119]", "c1ccccc1" + "C" * 3000, "C" * 20_000])
def test_a_molecule_that_cannot_be_decomposed_is_named_with_its_row(smiles: str) -> None:
    with pytest.raises(FeatureError, match=r"row 1 \(0-based\).*(cannot be read|too big)"):
        splits.scaffold_smiles(["CC", smiles])


def test_a_chain_has_no_scaffold_at_once() -> None:
    began = time.process_time()
    assert identity.murcko(parse("C" * 1000), chirality=True) == ""
    assert time.process_time() - began < 0.5

"""Descriptors agree with RDKit; what is not a number is NaN, what is too large is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

from chmr_bench.errors import UnknownNameError
from chmr_bench.features.descriptors import descriptors

SMILES = ["CCO", "c1ccccc1C(=O)O", "CC(=O)[O-].[Na+]"]


def test_values_and_names_are_those_of_rdkit() -> None:
    block = descriptors(SMILES)
    assert isinstance(block.values, np.ndarray)
    assert block.values.dtype == np.float32
    assert block.names == tuple(name for name, _ in Descriptors.descList)
    weight = block.names.index("MolWt")
    expected = [Descriptors.MolWt(Chem.MolFromSmiles(s)) for s in SMILES]
    np.testing.assert_allclose(block.values[:, weight], expected, rtol=1e-6)
    whole = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(SMILES[1]))
    expected = [whole[name] for name in block.names]
    np.testing.assert_allclose(block.values[1], expected, rtol=1e-5)


def test_some_by_name_are_columns_of_the_whole() -> None:
    whole, some = descriptors(SMILES), descriptors(SMILES, names="TPSA,MolWt")
    assert some.names == ("TPSA", "MolWt")
    columns = [whole.names.index(name) for name in some.names]
    values: Any = whole.values
    np.testing.assert_array_equal(some.values, values[:, columns])


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'MolWt'"):
        descriptors(SMILES, names="TPSA,MolWgt")


def test_what_cannot_be_computed_is_nan_in_that_place_only() -> None:
    block = descriptors(["C", "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3"])
    values: Any = block.values
    missing = np.isnan(values[1])
    assert 0 < missing.sum() < 30
    assert np.isfinite(values[1, block.names.index("MolWt")])
    np.testing.assert_array_equal(block.observed, np.isfinite(values))


def test_a_large_molecule_has_all_but_the_costly() -> None:
    block = descriptors(["c1ccccc1" + "C" * 400])
    missing = [
        name for name, there in zip(block.names, block.observed[0], strict=True) if not there
    ]
    assert sorted(missing) == ["AvgIpc", "Ipc"]


def test_infinite_and_huge_values_never_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = {"endless": float("inf"), "huge": 1e300, "low": -1e300}
    table = [(name, lambda mol, value=value: value) for name, value in strange.items()]
    monkeypatch.setattr(Descriptors, "descList", table)
    block = descriptors(["C"])
    values: Any = block.values
    limit = np.finfo(np.float32).max
    assert np.isnan(values[0, 0])
    assert values[0, 1:3].tolist() == [limit, -limit]
    assert block.observed.tolist() == [[False, True, True]]


def test_no_molecule_gives_no_row_but_all_columns() -> None:
    block = descriptors([])
    assert block.values.shape == (0, len(Descriptors.descList))

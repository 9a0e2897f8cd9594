"""Geometry: unchanged by motion, the same every time, honest where no conformer is to be had."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors, rdMolTransforms

from chmr_bench.errors import SettingError
from chmr_bench.features import conformers
from chmr_bench.features.conformers import embed, geometry
from chmr_bench.features.molecules import parse

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
STRAINED = "CCOC(=O)CCC(NC(=O)C(Cc1ccc([N+](=O)[O-])cc1)NC(=O)OC(C)(C)C)C(=O)NC(CCC(=O)OCC)C(=O)OCC"
"""ETKDGv3 does not place it within ten iterations; random coordinates do."""
IMPOSSIBLE = "C[C@@]12CC[C@H](CC1=O)C2(C)C"
"""Camphor whose bridge would have to pass through its ring."""


def column(block: Any, name: str) -> Any:
    return block.values[:, block.names.index(name)]


def rows(*smiles: str, **settings: Any) -> Any:
    return geometry(smiles, **settings).values


def test_columns_are_those_of_rdkit_tamed() -> None:
    block = geometry([ASPIRIN])
    assert block.values.shape == (1, 399)
    assert block.values.dtype == np.float32
    assert len(set(block.names)) == 399
    mol = embed(parse(ASPIRIN))
    assert mol is not None
    radial = rdMolDescriptors.CalcRDF(mol)
    scattered = rdMolDescriptors.CalcMORSE(mol)
    expected = {
        "pmi3": rdMolDescriptors.CalcPMI3(mol),
        "plane_of_best_fit": rdMolDescriptors.CalcPBF(mol),
        "usrcat_donor_farthest_from_farthest_skew": rdMolDescriptors.GetUSRCAT(mol)[59],
        "auto_mass_1": rdMolDescriptors.CalcAUTOCORR3D(mol)[10],
        "rdf_unit_1.0": radial[0],
        "rdf_electronegativity_15.5": radial[3 * 30 + 29],
        "morse_mass_0": scattered[32],
        "morse_state_31": scattered[6 * 32 + 31],
    }
    for name, value in expected.items():
        tamed = np.sign(value) * np.log1p(abs(value))
        np.testing.assert_allclose(column(block, name), tamed, rtol=1e-5, err_msg=name)


def test_the_weightings_stand_where_rdkit_has_them() -> None:
    """A bromine is heavy, lithium polarisable, fluorine electronegative; carbons weigh one."""

    def weighted(smiles: str) -> dict[str, float]:
        mol = embed(Chem.MolFromSmiles(smiles))
        assert mol is not None
        first = rdMolDescriptors.CalcMORSE(mol)[:: conformers.ANGLES]
        return dict(zip(conformers.WEIGHTINGS, first, strict=True))

    assert len(set(np.round(list(weighted("CCCCCC").values()), 6))) == 1
    assert max(weighted("CCCCCBr"), key=weighted("CCCCCBr").__getitem__) == "mass"
    assert max(weighted("CCCCC[Li]"), key=weighted("CCCCC[Li]").__getitem__) == "polarisability"
    fluoride = weighted("CCCCCF")
    assert fluoride["electronegativity"] > fluoride["unit"] > fluoride["polarisability"]


def test_nothing_changes_when_the_molecule_is_turned_and_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still = rows(ASPIRIN)
    turn = np.array([[0, -1, 0, 7], [1, 0, 0, -3], [0, 0, 1, 5], [0, 0, 0, 1]], dtype=np.float64)

    def turned(mol: Chem.Mol, hydrogens: bool = False, seed: int = 0) -> Chem.Mol | None:
        found = embed(mol, hydrogens, seed)
        assert found is not None
        rdMolTransforms.TransformConformer(found.GetConformer(), turn)
        return found

    monkeypatch.setattr(conformers, "embed", turned)
    np.testing.assert_allclose(rows(ASPIRIN), still, atol=2e-3)


def test_it_is_the_shape_that_counts() -> None:
    names = ("CCCCCCCCCC", "c1ccccc1", "C1C2CC3CC1CC(C2)C3")
    rod, disc, ball = (geometry([smiles]) for smiles in names)
    assert column(rod, "asphericity") > column(disc, "asphericity") > column(ball, "asphericity")
    assert column(disc, "plane_of_best_fit") < 0.05 < column(ball, "plane_of_best_fit")


def test_the_same_every_time_and_the_seed_and_hydrogens_matter() -> None:
    base = rows(ASPIRIN)
    np.testing.assert_array_equal(rows("CCO", ASPIRIN)[1:], base)
    assert np.abs(rows(ASPIRIN, seed=2) - base).max() > 0.01
    assert np.abs(rows(ASPIRIN, hydrogens=True) - base).max() > 0.1


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_rdkit_would_not_keep_is_refused(seed: int) -> None:
    with pytest.raises(SettingError, match="'seed'"):
        geometry(["CCO"], seed=seed)


def test_counter_ions_have_no_place() -> None:
    np.testing.assert_array_equal(rows("[Na+].CC(=O)[O-].Cl"), rows("CC(=O)[O-]"))


@pytest.mark.parametrize(
    "smiles", ["C", "II", "[Na+].[Cl-]", "[H][H]", "C" * 251, "*", "F[Al](F)(F)(F)(F)(F)(F)F"]
)
def test_what_has_no_shape_is_not_observed_and_never_raises(smiles: str) -> None:
    block = geometry(["CCO", smiles, "CCN"])
    assert block.observed.tolist() == [True, False, True]
    values = np.asarray(block.values)
    assert not values[1].any()
    assert np.isfinite(values).all()


@pytest.mark.parametrize(("smiles", "steps"), [(ASPIRIN, 1), (STRAINED, 2), (IMPOSSIBLE, 3)])
def test_the_fallback_takes_one_step_after_the_other(
    smiles: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = conformers._attempts
    monkeypatch.setattr(conformers, "_attempts", lambda seed: list(attempts(seed))[: steps - 1])
    assert not geometry([smiles]).observed.any()
    monkeypatch.setattr(conformers, "_attempts", lambda seed: list(attempts(seed))[:steps])
    assert geometry([smiles]).observed.all()


@pytest.mark.slow
def test_real_molecules_nearly_all_have_a_shape(mirror: Path) -> None:
    with (mirror / "hiv" / "HIV.csv").open(newline="") as file:
        smiles = [row["smiles"] for row in csv.DictReader(file)][::400]
    block = geometry(smiles)
    assert block.observed.mean() > 0.97
    seen = np.asarray(block.values)[block.observed]
    assert np.isfinite(seen).all()
    assert np.abs(seen).max() < 20
    assert (seen.std(axis=0) > 0).mean() > 0.95

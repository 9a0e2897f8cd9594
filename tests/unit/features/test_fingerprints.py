"""Fingerprints agree with RDKit called directly, and hold nothing dense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Avalon import pyAvalonTools
from rdkit.Chem import MACCSkeys
from rdkit.Chem import rdFingerprintGenerator as generators
from scipy import sparse

from chmr_bench.contracts import MatrixBlock
from chmr_bench.errors import SettingError
from chmr_bench.features import fingerprints

SMILES = ["CCO", "c1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(=O)[O-].[Na+]", "C"]
MOLS = [Chem.MolFromSmiles(s) for s in SMILES]

GENERATORS: dict[str, tuple[Callable[..., MatrixBlock], Any]] = {
    "morgan": (fingerprints.morgan, generators.GetMorganGenerator(radius=2, fpSize=2048)),
    "fcfp": (
        fingerprints.fcfp,
        generators.GetMorganGenerator(
            radius=2,
            fpSize=2048,
            atomInvariantsGenerator=generators.GetMorganFeatureAtomInvGen(),
        ),
    ),
    "rdkit": (fingerprints.rdkit, generators.GetRDKitFPGenerator(fpSize=2048)),
    "atom_pair": (fingerprints.atom_pair, generators.GetAtomPairGenerator(fpSize=2048)),
    "torsion": (fingerprints.torsion, generators.GetTopologicalTorsionGenerator(fpSize=2048)),
}


def matrix(block: MatrixBlock) -> sparse.csr_array:
    assert isinstance(block.values, sparse.csr_array)
    assert block.observed.all()
    return block.values


@pytest.mark.parametrize("name", GENERATORS)
def test_bits_are_those_of_rdkit(name: str) -> None:
    feature, generator = GENERATORS[name]
    values = matrix(feature(SMILES))
    expected = np.stack([generator.GetFingerprintAsNumPy(mol) for mol in MOLS])
    assert values.dtype == np.uint8
    np.testing.assert_array_equal(values.toarray(), expected)


@pytest.mark.parametrize("name", GENERATORS)
def test_counts_are_those_of_rdkit(name: str) -> None:
    feature, generator = GENERATORS[name]
    values = matrix(feature(SMILES, counts=True))
    expected = np.stack([generator.GetCountFingerprintAsNumPy(mol) for mol in MOLS])
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values.toarray(), expected)


def test_maccs_and_avalon_are_those_of_rdkit() -> None:
    maccs = np.array([list(MACCSkeys.GenMACCSKeys(mol)) for mol in MOLS])
    avalon = np.array([list(pyAvalonTools.GetAvalonFP(mol, nBits=1024)) for mol in MOLS])
    np.testing.assert_array_equal(matrix(fingerprints.maccs(SMILES)).toarray(), maccs)
    np.testing.assert_array_equal(
        matrix(fingerprints.avalon(SMILES, n_bits=1024)).toarray(), avalon
    )


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("counts", [False, True])
def test_the_matrix_is_compressed_and_sorted(name: str, counts: bool) -> None:
    values = matrix(GENERATORS[name][0](SMILES, counts=counts))
    assert values.indices.dtype == np.int32
    rows = [values.indices[a:b] for a, b in zip(values.indptr, values.indptr[1:], strict=False)]
    assert all((np.diff(row) > 0).all() for row in rows)
    assert (values.data > 0).all()


def test_settings_reach_rdkit() -> None:
    wide = matrix(fingerprints.morgan(SMILES, radius=3, n_bits=512))
    generator = generators.GetMorganGenerator(radius=3, fpSize=512)
    expected = np.stack([generator.GetFingerprintAsNumPy(mol) for mol in MOLS])
    np.testing.assert_array_equal(wide.toarray(), expected)


@pytest.mark.parametrize(
    "feature", [fingerprints.morgan, fingerprints.atom_pair, fingerprints.torsion]
)
def test_enantiomers_differ_only_with_chirality(feature: Callable[..., MatrixBlock]) -> None:
    left, right = "CC[C@H](N)C(=O)O", "CC[C@@H](N)C(=O)O"
    # RDKit folds atom pairs by a power of two so that the chiral bits fall away: hence a prime.
    flat = matrix(feature([left, right], n_bits=2039)).toarray()
    chiral = matrix(feature([left, right], n_bits=2039, chirality=True)).toarray()
    assert (flat[0] == flat[1]).all()
    assert (chiral[0] != chiral[1]).any()


def test_a_count_beyond_uint16_is_cut_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counts:
        def GetCountFingerprint(self, mol: Chem.Mol) -> Counts:
            return self

        def GetNonzeroElements(self) -> dict[int, int]:
            return {7: 70_000, 3: 2}

    monkeypatch.setattr(generators, "GetMorganGenerator", lambda **_: Counts())
    values = matrix(fingerprints.morgan(["C"], n_bits=8, counts=True))
    assert values.toarray().tolist() == [[0, 0, 0, 2, 0, 0, 0, fingerprints.MAX_COUNT]]


@pytest.mark.parametrize(
    ("feature", "settings"),
    [
        (fingerprints.morgan, {"radius": -1}),
        (fingerprints.morgan, {"n_bits": 0}),
        (fingerprints.rdkit, {"min_path": 8, "max_path": 7}),
        (fingerprints.atom_pair, {"max_distance": 0}),
        (fingerprints.torsion, {"n_bits": -5}),
        (fingerprints.avalon, {"n_bits": 1}),
    ],
)
def test_a_value_that_does_not_fit_is_refused(feature: Any, settings: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="expected an integer"):
        feature(SMILES, **settings)

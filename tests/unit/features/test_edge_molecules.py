"""Molecules that break careless features go through every registered feature."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.contracts import FeatureSpec, GraphBlock
from chmr_bench.contracts.blocks import block_arrays
from chmr_bench.features.cache import featurise
from chmr_bench.features.plugin import FEATURES as REGISTERED
from chmr_bench.features.plugin import chmr_bench_features

FEATURES = tuple(spec for spec in REGISTERED if "unimol_tools" not in spec.depends)
"""Those that need no extra."""
EDGE_MOLECULES = {
    "one atom": "C",
    "ion": "[Na+]",
    "salt": "CC(=O)[O-].[Na+]",
    "no bonds": "[Na+].[Cl-]",
    "300 atoms": "C" * 150 + "OC" * 75,
    "dummy atom": "*CCO",
    "hydrogen": "[H][H]",
    "isotopes": "[2H]C([2H])([2H])O",
    "uranium": "O=[U+2]=O",
    "aluminium of valence 6": "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3",
    "not kekulisable": "c1cccc1",
    "stereo": "C/C=C/[C@H](N)C(=O)O",
}
HIV_ROWS = (137, 987, 12882, 18293, 30784, 30785, 35728)
"""Rows whose valences RDKit refuses from 2024.09 on."""


def names(specs: tuple[FeatureSpec, ...]) -> list[str]:
    return [spec.name for spec in specs]


@pytest.mark.parametrize("spec", FEATURES, ids=names(FEATURES))
@pytest.mark.parametrize("molecule", EDGE_MOLECULES)
def test_every_feature_bears_every_molecule(spec: FeatureSpec, molecule: str) -> None:
    block = featurise(spec, {}, ["CCO", EDGE_MOLECULES[molecule]], n_jobs=1)
    assert len(block) == 2
    if isinstance(block, GraphBlock):
        assert block.atom_offsets[-1] == len(block.atoms) > 0
    else:
        assert block.values.shape[0] == 2


@pytest.mark.parametrize("spec", FEATURES, ids=names(FEATURES))
def test_every_feature_bears_the_seven_of_hiv(spec: FeatureSpec, mirror: object) -> None:
    import csv
    from pathlib import Path

    with (Path(str(mirror)) / "hiv" / "HIV.csv").open(newline="") as file:
        smiles = [row["smiles"] for row in csv.DictReader(file)]
    block = featurise(spec, {}, [smiles[row] for row in HIV_ROWS], n_jobs=1)
    has_shape = spec.name not in (
        "geometry",
        "conformer",
    )  # RDKit places no atom whose valence it refuses
    observed = block.observed if block.observed.ndim == 1 else block.observed.any(axis=1)
    assert observed.tolist() == [has_shape] * 7


@pytest.mark.parametrize("spec", FEATURES, ids=names(FEATURES))
def test_a_row_depends_on_its_molecule_alone(spec: FeatureSpec) -> None:
    smiles = ["CCO", "c1ccccc1", "CC(=O)[O-].[Na+]", "CC(N)C(=O)O"]
    whole = featurise(spec, {}, smiles, n_jobs=1)
    for row in range(len(smiles)):
        alone = featurise(spec, {}, [smiles[row]], n_jobs=1)
        taken = whole.take(np.array([row]))
        for a, b in zip(block_arrays(alone), block_arrays(taken), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_plugin_offers_the_features_of_the_listing() -> None:
    assert chmr_bench_features() is REGISTERED
    assert set(names(REGISTERED)) == {
        "morgan",
        "fcfp",
        "maccs",
        "rdkit",
        "atom_pair",
        "torsion",
        "avalon",
        "descriptors",
        "graph",
        "geometry",
        "conformer",
        "image",
        "unimol",
        "connectivity",
        "neutral_parent",
    }

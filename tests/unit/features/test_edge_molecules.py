"""Molecules that break careless features go through every registered feature."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chmr_bench.contracts import FeatureSpec, GraphBlock
from chmr_bench.features.cache import featurise
from chmr_bench.features.plugin import chmr_bench_features

FEATURES = [spec for spec in chmr_bench_features() if "unimol_tools" not in spec.depends]
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


@pytest.mark.parametrize("spec", FEATURES, ids=lambda spec: spec.name)
@pytest.mark.parametrize("molecule", EDGE_MOLECULES)
def test_every_feature_bears_every_molecule(spec: FeatureSpec, molecule: str) -> None:
    block = featurise(spec, {}, ["CCO", EDGE_MOLECULES[molecule]], n_jobs=1)
    assert len(block) == 2
    if isinstance(block, GraphBlock):
        assert block.atom_offsets[-1] == len(block.atoms) > 0
    else:
        assert block.values.shape[0] == 2


@pytest.mark.parametrize("spec", FEATURES, ids=lambda spec: spec.name)
def test_every_feature_bears_the_seven_of_hiv(spec: FeatureSpec, mirror: Path) -> None:
    with (mirror / "hiv" / "HIV.csv").open(newline="") as file:
        smiles = [row["smiles"] for row in csv.DictReader(file)]
    block = featurise(spec, {}, [smiles[row] for row in HIV_ROWS], n_jobs=1)
    # RDKit places no atom whose valence it refuses.
    has_shape = spec.name not in ("geometry", "conformer")
    observed = block.observed.reshape(7, -1).any(axis=1)
    assert observed.tolist() == [has_shape] * 7

"""Which rows are one molecule, held against what the real data say themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chmr_bench.cells.atlas import Atlas
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.features import cache
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.runner import DatasetRequest, Datasets, SplitRequest
from chmr_bench.runner.pretraining import AtlasData

NINE = {
    *("chembl2k", "broad6k", "biogen3k", "toxcast", "bbbp", "bace", "clintox", "sider", "hiv"),
}


@pytest.mark.slow
def test_the_test_rows_of_chembl2k_are_the_compounds_that_jump_says(
    mirror: Path, known_features: Path
) -> None:
    """A column of the benchmark names each row's compound: 588 of them have a profile in JUMP."""
    import pandas as pd

    datasets = Datasets(FetchOptions(mirror=str(mirror), offline=True))
    data = datasets.load(DatasetRequest(name="chembl2k"))
    test = data.split(SplitRequest("reference")).test
    jump = mirror / "cells" / "jump_map"
    rows = pd.read_csv(mirror / "chembl2k" / "assays.csv.gz").iloc[test]
    compounds = pd.read_csv(jump / "JUMPCP_compounds.csv.gz")
    active = pd.read_csv(next(jump.glob("phenotypic*")), usecols=["Metadata_JCP2022"])
    pairs = rows.merge(compounds.merge(active), on="Metadata_JCP2022")
    assert len(pairs) == 588
    ours, theirs = (cache.molecule_keys([*pairs[f"smiles_{end}"]]) for end in "xy")
    same = np.array(ours.parents) == np.array(theirs.parents)
    same |= np.array(ours.keys) == np.array(theirs.keys)
    assert same.sum() >= 583
    assert (np.array(ours.keys) == np.array(theirs.keys)).sum() < 460
    assert ours.among(theirs)[same].all()


@pytest.mark.slow
@pytest.mark.parametrize("atlases", [("jump-activity",), ("yeast-cgm", "cmap02", "wong2024")])
def test_no_atlas_molecule_is_another_form_of_a_test_molecule(
    atlases: tuple[str, ...], mirror: Path, known_features: Path
) -> None:
    options = FetchOptions(mirror=str(mirror), offline=True)
    atlas, info = AtlasData(options, n_jobs=2).open(atlases, False)
    assert {*info["left_out_of"]} >= NINE
    assert info["n_left_out"] > 100
    learnt, datasets = forms_of(atlas), Datasets(options, n_jobs=2)
    for name in sorted(NINE):
        data = datasets.load(DatasetRequest(name=name))
        test = data.molecules(rows=data.split(SplitRequest("reference")).test)
        assert not {*test.keys, *test.parents} - {""} & learnt, name


def forms_of(atlas: Atlas) -> set[str]:
    """Return every name of the molecules as they stand in the atlas, and of all their forms."""
    made: MoleculeKeys = cache.molecule_keys(atlas.smiles, n_jobs=2)
    return {*made.keys, *made.parents, *atlas.every_key} - {""}

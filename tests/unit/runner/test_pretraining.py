"""What a pretraining may see: atlases without the benchmarks' test molecules."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.ablation.missing import Missing, uniform
from chmr_bench.cells import ProfileTable, assay_block, sources
from chmr_bench.cells.atlas import Atlas
from chmr_bench.cells.sources import opening
from chmr_bench.contracts import AtlasSpec, DatasetSpec, MatrixBlock, ReadOuts
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, UnknownNameError, UsageError
from chmr_bench.features.cache import connectivity_keys
from chmr_bench.plugins import registry
from chmr_bench.runner import pretraining
from chmr_bench.runner.pretraining import AtlasData, benchmarks

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def quick_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the real benchmarks, whose files are not here, out of the registry."""
    known = registry().datasets
    for name in [n for n in known if not n.startswith("quick-")]:
        monkeypatch.delitem(known, name)


@pytest.fixture
def data(quick_only: None) -> AtlasData:
    return AtlasData(FetchOptions(offline=True))


def test_test_molecules_of_real_benchmarks_are_left_out_of_a_real_atlas(data: AtlasData) -> None:
    atlas, info = data.open(("quick-atlas",), False)
    # The test thirds: 20 of quick-data's 60 alkanes, 10 of quick-small's 30, both from methane on.
    expected = connectivity_keys(["C" * (i + 1) for i in range(20, 40)], n_jobs=1)
    assert atlas.keys == expected
    assert info["n_molecules"] == info["n_left_out"] == 20
    assert info["left_out_of"] == ["quick-data", "quick-small"]
    assert info["transductive"] is info["synthetic"] is False


def test_leaving_out_takes_block_by_block_and_holds_no_two_copies(
    data: AtlasData, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = data.open(("quick-atlas",), True)
    observed = np.arange(len(plain)) % 3 > 0

    def wide(*_: Any) -> Atlas:
        numbers = np.arange(20_000, dtype=np.float32)
        blocks = {
            f"growth.{i}": MatrixBlock(np.tile(numbers, (len(plain), 1)), observed)
            for i in range(6)
        }
        return dataclasses.replace(plain, blocks=blocks)

    monkeypatch.setattr(sources, "open_atlases", wide)
    left_out = data.test_molecules(benchmarks([registry().atlas("quick-atlas").spec]))
    expected = wide().without(left_out)
    tracemalloc.start()
    atlas, info = data.open(("quick-atlas",), False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (atlas.smiles, atlas.keys) == (expected.smiles, expected.keys)
    assert list(atlas.blocks) == list(expected.blocks)
    assert atlas.digest() == expected.digest()
    assert info["n_molecules"] == info["n_left_out"] == 20
    assert peak < 1.3 * 6 * len(plain) * 20_000 * 4  # two copies: 1.5 times


def test_a_simulated_atlas_is_kept_from_simulated_benchmarks_alone(data: AtlasData) -> None:
    atlas, info = data.open(("quick-made-atlas",), False)
    assert info["left_out_of"] == ["quick-made"]
    assert len(atlas) == 30
    assert info["synthetic"] is True


def test_transductive_keeps_them(data: AtlasData) -> None:
    atlas, info = data.open(("quick-atlas",), True)
    assert len(atlas) == 40
    assert info["transductive"] is True
    assert info["left_out_of"] == []


def test_the_digest_opens_nothing_and_tells_what_would_be_opened(
    data: AtlasData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(pretraining, "_test_molecules", never)
    found = {
        data.digest(names, transductive)
        for names in (("quick-atlas",), ("quick-made-atlas",))
        for transductive in (False, True)
    }
    assert len(found) == 4
    fresh = AtlasData(FetchOptions(offline=True))
    assert fresh.digest(("quick-atlas",), False) in found


def test_another_benchmark_is_another_digest(
    data: AtlasData, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data.digest(("quick-atlas",), False)
    kept = data.digest(("quick-atlas",), True)
    entry = registry().datasets["quick-small"]
    longer = dataclasses.replace(entry, spec=dataclasses.replace(entry.spec, version="2"))
    monkeypatch.setitem(registry().datasets, "quick-small", longer)
    later = AtlasData(FetchOptions(offline=True))
    assert later.digest(("quick-atlas",), False) != before
    assert later.digest(("quick-atlas",), True) == kept


def test_where_numbers_are_censored_makes_another_digest(
    data: AtlasData, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data.digest(("quick-atlas",), False)
    entry = registry().atlases["quick-atlas"]
    readouts = (ReadOuts(entry.spec.modalities[0], 1, censored_at=1.0),)
    censored = dataclasses.replace(entry, spec=dataclasses.replace(entry.spec, readouts=readouts))
    monkeypatch.setitem(registry().atlases, "quick-atlas", censored)
    assert AtlasData(FetchOptions(offline=True)).digest(("quick-atlas",), False) != before


def test_datasets_without_a_reference_split_have_no_test_part() -> None:
    (atlas,) = (registry().atlases[n].spec for n in ("quick-atlas",))
    names = {d.name for d in benchmarks([atlas])}
    assert {"tox21", "quick-remote", "planted"} & names == set()
    assert {"hiv", "toxcast", "quick-data"} <= names


def test_a_folder_counts_as_measured() -> None:
    assert {d.synthetic for d in benchmarks([Path("mine")])} == {False}


def test_test_molecules_are_worked_out_once(
    data: AtlasData, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    specs = [registry().dataset("quick-small").spec]
    first = data.test_molecules(specs)
    monkeypatch.setattr(pretraining, "_test_molecules", None)
    assert data.test_molecules(specs) == first
    assert len(first) == 10
    (file,) = (home / "held-out").iterdir()
    file.unlink()
    with pytest.raises(TypeError):
        data.test_molecules(specs)


def test_a_benchmark_that_cannot_be_had_stops_it_and_says_what_to_do(data: AtlasData) -> None:
    remote = registry().dataset("quick-remote").spec
    spec = dataclasses.replace(remote, split_rule="quick_models:reference")
    with pytest.raises(DataError, match=r"nowhere/x\.csv.*--transductive"):
        data.test_molecules([spec])


def test_a_split_that_is_not_the_pinned_one_stops_it(data: AtlasData) -> None:
    small = registry().dataset("quick-small").spec
    spec: DatasetSpec = dataclasses.replace(small, split_digests=("0" * 64,) * 3)
    with pytest.raises(DataError, match="the rule gives other rows"):
        data.test_molecules([spec])


def test_an_unknown_atlas_offers_the_nearest(data: AtlasData) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'quick-atlas'"):
        data.digest(("quick-atlass",), False)


def test_a_folder_that_is_no_atlas_is_the_users_mistake(data: AtlasData, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(UsageError, match="expected index"):
        data.digest((f"folder:{folder}",), True)


def test_the_planted_atlas_shares_no_molecule_with_a_test_part() -> None:
    whole = AtlasData(FetchOptions(offline=True), n_jobs=2)
    names = [d for d in benchmarks([registry().atlas("planted").spec]) if d.name == "planted"]
    atlas, _ = whole.open(("planted",), True)
    assert not atlas.known_forms.names.among(whole.test_molecules(names)).any()
    assert np.unique(np.array(atlas.keys)).size == len(atlas)


# --------------------------------------------------------------------------- hidden on purpose


def with_missing(data: AtlasData, missing: Missing | None) -> AtlasData:
    return dataclasses.replace(data, missing=missing)


def test_masking_changes_the_digest_of_what_it_touches_alone(data: AtlasData) -> None:
    def digest(missing: Missing | None) -> str:
        return with_missing(data, missing).digest(("quick-atlas",), False)

    plain = digest(None)
    assert digest(Missing(0.0)) == plain
    assert digest(Missing(0.5, ("finetune", "test"))) == plain
    half = digest(Missing(0.5))
    assert len({plain, half, digest(Missing(0.25)), digest(Missing(0.5, seed=1))}) == 4
    assert digest(Missing(0.5, ("pretrain",))) == half
    assert digest(Missing(1.0, seed=1)) == digest(Missing(1.0, mechanism="scaffold"))


def test_an_atlas_keeps_its_molecules_and_loses_read_outs(data: AtlasData) -> None:
    whole, _ = data.open(("quick-atlas",), True)
    atlas, info = with_missing(data, Missing(0.5)).open(("quick-atlas",), True)
    assert atlas.keys == whole.keys
    left = int(atlas.blocks["size"].observed.sum())
    assert info["hidden"]["counts"]["size"] == {"observed": 40, "hidden": 40 - left, "filled": 0}
    assert 0 < left < 40
    nothing, _ = with_missing(data, Missing(1.0)).open(("quick-atlas",), True)
    assert not nothing.blocks["size"].observed.any()
    filled, told = with_missing(data, Missing(0.5, fill="neighbour")).open(("quick-atlas",), True)
    # Methane shares no bit with anybody, so nobody lends to it.
    n_filled = told["hidden"]["counts"]["size"]["filled"]
    assert int(filled.blocks["size"].observed.sum()) == left + n_filled
    assert n_filled == 40 - left - (not atlas.blocks["size"].observed[0])


def test_a_molecule_loses_it_whatever_else_the_atlas_holds(data: AtlasData) -> None:
    def left(transductive: bool) -> dict[str, bool]:
        atlas, _ = with_missing(data, Missing(0.5, mechanism="scaffold")).open(
            ("quick-atlas",), transductive
        )
        return dict(zip(atlas.keys, atlas.blocks["size"].observed.tolist(), strict=True))

    part, whole = left(False), left(True)
    assert len(part) < len(whole)
    assert all(whole[key] == seen for key, seen in part.items())


def test_what_models_compute_of_a_structure_is_hidden_of_an_atlas(data: AtlasData) -> None:
    """The same molecules as anywhere else; who does not name it hides nothing."""
    missing = Missing(0.5, ("pretrain",), modalities=("image",))
    atlas, info = dataclasses.replace(data, missing=missing).open(("quick-atlas",), True)
    lost = uniform(0, atlas.keys, "image") < 0.5
    assert set(atlas.hidden) == {"image"}
    np.testing.assert_array_equal(atlas.hidden["image"], lost)
    counts = info["hidden"]["counts"]["image"]
    assert counts == {"observed": 40, "hidden": int(lost.sum()), "filled": 0}
    few = atlas.take(np.array([3, 1]))
    np.testing.assert_array_equal(few.hidden["image"], lost[[3, 1]])
    cells = dataclasses.replace(data, missing=Missing(0.5, ("pretrain",)))
    assert cells.open(("quick-atlas",), True)[0].hidden == {}


@pytest.fixture
def assays(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register an atlas of labelled assays, of methane to hexatriacontane, and return its name."""
    spec = AtlasSpec(
        "toy-assays", "Toy", f"{__name__}:assays_of_alkanes", ("assay.toy",), kind="assays"
    )
    entry = dataclasses.replace(registry().atlases["quick-atlas"], spec=spec)
    monkeypatch.setitem(registry().atlases, spec.name, entry)
    monkeypatch.setattr(opening, "load_object", lambda _: assays_of_alkanes)
    return spec.name


def assays_of_alkanes(spec: AtlasSpec, files: Any) -> ProfileTable:
    smiles = tuple("C" * (i + 1) for i in range(36))
    block = assay_block(np.arange(36), np.zeros(36, dtype=int), np.ones(36), 36, ("a",))
    return ProfileTable(smiles, {}, assays={"assay.toy": block})


def test_only_a_model_that_says_so_gets_assays(data: AtlasData, assays: str) -> None:
    with pytest.raises(UsageError, match=r"'toy-assays' holds labelled assays, not cells; only .*"):
        data.digest(("quick-atlas", assays), False)
    with pytest.raises(UsageError, match="not cells"):
        data.open((assays,), False)


def test_test_molecules_are_left_out_of_assays_and_never_kept(data: AtlasData, assays: str) -> None:
    reader = dataclasses.replace(data, assays=True)
    atlas, info = reader.open((assays,), False)
    assert atlas.keys == connectivity_keys(["C" * (i + 1) for i in range(20, 36)], n_jobs=1)
    assert info["assays"] == ["assay.toy"]
    assert info["n_left_out"] == 20
    assert atlas.assays["assay.toy"].values.nnz == 16
    with pytest.raises(UsageError, match="molecules of test parts are never kept in"):
        reader.open((assays,), True)

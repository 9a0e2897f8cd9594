"""Uni-Mol behind the interface of a feature; its package is played by a fake one."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from chmr_bench.errors import FeatureError, MissingDependencyError, SettingError
from chmr_bench.features import unimol as module
from chmr_bench.features.cache import featurise
from chmr_bench.features.plugin import FEATURES
from chmr_bench.features.unimol import unimol

ETHANOL, SALT = "CCO", "CC(=O)[O-].[Na+]"


class FakeRepr:
    """Represents a molecule by its number of atoms, hydrogens and extent."""

    made: ClassVar[list[dict[str, Any]]] = []
    reply: Any = staticmethod(lambda rows: rows)
    wants: type = str

    def __init__(self, **settings: Any) -> None:
        self.made.append(settings)

    def get_repr(self, data: dict[str, Any]) -> Any:
        rows = []
        for atoms, coordinates in zip(data["atoms"], data["coordinates"], strict=True):
            if not isinstance(atoms[0], self.wants):
                raise ValueError("invalid literal for int() with base 10: 'C'")
            assert coordinates.shape == (len(atoms), 3)
            sys.stdout.write("noise")
            row = np.zeros(512, dtype=np.float32)
            hydrogens = sum(atom in ("H", 1) for atom in atoms)
            row[:3] = len(atoms), hydrogens, coordinates.std()
            rows.append(row)
        return self.reply(rows)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeRepr]]:
    package: Any = types.ModuleType("unimol_tools")
    package.UniMolRepr = FakeRepr
    monkeypatch.setitem(sys.modules, "unimol_tools", package)
    monkeypatch.setattr(FakeRepr, "made", [])
    module._network.cache_clear()
    yield FakeRepr
    module._network.cache_clear()


def test_rows_are_those_of_the_package_and_it_is_quiet(
    fake: type[FakeRepr], capsys: pytest.CaptureFixture[str]
) -> None:
    block = unimol([ETHANOL, "C", SALT])
    assert block.values.shape == (3, 512)
    assert block.values.dtype == np.float32
    assert block.observed.tolist() == [True, False, True]
    assert np.asarray(block.values)[:, :2].tolist() == [[9, 6], [0, 0], [7, 3]]
    assert capsys.readouterr() == ("", "")
    unimol([ETHANOL])
    assert len(fake.made) == 1, "the network is read once, not once a chunk"
    assert fake.made[0]["remove_hs"] is False
    assert fake.made[0]["use_cuda"] is False
    assert fake.made[0]["batch_size"] == 1


def test_settings_reach_the_package(fake: type[FakeRepr]) -> None:
    block = unimol([ETHANOL], remove_hydrogens=True, device="cuda")
    assert np.asarray(block.values)[0, :2].tolist() == [3, 0]
    assert fake.made[0]["remove_hs"] is True
    assert fake.made[0]["use_cuda"] is True
    with pytest.raises(SettingError, match="'device' is 'tpu'"):
        unimol([ETHANOL], device="tpu")
    with pytest.raises(SettingError, match="'seed'"):
        unimol([ETHANOL], seed=-1)


def test_versions_that_want_atomic_numbers_or_answer_with_a_dictionary(
    fake: type[FakeRepr], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = unimol([ETHANOL]).values
    monkeypatch.setattr(fake, "wants", int)
    monkeypatch.setattr(fake, "reply", staticmethod(lambda rows: {"cls_repr": rows}))
    np.testing.assert_array_equal(unimol([ETHANOL]).values, expected)


@pytest.mark.parametrize("answer", [np.zeros((1, 768)), np.full((1, 512), np.nan), []])
def test_another_answer_is_an_error(
    fake: type[FakeRepr], monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(fake, "reply", staticmethod(lambda rows: answer))
    with pytest.raises(FeatureError, match=r"expected \(1, 512\) finite"):
        unimol([ETHANOL])


@pytest.mark.slow
def test_a_molecule_that_uni_mol_would_cut_is_not_observed(
    fake: type[FakeRepr], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "C" * 85  # 257 atoms with hydrogens, 85 without
    with monkeypatch.context() as patch:
        patch.setattr("rdkit.Chem.rdDistGeom.EmbedMolecule", None)  # to find its shape is slow
        assert not unimol([long]).observed.any()
    assert unimol([long], remove_hydrogens=True).observed.all()


def test_without_the_package_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unimol_tools", None)
    module._network.cache_clear()
    spec = next(spec for spec in FEATURES if spec.name == "unimol")
    with pytest.raises(MissingDependencyError, match=r"pip install 'chmr-bench\[unimol\]'"):
        featurise(spec, {}, [ETHANOL], n_jobs=1)

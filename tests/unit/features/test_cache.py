"""Features are computed once; the cache is named after all that the numbers depend on."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import FeatureSpec, MatrixBlock
from chmr_bench.errors import (
    DataError,
    FeatureError,
    MissingDependencyError,
    SettingError,
    UnknownNameError,
)
from chmr_bench.features import cache
from chmr_bench.features.plugin import FEATURES

MORGAN = next(spec for spec in FEATURES if spec.name == "morgan")
SMILES = ["CCO", "c1ccccc1", "CC(=O)[O-].[Na+]"]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the features computed, as opposed to read."""
    names: list[str] = []
    real = cache.compute_block

    def counted(spec: FeatureSpec, *arguments: Any) -> Any:
        names.append(spec.name)
        return real(spec, *arguments)

    monkeypatch.setattr(cache, "compute_block", counted)
    return names


def bits(block: Any) -> Any:
    assert isinstance(block, MatrixBlock)
    values: Any = block.values
    return values.toarray()


def test_a_second_call_computes_nothing(tmp_path: Path, computed: list[str]) -> None:
    first = cache.featurise(MORGAN, {}, SMILES, n_jobs=1, cache=tmp_path)
    seen: list[tuple[int, int, str]] = []
    second = cache.featurise(
        MORGAN, {}, tuple(SMILES), n_jobs=2, progress=lambda *s: seen.append(s), cache=tmp_path
    )
    assert computed == ["morgan"]
    assert seen[-1] == (3, 3, "molecules")
    np.testing.assert_array_equal(bits(first), bits(second))


def test_defaults_given_or_left_out_are_one_thing(tmp_path: Path, computed: list[str]) -> None:
    cache.featurise(MORGAN, {}, SMILES, n_jobs=1, cache=tmp_path)
    cache.featurise(MORGAN, {"radius": 2}, SMILES, n_jobs=1, cache=tmp_path)
    assert computed == ["morgan"]


@pytest.mark.parametrize("what", ["settings", "order", "molecules", "version", "rdkit"])
def test_whatever_changes_the_numbers_changes_the_place(
    what: str, tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.featurise(MORGAN, {}, SMILES, n_jobs=1, cache=tmp_path)
    settings: dict[str, Any] = {"radius": 3} if what == "settings" else {}
    spec = dataclasses.replace(MORGAN, version="2") if what == "version" else MORGAN
    smiles = {"order": SMILES[::-1], "molecules": [*SMILES, "C"]}.get(what, SMILES)
    if what == "rdkit":
        monkeypatch.setattr(cache.metadata, "version", lambda name: "1999.09.1")
    cache.featurise(spec, settings, smiles, n_jobs=1, cache=tmp_path)
    assert computed == ["morgan", "morgan"]


def test_joined_smiles_are_not_confused(tmp_path: Path, computed: list[str]) -> None:
    cache.featurise(MORGAN, {}, ["CC", "O"], n_jobs=1, cache=tmp_path)
    cache.featurise(MORGAN, {}, ["C", "CO"], n_jobs=1, cache=tmp_path)
    assert computed == ["morgan", "morgan"]


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_file_is_reported_and_replaced(
    kept: float, tmp_path: Path, computed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = cache.featurise(MORGAN, {}, SMILES, n_jobs=1, cache=tmp_path)
    (path,) = tmp_path.rglob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with caplog.at_level(logging.WARNING, logger="chmr_bench.features"):
        second = cache.featurise(MORGAN, {}, SMILES, n_jobs=1, cache=tmp_path)
    assert path.name in caplog.text
    assert computed == ["morgan", "morgan"]
    np.testing.assert_array_equal(bits(first), bits(second))
    cache.featurise(MORGAN, {}, SMILES, n_jobs=1, cache=tmp_path)
    assert len(computed) == 2


def test_two_runs_at_once_compute_it_once(tmp_path: Path, computed: list[str]) -> None:
    began, waited, seen = threading.Event(), threading.Event(), list[str]()

    def first(done: int, total: int, unit: str) -> None:
        began.set()
        assert waited.wait(20)

    def second(done: int, total: int, unit: str) -> None:
        seen.append(unit)
        waited.set()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(cache.featurise, MORGAN, {}, SMILES, progress=first, cache=tmp_path)
        assert began.wait(20)
        two = pool.submit(cache.featurise, MORGAN, {}, SMILES, progress=second, cache=tmp_path)
        np.testing.assert_array_equal(bits(one.result()), bits(two.result()))
    assert computed == ["morgan"]
    assert (seen[0], seen[-1]) == ("molecules, by another run", "molecules")
    assert not list(tmp_path.rglob("*.lock"))


def test_without_a_folder_nothing_is_kept(computed: list[str]) -> None:
    cache.featurise(MORGAN, {}, SMILES, n_jobs=1)
    cache.featurise(MORGAN, {}, SMILES, n_jobs=1)
    assert computed == ["morgan", "morgan"]


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    block = cache.featurise(MORGAN, {}, SMILES, n_jobs=1, cache=blocked)
    assert len(block) == 3
    assert "is not cached" in caplog.text


def test_a_failure_is_not_cached(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"row 1 .*'C\('"):
        cache.featurise(MORGAN, {}, ["C", "C("], n_jobs=1, cache=tmp_path)
    assert list(tmp_path.rglob("*.npz")) == []


def test_an_unknown_setting_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"'raduis'; did you mean 'radius'\?.*morgan"):
        cache.featurise(MORGAN, {"raduis": 3}, SMILES)


@pytest.mark.parametrize(
    "wrong", [{"radius": "2"}, {"radius": 2.5}, {"radius": True}, {"counts": 1}, {"n_bits": None}]
)
def test_a_value_of_another_type_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="expected"):
        cache.featurise(MORGAN, wrong, SMILES)


def test_an_integer_will_do_for_a_float() -> None:
    spec = FeatureSpec("f", "F", "module:name", settings={"cut": 0.5})
    assert cache.resolve_settings(spec, {"cut": 1}) == {"cut": 1.0}
    assert isinstance(cache.resolve_settings(spec, {"cut": 1})["cut"], float)


def test_one_text_is_no_list_of_molecules() -> None:
    with pytest.raises(DataError, match="expected a list of SMILES"):
        cache.featurise(MORGAN, {}, "CCO")


def test_a_package_that_is_missing_is_named(tmp_path: Path) -> None:
    spec = dataclasses.replace(MORGAN, depends=("rdkit", "no-such-package"))
    with pytest.raises(MissingDependencyError, match="no-such-package"):
        cache.featurise(spec, {}, SMILES, cache=tmp_path)


@pytest.mark.parametrize("name", ["connectivity_keys", "neutral_parent_keys", "identities"])
def test_names_of_molecules_are_cached(tmp_path: Path, computed: list[str], name: str) -> None:
    first, again = (
        getattr(cache, name)(SMILES, n_jobs=1, cache=tmp_path / "features") for _ in range(2)
    )
    assert first == again
    assert len(computed) == 1


PROCESS = """
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from chmr_bench.features.cache import featurise
from chmr_bench.features.plugin import FEATURES
spec = next(s for s in FEATURES if s.name == "morgan")
smiles = ["C" * (1 + i % 40) + "O" for i in range(400)]
for turn in range(4):
    block = featurise(spec, {"radius": turn}, smiles, n_jobs=1, cache=Path(sys.argv[1]))
    print(turn, int(block.values.sum()))
"""


@pytest.mark.slow
def test_processes_at_once_do_no_harm(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        for _ in range(3)
    ]
    results = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], results
    assert len({out for out, _ in results}) == 1
    assert all(err == "" for _, err in results)
    assert len(list(tmp_path.rglob("*.npz"))) == 4
    assert [p for p in tmp_path.rglob("*") if p.suffix == ".tmp"] == []

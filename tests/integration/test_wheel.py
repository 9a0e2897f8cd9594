"""The wheel a user installs holds every package with its data files, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = {
    "chmr_bench": REPOSITORY / "chmr_bench",
    "chmr_bench_chmr": REPOSITORY / "plugins" / "chmr_bench_chmr",
    "chmr_bench_atlases": REPOSITORY / "plugins" / "chmr_bench_atlases",
    "chmr_bench_nine": REPOSITORY / "plugins" / "chmr_bench_nine",
    "chmr_bench_fingerprints": REPOSITORY / "baselines" / "chmr_bench_fingerprints",
    "chmr_bench_infoalign": REPOSITORY / "baselines" / "chmr_bench_infoalign",
    "chmr_bench_mmsa": REPOSITORY / "baselines" / "chmr_bench_mmsa",
    "chmr_bench_profiles": REPOSITORY / "baselines" / "chmr_bench_profiles",
    "chmr_bench/report/published": REPOSITORY / "baselines" / "published",
}
MEGABYTE = 2**20
STAND_INS = {"unimol_tools"}
"""Never installed here, tested with a stand-in: no version to pin."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps")
    command = [*pip, "--no-build-isolation", "-w", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("chmr_bench-*.whl")
    return path


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_in(wheel: Path, package: str) -> None:
    folder = PACKAGES[package]
    wanted = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for pattern in ("*.py", "*.toml", "*.j2", "*.txt", "py.typed")
        for path in folder.rglob(pattern)
    }
    assert wanted - names(wheel) == set()
    assert len(wanted) > 1


def test_nothing_else_is_in(wheel: Path) -> None:
    heads = {name.split("/")[0] for name in names(wheel)}
    assert {h for h in heads if not h.endswith(".dist-info")} == {
        p for p in PACKAGES if "/" not in p
    }
    assert not [n for n in names(wheel) if "__pycache__" in n or n.endswith(".pyc")]
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.compress_size for info in archive.infolist()}
    assert wheel.stat().st_size - sum(sizes[name] for name in shipped(sizes)) < MEGABYTE
    weights = [size for name, size in sizes.items() if name.endswith(".safetensors")]
    assert max(weights) < 15 * MEGABYTE


def shipped(names: Iterable[str]) -> list[str]:
    """Return the names of what belongs to weights that come with a plugin."""
    return [name for name in names if "/shipped/" in name]


def test_weights_come_with_their_cards(wheel: Path) -> None:
    folders = {name.rpartition("/")[0] for name in shipped(names(wheel))}
    assert "chmr_bench_chmr/shipped/planted" in folders
    for folder in folders:
        for file in ("weights.safetensors", "weights.sha256", "card.json", "README.md", "seen.npy"):
            assert f"{folder}/{file}" in names(wheel)


def test_what_is_for_download_holds_no_records() -> None:
    sdist = pytest.importorskip("hatchling.builders.sdist")
    found = sdist.SdistBuilder(str(REPOSITORY)).recurse_included_files()
    files = {file.distribution_path: Path(file.path).stat().st_size for file in found}
    assert "chmr_bench/__init__.py" in files
    records = ("runs/", "matching/", "audit/", "verified.json")
    left_out = tuple(f"leaderboards/{name}" for name in records)
    assert not [name for name in files if name.startswith(left_out)]
    code = {name: size for name, size in files.items() if name not in shipped(files)}
    assert sum(code.values()) < 10 * MEGABYTE


def test_every_plugin_of_ours_is_registered(wheel: Path) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        text = archive.read(path).decode()
    for name, module in project["entry-points"]["chmr_bench.v1"].items():
        assert f"{name} = {module}" in text
        assert f"{module.replace('.', '/')}.py" in names(wheel)
    assert any(n.endswith("licenses/LICENSE") for n in names(wheel))


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        requirements += [r for r in extra if not r.startswith("chmr-bench")]
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {
        line.split("==")[0].lower() for line in lines if "==" in line and not line.startswith("#")
    }
    wanted = {re.split(r"[<>=!~\[ ]", one)[0].lower() for one in requirements}
    assert wanted - pinned == STAND_INS

"""`chmr-bench data`: fetch, verify and list, on a mirror folder of two small files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from chmr_bench import cli, paths
from chmr_bench.cli import data
from chmr_bench.contracts import AtlasSpec, DatasetSpec, SourceFile
from chmr_bench.plugins import PluginInfo, Registered, Registry

CONTENTS = {"one/a.csv": b"smiles,y\nC,1\n", "two/b.csv": b"smiles,y\nCC,0\n"}
PLUGIN = PluginInfo("toys", "toys", "1", "toys.plugin")


def spec(name: str, *sources: SourceFile) -> DatasetSpec:
    return DatasetSpec(
        name, name, "classification", ("y",), "roc_auc", 1, "toys:load", sources=sources,
        suites=("demo",) if name == "bare" else ("all",),
    )  # fmt: skip


def source(path: str) -> SourceFile:
    content = CONTENTS[path]
    address = "http://127.0.0.1:1/" + path
    return SourceFile(path, hashlib.sha256(content).hexdigest(), len(content), address)


@pytest.fixture(autouse=True)
def mirror_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror of two files, registered with three datasets; an empty cache."""
    specs = [
        spec("one", source("one/a.csv")),
        spec("two", source("two/b.csv"), source("one/a.csv")),
        spec("bare"),
    ]
    table = Registry(datasets={s.name: Registered(s, PLUGIN) for s in specs})
    monkeypatch.setattr(data, "registry", lambda: table)
    monkeypatch.delenv("CHMR_BENCH_MIRROR", raising=False)
    for path, content in CONTENTS.items():
        file = tmp_path / "mirror" / path
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    return tmp_path / "mirror"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run ``chmr-bench data ARGUMENTS``; return exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as left:
        cli.main(["data", *arguments])
    out, error = capsys.readouterr()
    return int(left.value.code or 0), out, " ".join(error.split())


def states(out: str) -> dict[str, str]:
    value: dict[str, Any] = json.loads(out)
    return {entry["file"]: entry["state"] for entry in value["files"]}


def test_fetch_brings_every_file_of_the_suite_once(
    capsys: pytest.CaptureFixture[str], mirror_folder: Path
) -> None:
    options = ("fetch", "--mirror", str(mirror_folder), "--json")
    code, out, _ = call(capsys, *options)
    assert (code, states(out)) == (0, {"one/a.csv": "fetched", "two/b.csv": "fetched"})
    for path, content in CONTENTS.items():
        assert (paths.data_folder() / path).read_bytes() == content
    code, out, _ = call(capsys, *options)
    assert (code, states(out)) == (0, {"one/a.csv": "cached", "two/b.csv": "cached"})
    code, out, _ = call(capsys, "fetch", "--offline", "--dataset", "one")
    assert code == 0
    assert "one/a.csv" in out
    assert "two/b.csv" not in out


def test_fetch_goes_on_past_a_file_it_cannot_have(
    capsys: pytest.CaptureFixture[str], mirror_folder: Path
) -> None:
    (mirror_folder / "one" / "a.csv").unlink()
    code, out, error = call(capsys, "fetch", "--mirror", str(mirror_folder), "--json")
    assert (code, states(out)) == (3, {"one/a.csv": "failed", "two/b.csv": "fetched"})
    assert "mirror folder does not give it" in error
    assert "--suite demo" in error


def test_fetch_offline_with_an_empty_cache_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = call(capsys, "fetch", "--offline")
    assert code == 3
    assert "--offline forbids fetching it" in error


def test_the_mirror_may_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], mirror_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHMR_BENCH_MIRROR", str(mirror_folder))
    code, out, _ = call(capsys, "fetch", "--json")
    assert (code, set(states(out).values())) == (0, {"fetched"})


def test_verify_names_what_differs(capsys: pytest.CaptureFixture[str], mirror_folder: Path) -> None:
    code, _, error = call(capsys, "verify")
    assert code == 0
    assert "0 of 2 files in the cache are as pinned, 0 differ, 2 are not fetched" in error
    call(capsys, "fetch", "--mirror", str(mirror_folder))
    assert call(capsys, "verify")[0] == 0
    file = paths.data_folder() / "one" / "a.csv"
    file.write_bytes(file.read_bytes()[:-3])
    code, out, error = call(capsys, "verify", "--json")
    assert (code, states(out)) == (3, {"one/a.csv": "damaged", "two/b.csv": "ok"})
    assert "only 10 of 13 bytes" in error
    assert "'chmr-bench data fetch' replaces what differs" in error
    assert call(capsys, "fetch", "--mirror", str(mirror_folder))[0] == 0
    assert call(capsys, "verify")[0] == 0


def test_list_tells_the_state_of_each_file(
    capsys: pytest.CaptureFixture[str], mirror_folder: Path
) -> None:
    call(capsys, "fetch", "--mirror", str(mirror_folder), "--dataset", "one")
    code, out, _ = call(capsys, "list", "--json")
    assert (code, states(out)) == (0, {"one/a.csv": "ok", "two/b.csv": "missing"})
    entry = json.loads(out)["files"][1]
    assert entry["dataset"] == "two"
    assert entry["bytes"] == len(CONTENTS["two/b.csv"])
    assert entry["address"] == "http://127.0.0.1:1/two/b.csv"
    code, out, _ = call(capsys, "list")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()] == ["state", "ok", "missing"]


def test_a_dataset_without_files_needs_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = call(capsys, "fetch", "--suite", "demo")
    assert (code, out) == (0, "")
    assert "bare: needs no file" in error


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("fetch", "--dataset", "onee"), "did you mean 'one'?"),
        (("fetch", "--suite", "alll"), "did you mean 'all'?"),
        (("fetch", "--mirror", "ftp://x"), "expected a folder or an http"),
        (("verify", "--dataset", "onee"), "no dataset is called 'onee'"),
        (("list", "--suite", "none"), "no suite is called 'none'"),
    ],
)
def test_what_is_misspelt_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], what: str
) -> None:
    code, _, error = call(capsys, *arguments)
    assert code == 2
    assert what in error


def test_atlases_have_files_too(
    capsys: pytest.CaptureFixture[str], mirror_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = AtlasSpec("cells", "Cells", "toys:load", ("x",), sources=(source("two/b.csv"),))
    one = spec("one", source("one/a.csv"))
    table = Registry(
        datasets={"one": Registered(one, PLUGIN)}, atlases={"cells": Registered(atlas, PLUGIN)}
    )
    monkeypatch.setattr(data, "registry", lambda: table)
    mirror = ("--mirror", str(mirror_folder), "--json")
    assert states(call(capsys, "fetch", "--atlas", "cells", *mirror)[1]) == {"two/b.csv": "fetched"}
    assert states(call(capsys, "fetch", *mirror)[1]) == {"one/a.csv": "fetched"}
    _, out, _ = call(capsys, "list", "--json")
    owners = {e["file"]: e["used_by"] for e in json.loads(out)["files"]}
    assert owners == {"one/a.csv": "one", "two/b.csv": "cells"}
    assert call(capsys, "verify", "--atlas", "cells")[0] == 0
    (paths.data_folder() / "two/b.csv").write_bytes(b"cut")
    assert call(capsys, "verify")[0] == 3

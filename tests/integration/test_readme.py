"""What the README says is true: its commands parse, its example runs, its tables are up to date."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import typer.main

from chmr_bench.cli.app import app
from chmr_bench.report.rows import Row
from chmr_bench.statistics import Runs

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MAKE = shutil.which("make")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def command_lines(program: str) -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.split(" ")[0] == program]


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("readme", REPOSITORY / "docs" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_sections_are_up_to_date() -> None:
    assert load_generator().filled(TEXT) == TEXT, "mend with: make readme"


def paragraph(begin: str) -> str:
    (found,) = [part for part in TEXT.split("\n\n") if part.startswith(begin)]
    return " ".join(found.split())


def test_what_hidden_cells_cost_is_what_the_tables_say() -> None:
    change = r"(-?\d+\.\d) \((-?\d+\.\d) to (-?\d+\.\d)\)"
    loss = r"(\d+\.\d)(?: points)? \((\d+\.\d) to (\d+\.\d)\)"
    real = re.findall(change, paragraph("On real cell data").replace("+", ""))
    lost = re.findall(loss, paragraph("On `planted` (simulated), five seeds"))
    assert (len(real), len(lost)) == (8, 6)
    told = [*real, *((f"-{loss}", f"-{high}", f"-{low}") for loss, low, high in lost)]
    table = (REPOSITORY / "leaderboards" / "missing.md").read_text(encoding="utf-8")
    stored = set(re.findall(change, table.replace("+", "")))
    assert [change for change in told if change not in stored] == []


TABLE = """dataset,synthetic,split,metric,row,score,low,high,n_runs
{0},{1},reference,{2},chmr,{3},0.7,0.9,5
{0},{1},reference,{2},chmr.head-only,0.75,0.6,0.8,5
{0},{1},reference,{2},chmr.no-tree,,,,0
{0},{1},reference,{2},fingerprint.knn,0.5,0.4,0.6,1
"""


def a_table(name: str, metric: str, **scores: float) -> Any:
    """Return a table with these rows; the replicates of all move together, almost."""
    wave = 0.02 * np.sin(np.arange(100))
    moved = {label: score + wave * (1 + 1e-3 * score) for label, score in scores.items()}
    rows = [
        Row(label, (), (), score, runs=Runs(np.array([score]), moved[label][None], (None,)))
        for label, score in scores.items()
    ]
    return SimpleNamespace(
        dataset=SimpleNamespace(name=name),
        metric=metric,
        greater_is_better=metric != "mae",
        rows=(*rows, Row("fingerprint.forest", (), ())),
    )


def test_chmr_is_set_against_its_controls() -> None:
    controls = {"chmr.head-only": 0.75, "chmr.random-encoder": 0.8}
    tables = [
        a_table("bace", "roc_auc", chmr=0.8, **controls),
        a_table("biogen3k", "mae", chmr=0.7, **{"chmr.head-only": 0.75}),
    ]
    lines = load_generator()._gains(tables).splitlines()
    assert lines[0] == "| chmr minus | chmr.head-only | chmr.random-encoder |"
    assert lines[2] == "| bace | **+5.0** (5.0 to 5.0) | +0.0 (0.0 to 0.0) |"
    assert lines[3] == "| biogen3k (MAE) | **+0.050** (0.050 to 0.050) | - |"  # a smaller error


def test_a_difference_that_never_varies_has_no_interval() -> None:
    table = a_table("bace", "roc_auc", chmr=0.8, **{"chmr.head-only": 0.75})
    for row in table.rows[:2]:
        row.runs.replicates[:] = row.score
    line = load_generator()._gains([table]).splitlines()[2]
    assert line == "| bace | +5.0 (no interval) |"


def test_a_control_with_a_longer_name_is_not_left_out() -> None:
    control = SimpleNamespace(model=SimpleNamespace(id="chmr.random-encoder", overrides={}))
    changed = SimpleNamespace(model=SimpleNamespace(id="chmr.random-encoder", overrides={"a": 1}))
    table = a_table("bace", "roc_auc", chmr=0.8)
    for label, record, score in (("(weights ab)", control, 0.75), ("[a=1]", changed, 0.5)):
        runs = Runs(np.array([score]), np.full((1, 100), score), (None,))
        row = Row(f"chmr.random-encoder {label}", (cast(Any, record),), (), score, runs=runs)
        table.rows = (*table.rows, row)
    lines = load_generator()._gains([table]).splitlines()
    assert lines[0] == "| chmr minus | chmr.random-encoder |"
    assert lines[2].startswith("| bace | **+5.0**")


def test_without_records_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load_generator()
    monkeypatch.setattr(generator, "RECORDS", tmp_path)
    monkeypatch.setattr(generator, "TABLES", tmp_path)
    assert "not on record" in generator.chmr_tables()
    (tmp_path / "c.csv").write_text(TABLE.format("planted", "True", "roc_auc", 0.8))
    simulated = generator.chmr_tables()
    assert "| chmr | 80.0 | 70.0 to 90.0 | 5 |" in simulated
    assert "no-tree" not in simulated
    assert "knn" not in simulated


@pytest.mark.parametrize("line", command_lines("chmr-bench"))
def test_a_command_of_the_readme_parses(line: str) -> None:
    command: Any = typer.main.get_command(app)
    _, *arguments = shlex.split(line)
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    command.make_context(line, arguments)


def test_every_command_of_the_readme_was_seen() -> None:
    assert len(command_lines("chmr-bench")) >= 10


@pytest.mark.parametrize("line", command_lines("make"))
@pytest.mark.skipif(MAKE is None, reason="there is no make here")
def test_a_make_target_of_the_readme_exists(line: str) -> None:
    command = [str(MAKE), "--dry-run", *shlex.split(line)[1:]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr


def test_the_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    local = [link for link in links if "://" not in link]
    missing = {link for link in local if not (REPOSITORY / link).exists()}
    assert missing - {"leaderboards/README.md"} == set()
    assert len(local) >= 5


# -------------------------------------------------------------------------- the example of a plugin


def python(folder: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the example's folder on its path and a cache folder of its own."""
    env = os.environ | {"PYTHONPATH": str(folder), "CHMR_BENCH_HOME": str(cwd / "home")}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env | {"COLUMNS": "200"},
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's example, written as it stands there and installed into a folder."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("example")
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for block in blocks("toml") + blocks("python"):
        name = block.splitlines()[0].removeprefix("# ")
        (source / name).write_text(block)
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--no-deps")
    options = ("--no-build-isolation", "--target", str(site))
    done = python(site, *pip, *options, str(source), cwd=folder)
    assert done.returncode == 0, done.stderr
    return site


def test_the_example_keeps_the_promises(installed: Path, tmp_path: Path) -> None:
    code = "from chmr_bench.testing import check_model; check_model('my.ridge')"
    done = python(installed, "-W", "error", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_example_runs_beside_ours(installed: Path, tmp_path: Path) -> None:
    (line,) = (x for x in command_lines("chmr-bench") if "my.ridge" in x)
    _, *arguments = shlex.split(line)
    done = python(
        installed, "-m", "chmr_bench", *arguments, "--seeds", "1", "--out", "out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(p.read_text()) for p in (tmp_path / "out").rglob("result.json")]
    scored = {r["model"]["id"]: r["metrics"]["macro"] for r in results}
    assert set(scored) == {"my.ridge", "fingerprint.forest"}
    assert all(isinstance(score, float) for score in scored.values())
    assert "my.ridge" in done.stdout

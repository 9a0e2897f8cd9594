"""Every code block of the README and the pages runs, and every link leads somewhere."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from chmr_bench.cli import main
from chmr_bench.cli.app import app
from chmr_bench.errors import DataError
from chmr_bench.plugins import forget_registry
from chmr_bench.testing import check_dataset

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(f"docs/{p.name}" for p in (REPOSITORY / "docs").glob("*.md")))
MAKE = shutil.which("make")
BLOCK = re.compile(
    r"(<!-- slow -->\n)?^```(bash|python|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
LONG = ("docs/audits.md", "docs/chemists.md", "docs/quickstart.md")
"""Pages whose blocks take many seconds."""
ONLY_PARSED = ("pretrain", "explain", "match", "data", "ensemble")
"""Commands that take hours, or fetch: their options are checked, they are not run."""
READ_ONLY = ("compare", "verify")
MODULES = ("# my_model.py", "# my_assay.py")
"""Blocks that are files of a plugin."""


def blocks(page: str) -> list[tuple[bool, str, str]]:
    """Return whether it is slow, the language and the text of every block."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return [(bool(slow), language, body) for slow, language, body in BLOCK.findall(text)]


def lines(body: str) -> list[list[str]]:
    body = body.replace("$SLURM_ARRAY_TASK_ID", "1")
    return [words for line in body.splitlines() if (words := shlex.split(line, comments=True))]


ALL_LINES = [
    words
    for page in PAGES
    for _, language, body in blocks(page)
    if language == "bash"
    for words in lines(body)
]
COMMANDS = [words for words in ALL_LINES if words[0] == "chmr-bench"]
RUNNING = [
    pytest.param(page, marks=[pytest.mark.slow] if page in LONG else [])
    for page in PAGES
    if any(not slow for slow, *_ in blocks(page))
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_parses(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(" ".join(words), rest)


def test_every_command_was_seen() -> None:
    assert len(COMMANDS) >= 30
    assert {words[0] for words in ALL_LINES} == {"chmr-bench", "make", "pip"}


@pytest.mark.parametrize("words", [w for w in ALL_LINES if w[0] == "make"], ids=" ".join)
@pytest.mark.skipif(MAKE is None, reason="there is no make here")
def test_a_make_target_exists(words: list[str]) -> None:
    command = [str(MAKE), "--dry-run", *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_the_links_lead_somewhere(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    folder = (REPOSITORY / page).parent
    assert [link for link in links if not (folder / link).exists()] == []


# --------------------------------------------------------------------------------- blocks that run


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's plugin, written as it stands there and installed into a folder."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("example")
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for _, _, body in blocks("docs/models.md"):
        name = body.splitlines()[0].removeprefix("# ")
        if name.endswith((".toml", ".py")):
            (source / name).write_text(body)
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--no-deps")
    command = [sys.executable, *pip, "--no-build-isolation", "--target", str(site), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def place(
    tmp_path: Path, home: Path, rings: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A working folder with a user's table in it."""
    (tmp_path / "my.csv").write_text(rings(60))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    forget_registry()
    yield tmp_path
    forget_registry()


class GuideConfig(BaseModel):
    """Settings of a model whose weights the guide makes; `alpha` is of the fit."""

    atlas: tuple[str, ...] = ("mine",)
    transductive: bool = False
    epochs: int = 2
    pretrain_seed: int = 0
    alpha: float = 1.0


def test_weights_of_the_guide_do_not_hang_on_a_setting_of_the_fit(home: Path) -> None:
    (body,) = [body for _, _, body in blocks("docs/models.md") if "def find_or_make" in body]
    names: dict[str, Any] = {}
    exec(compile(body, "docs/models.md", "exec"), names)

    def made(alpha: float) -> Any:
        folder = home / str(alpha)
        folder.mkdir(parents=True)
        atlas = SimpleNamespace(smiles=("CCO",), every_key=("LFQSCWFLJHTTHZ",))
        data = SimpleNamespace(digest=lambda *_: "d", open=lambda *_: (atlas, {"molecules": 1}))
        request = SimpleNamespace(make=True, n_jobs=1, folder=folder, data=data)
        request.stage = request.progress = lambda *_: None
        return names["find_or_make"](GuideConfig(alpha=alpha), request)

    assert made(1.0).info == made(2.0).info


def run(words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words[1:])
    assert end.value.code in (0, None), " ".join(words)


def is_needed(page: str) -> bool:
    return any("my.ridge" in body for _, _, body in blocks(page))


@pytest.mark.parametrize("page", RUNNING)
def test_the_blocks_of_a_page_run(
    page: str, place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_needed(page):
        monkeypatch.syspath_prepend(str(request.getfixturevalue("example")))
        forget_registry()
    names: dict[str, Any] = {}
    for slow, language, body in blocks(page):
        if slow or language == "toml" or body.startswith(MODULES):
            continue
        if language == "python":
            exec(compile(body, page, "exec"), names)
        else:
            for words in lines(body):
                if words[0] == "chmr-bench":
                    run(words)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if any(slow for slow, *_ in blocks(p))])
def test_the_slow_blocks_of_a_page_can_be_planned(
    page: str,
    place: Path,
    mirror: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHMR_BENCH_MIRROR", str(mirror))
    if is_needed(page):
        monkeypatch.syspath_prepend(str(request.getfixturevalue("example")))
        forget_registry()
    (place / "leaderboards").symlink_to(REPOSITORY / "leaderboards")
    for slow, language, body in blocks(page):
        for words in lines(body) if slow and language == "bash" else ():
            if words[1] in ("run", "ablate"):
                run([*words, "--plan", "--out", "elsewhere"])
            elif words[1] not in ONLY_PARSED and "my.ridge" not in words:  # has no record here
                run(words)


def test_the_example_keeps_the_promises(example: Path, tmp_path: Path) -> None:
    code = "from chmr_bench.testing import check_model; check_model('my.ridge')"
    env = os.environ | {"CHMR_BENCH_HOME": str(tmp_path)}
    paths = [str(example), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_dataset_of_the_guide_keeps_its_promises(
    tmp_path: Path, home: Path, rings: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (body,) = [b for _, _, b in blocks("docs/models.md") if b.startswith("# my_assay.py")]
    (tmp_path / "my_assay.py").write_text(body)
    molecules = [line.split(",")[0] for line in rings(40).splitlines()[1:]]
    parts = ["train"] * 24 + ["valid"] * 8 + ["test"] * 8
    table = [f"{smiles},{i / 10 or ''},{parts[i]}" for i, smiles in enumerate(molecules)]
    (tmp_path / "my_assay.csv").write_text("\n".join(["smiles,solubility,part", *table]))
    monkeypatch.syspath_prepend(str(tmp_path))
    (spec,) = importlib.import_module("my_assay").chmr_bench_datasets()
    check_dataset(spec)
    (tmp_path / "my_assay.csv").write_text("\n".join(["smiles,solubility,part", *table[:-1]]))
    with pytest.raises(DataError, match="39 molecules"):
        check_dataset(spec)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("CHMR_BENCH_HOME", str(home))
    path = REPOSITORY / "docs" / "notebooks" / "first_steps.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "clear its outputs"
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    shown = [str(o) for cell in notebook.cells for o in cell.get("outputs", ())]
    assert any("fingerprint.knn" in output for output in shown)
    assert (tmp_path / "runs" / "README.md").is_file()

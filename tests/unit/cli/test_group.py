"""Help texts flow with the terminal's width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from chmr_bench.cli import _run
from chmr_bench.cli.app import app
from chmr_bench.cli.group import flowing


def commands(group: click.Command, way: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in getattr(group, "commands", {}).items():
        yield f"{way} {name}".strip(), command
        yield from commands(command, f"{way} {name}".strip())


ALL = dict(commands(get_command(app)))


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_paragraph_of_a_help_text_is_broken(name: str) -> None:
    text = ALL[name].help
    assert text
    assert all("\n" not in paragraph for paragraph in text.split("\n\n"))


def test_paragraphs_stay_apart() -> None:
    assert flowing("One\ntwo.\n\nThree\n  four.\n") == "One two.\n\nThree four."


@pytest.mark.parametrize("name", ["compare", "ensemble"])
def test_a_command_over_records_takes_no_file(name: str) -> None:
    (dataset,) = (p for p in ALL[name].params if p.name == "dataset")
    told = getattr(dataset, "help", "")
    assert "on record" in told
    assert "FILE" not in told


@pytest.mark.parametrize(
    "words",
    [
        [*name.split(), option, ""]
        for name, command in ALL.items()
        for param in command.params
        for option in {"--out", "--to"}.intersection(param.opts)
    ],
)
def test_an_empty_text_names_no_folder(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(words) == 2
    assert "'' names no folder" in capsys.readouterr().err

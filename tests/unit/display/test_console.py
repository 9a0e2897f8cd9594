"""What another's text may do to the terminal: nothing."""

from __future__ import annotations

import pytest

from chmr_bench.display.console import (
    console,
    print_error,
    print_lines,
    print_note,
    print_table,
)

HOSTILE = "\x1b[2J\x9b1mred\a [bold]x[/] C:\\"
SHOWN = r"\x1b[2J\x9b1mred\x07 [bold]x[/] C:" + "\\"


def test_no_text_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(HOSTILE)
    print_table("", ["name", "text"], [["a", HOSTILE]])
    print_error(HOSTILE)
    print_note(HOSTILE)
    out, err = capsys.readouterr()
    assert (out.count(SHOWN), err.count(SHOWN)) == (2, 2)
    assert "\x1b" not in out + err


def test_a_table_without_headings_begins_with_its_first_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table("", ["", ""], [["name", "bace"], ["tasks", "1"]])
    assert capsys.readouterr().out.splitlines()[0].split() == ["name", "bace"]


def test_a_hash_is_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", 60)
    print_table("", ["", ""], [["files", f"path a/b.csv\nsha256 {'0af1' * 16}"]])
    assert "0af1" * 16 in capsys.readouterr().out

"""What another's text may do to the terminal: nothing."""

from __future__ import annotations

import pytest

from chmr_bench.display.console import print_error, print_lines, print_note, print_table

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

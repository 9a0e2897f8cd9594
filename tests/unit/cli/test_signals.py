"""A command that is ended tidies up, and says so by its exit code."""

from __future__ import annotations

import signal

import pytest

from chmr_bench import cli
from chmr_bench.errors import INTERRUPTED


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_command_tidy_up(
    signum: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tidied = []

    def command(argv: list[str] | None) -> int:
        try:
            signal.raise_signal(signum)
        finally:
            tidied.append(argv)
        return 0

    monkeypatch.setattr(cli, "_run", command)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main([])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (ended.value.code, tidied) == (INTERRUPTED, [[]])
    assert capsys.readouterr().err == "interrupted\n"

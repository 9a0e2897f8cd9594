"""What a run's options become."""

from __future__ import annotations

import pytest

from chmr_bench.cli import _run
from chmr_bench.cli.asking import chosen_seeds, told
from chmr_bench.errors import UsageError


def test_the_record_tells_the_command_without_the_users_folders() -> None:
    typed = ["run", "--model", "mean", "--out", "/home/me/boards", "--mirror=/data/mirror", "a/b"]
    assert told(typed) == ["run", "--model", "mean", "--out", "boards", "--mirror=mirror", "a/b"]


def test_a_precision_that_a_model_cannot_work_in_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A record that says bfloat16 of a float32 run would be false."""
    arguments = ["run", "--model", "mean", "--suite", "demo", "--precision", "bfloat16", "--plan"]
    assert _run(arguments) == 2
    assert "works in float32 only" in capsys.readouterr().err


def test_seeds_are_counted_or_listed_not_both() -> None:
    assert chosen_seeds(3, None) == (0, 1, 2)
    assert chosen_seeds(None, [7, 5]) == (7, 5)
    assert chosen_seeds(None, None) == (0,)
    with pytest.raises(UsageError, match="either"):
        chosen_seeds(2, [1])
    with pytest.raises(UsageError, match="at least 1"):
        chosen_seeds(0, None)
    with pytest.raises(UsageError, match="seeds go from 0"):
        chosen_seeds(None, [-1])

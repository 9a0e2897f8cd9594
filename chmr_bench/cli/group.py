"""A group of commands: help texts flow with the terminal's width, Ctrl-C ends with words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from chmr_bench.display.console import print_note
from chmr_bench.errors import INTERRUPTED, ChmrBenchError


class InterruptedCommandError(ChmrBenchError):
    """The user pressed Ctrl-C, and the command itself had nothing to say."""

    exit_code = INTERRUPTED


class Group(TyperGroup):
    """Joins the lines of each paragraph of its commands' help texts.

    Typer joins those of the first paragraph alone, so the others would break where the docstring
    does and once more where the terminal ends.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for command in self.commands.values():
            if command.help:
                command.help = flowing(command.help)

    def invoke(self, ctx: Any) -> Any:
        """Call the command; Ctrl-C becomes an error with words, where typer would say nothing."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise InterruptedCommandError(
                "interrupted; nothing on record is lost, and the same command may be given again"
            ) from error


@contextmanager
def stopping(words: str) -> Iterator[None]:
    """End the command with these words where Ctrl-C or SIGTERM stops the block."""
    from chmr_bench.sweep.interrupt import stoppable

    with stoppable():
        try:
            yield
        except KeyboardInterrupt as error:
            print_note(words)
            raise typer.Exit(INTERRUPTED) from error


def flowing(text: str) -> str:
    """Return the text with each paragraph in one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))

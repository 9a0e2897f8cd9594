"""A group of commands whose help texts flow with the terminal's width."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


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


def flowing(text: str) -> str:
    """Return the text with each paragraph in one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))

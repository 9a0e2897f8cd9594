"""Fill the generated sections of README.md: the main table and the commands.

Usage: ``python docs/readme.py`` (or ``make readme``); with ``--check`` it writes nothing and leaves
with 1 where README.md is not what it would write.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"
LEADERBOARD = REPOSITORY / "leaderboards" / "README.md"
NO_TABLE = "*No results are on record yet.*"


def filled(text: str) -> str:
    """Return the README with its generated sections made anew."""
    for name, content in (("table", main_table()), ("commands", commands())):
        pattern = re.compile(rf"(<!-- {name}:[^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"README.md has no section marked <!-- {name}: ... -->")
        text = pattern.sub(lambda m, c=content: f"{m[1]}\n{c}\n\n{m[2]}", text)
    return text


def main_table() -> str:
    """Return the first table of the leaderboard's page with its notes, or a line without one."""
    if not LEADERBOARD.is_file():
        return NO_TABLE
    sections = re.split(r"^## .*$", LEADERBOARD.read_text(encoding="utf-8"), flags=re.MULTILINE)
    first = next((s.strip() for s in sections if re.search(r"^\|", s, re.MULTILINE)), "")
    return first or NO_TABLE


def commands() -> str:
    """Return every command with its options, as Markdown."""
    parts = []
    for path, command in walk():
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        lines = [
            "<details>",
            f"<summary><code>{path}</code>: {_first_line(command.help)}</summary>",
        ]
        if rows:
            lines += ["", "| option | meaning |", "|---|---|", *rows]
        parts.append("\n".join([*lines, "", "</details>"]))
    return "\n".join(parts)


def walk() -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its full name."""
    import typer.main

    from chmr_bench.cli.app import app

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield name, command
            return
        for child, inner in children.items():
            yield from below(f"{name} {child}", inner)

    yield from below("chmr-bench", typer.main.get_command(app))


def _row(parameter: Any) -> str:
    flag = getattr(parameter, "is_flag", False)
    if parameter.param_type_name == "argument":
        name = f"`{parameter.name.upper()}`"
    else:
        name = ", ".join(f"`{opt}`" for opt in parameter.opts)
    notes = []
    default = parameter.default
    if not flag and default not in (None, (), [], "") and not callable(default):
        notes.append(f"default `{default}`")
    if getattr(parameter, "envvar", None):
        notes.append(f"also `{parameter.envvar}`")
    text = _first_line(getattr(parameter, "help", "")).replace("|", "\\|")
    remarks = f" ({', '.join(notes)})" if notes else ""
    return f"| {name} | {text}{remarks} |"


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Write README.md, or say whether it is up to date."""
    text = README.read_text(encoding="utf-8")
    wanted = filled(text)
    if "--check" in arguments:
        if wanted != text:
            sys.stderr.write("README.md is out of date; mend with: make readme\n")
        return int(wanted != text)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

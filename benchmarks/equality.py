"""Prove that generated tables hold the figures of an earlier commit: each equal to 1e-12.

Usage: ``python benchmarks/equality.py COMMIT FOLDER``: the tables below ``leaderboards/`` at
COMMIT, read through git, against those in FOLDER, wherever a layout has put them. It prints what it
compared and every difference, and leaves with 1 where there is one.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOLERANCE = 1e-12
SHOWN = 20
FOLDER = "leaderboards"
Values = dict[tuple[Any, ...], Any]
"""Where a value stands, independent of the layout -> the value."""
WORDING = (("hidden", "masked"), ("a record (records/)", "a record"))
"""Old and new words of headings and notes."""


def git(*arguments: str) -> str:
    """Return what git says."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def old_files(commit: str) -> dict[str, str]:
    """Return path -> text of the tables of a commit."""
    names = git("ls-tree", "-r", "--name-only", commit, "--", f"{FOLDER}/").splitlines()
    shown = [n for n in names if is_table(n.removeprefix(f"{FOLDER}/"))]
    return {n.removeprefix(f"{FOLDER}/"): git("show", f"{commit}:{n}") for n in shown}


def new_files(folder: Path) -> dict[str, str]:
    """Return path -> text of the tables of a folder."""
    paths = [p for p in folder.rglob("*") if p.is_file()]
    names = {p.relative_to(folder).as_posix(): p for p in paths}
    return {n: p.read_text(encoding="utf-8") for n, p in names.items() if is_table(n)}


def is_table(name: str) -> bool:
    """Return whether a path is that of a generated table."""
    top = name.split("/")[0]
    return top not in ("records", "runs", "audit") and name.endswith((".csv", ".json", ".md"))


def values_of(files: dict[str, str]) -> Values:
    """Return every value of the files."""
    values: Values = {}
    settings = json.loads(files.get("settings.json", '{"settings": {}}'))["settings"]
    for name, text in files.items():
        if name.endswith(".json"):
            values |= dict(of_json(name, json.loads(text), settings))
        elif name.endswith(".csv"):
            values |= dict(of_csv(name, text))
        else:
            values |= dict(of_markdown(text))
    return values


def of_json(
    name: str, content: Any, settings: dict[str, Any]
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the values of a JSON file: tables of datasets by what they are of, others by name."""
    tables = [content] if name.startswith("tables/") and "rows" in content else []
    tables = content["tables"] if name.startswith("tables/") and "tables" in content else tables
    for table in tables:
        table = in_place(table, content.get("values", {}))
        key = (table["dataset"]["name"], table["dataset"]["digest"], table["split"]["digest"])
        table = {k: v for k, v in table.items() if k != "schema"}
        table["rows"] = [full_row(table, row, settings) for row in table["rows"]]
        yield from leaves(("table", *key, table["metric"]), table)
    if not tables and name != "settings.json":
        yield from leaves((name,), content)


def full_row(table: Any, row: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what files write once; the card of a pretraining stands in the records."""
    audit = table.get("audit")
    counts = {"n_tasks": table["dataset"]["n_tasks"], "missing": None}
    if audit:
        counts |= {"n_test_rows": audit["n_test"], "n_clean_rows": audit["n_clean"]}
        counts |= {"leaked_share": audit["leaked_share"]}
    full = {**counts, **row, **settings.get(row.get("settings"), {})}
    return {name: value for name, value in full.items() if name not in ("settings", "pretraining")}


def in_place(value: Any, shared: dict[str, Any]) -> Any:
    """Return a value with those in their places that the file keeps once, by their hash."""
    if isinstance(value, list):
        return [in_place(item, shared) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$"}:
        return in_place(shared[value["$"]], shared)
    return {name: in_place(item, shared) for name, item in value.items()}


def leaves(place: tuple[Any, ...], value: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every plain value below; items of a list that are named go by name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves((*place, key), item)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            named = item.get("row") if isinstance(item, dict) else None
            yield from leaves((*place, named or i), item)
    else:
        yield place, value


def of_csv(name: str, text: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the values of a CSV file, by what names its rows."""
    kind = "tables" if name.startswith("tables/") else name
    names = ("dataset", "datasets", "split", "row", "paper", "table", "model", "metric", "rate")
    names = (*names, "shuffled", "stages", "modalities", "mechanism", "fill", "draw")
    for row in csv.DictReader(io.StringIO(text)):
        key = tuple(row.get(column, "") for column in names)
        for column, value in row.items():
            yield (kind, *key, column), number(value)


def of_markdown(text: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the cells of every Markdown table, by heading, first cells and column."""
    title, columns = "", []
    for line in text.splitlines():
        if line.startswith("#"):
            title, columns = worded(line.lstrip("# ")), []
        elif line.startswith("|"):
            cells = [worded(c.strip()) for c in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not columns:
                columns = cells
            elif not set(line) <= set("|:- "):
                first = tuple(cells[:2])
                for column, cell in zip(columns, cells, strict=True):
                    yield ("page", title, *first, column), cell
        elif line.startswith("- "):
            yield ("note", title, worded(line)), True


def worded(text: str) -> str:
    """Return the text in the words of today."""
    for before, after in WORDING:
        text = text.replace(before, after)
    return text


def number(text: str) -> Any:
    """Return a CSV cell as a number where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def equal(a: Any, b: Any) -> bool:
    """Return whether two values are equal, numbers to 1e-12 of themselves."""
    numbers = isinstance(a, int | float) and isinstance(b, int | float)
    if not numbers or isinstance(a, bool) or isinstance(b, bool):
        return bool(a == b)
    return abs(a - b) <= TOLERANCE * max(abs(a), abs(b), TOLERANCE)


def main(commit: str, folder: str) -> int:
    """Compare, and say what differs."""
    old, new = values_of(old_files(commit)), values_of(new_files(Path(folder)))
    differing = [key for key in old if key not in new or not equal(old[key], new[key])]
    numeric = sum(isinstance(v, int | float) and not isinstance(v, bool) for v in old.values())
    print(f"{len(old):,} values at {commit[:12]}, {numeric:,} of them numbers")
    print(f"{len(old) - len(differing):,} are equal in {folder}, {len(differing):,} are not")
    print(f"{len(new.keys() - old.keys()):,} values are new")
    for (what, name), n in Counter((key[1], key[-1]) for key in differing).most_common():
        print(f"  {n:5d} {name} of {what}")
    for key in differing[:SHOWN]:
        print(f"{key}\n  {old[key]!r}\n  {new.get(key, 'is not there')!r}")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

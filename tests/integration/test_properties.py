"""Odd tables and damaged records through the commands: never a traceback, twice the same answer.

``CHMR_BENCH_THOROUGH=1`` tries a hundred times as many.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chmr_bench.cli import main

THOROUGH = bool(os.environ.get("CHMR_BENCH_THOROUGH"))
CODES = {0, 1, 2, 3, 4, 74}
"""Of the table in the docs, without a bug and without Ctrl-C."""
SECONDS = 30


class Answer(NamedTuple):
    """What a command says."""

    code: int
    out: str
    err: str


def tried(max_examples: int) -> Any:
    return settings(
        max_examples=max_examples * (100 if THOROUGH else 1),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def answer(*words: str) -> Answer:
    """Return what a command says, run in this process; it must be what a user can live with."""
    out, err, begun = io.StringIO(), io.StringIO(), time.monotonic()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        main(list(words))
    code = int(str(end.value.code or 0))
    assert code in CODES, (words, err.getvalue())
    assert "Traceback" not in out.getvalue() + err.getvalue()
    assert time.monotonic() - begun < SECONDS
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("odd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHMR_BENCH_HOME", str(place / "home"))
        patch.setenv("COLUMNS", "160")
        patch.delenv("CHMR_BENCH_MIRROR", raising=False)
        patch.chdir(place)
        yield place


# ------------------------------------------------------------------------------------------ tables

MOLECULES = ("CCO", "c1ccccc1", "CC(=O)O", "C1CCNCC1", "[Na+].[Cl-]", "C[C@H](N)C(=O)O", "N")
ODD_CELLS = (
    *("", " ", "NA", "-", "0", "1", "2", "-1", "1.5", "1,5", "1e400", "-999", "nan", "inf", ">10"),
    *(
        "true",
        "active",
        "x",
        '"',
        '""',
        '"a,b"',
        "#",
        "é",
        "\u2082",
        "[#119]",
        "*",
        "C1CC",
        "CC |x|",
    ),
)
numbers = st.sampled_from(("0", "1", "0.5", "2", "-3", "1e-30", "1e30"))
cells = st.one_of(numbers, numbers, numbers, st.sampled_from(ODD_CELLS), st.text(max_size=4))


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Return a file that is nearly a table of molecules and numbers."""
    mark = draw(st.sampled_from((",", ",", ";", "\t", "|")))
    lines = [mark.join(("smiles", "y", "z"))]
    smiles = st.one_of(st.sampled_from(MOLECULES), st.sampled_from(MOLECULES), cells)
    rows = draw(st.lists(st.tuples(smiles, cells, numbers), max_size=30))
    lines.extend(mark.join(row) for row in rows)
    text = draw(st.sampled_from(("\n", "\r\n", "\r"))).join(lines)
    encoding = draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-8")))
    return text.encode(encoding, "replace")


numbered = itertools.count()


@tried(12)
@given(tables(), st.sampled_from(("y", "z", "y,z")), st.sampled_from(("stop", "drop")))
def test_odd_tables_through_run_and_verify(content: bytes, tasks: str, on_invalid: str) -> None:
    out = f"tables{next(numbered)}"
    Path("odd.csv").write_bytes(content)
    words = ("run", "-m", "mean", "-d", "odd.csv", "--smiles", "smiles", "--tasks", tasks)
    words += ("--on-invalid", on_invalid, "--split", "random", "-j", "1", "--out", out, "-q")
    first = answer(*words)
    assert first.err or first.out
    again = answer(*words)
    assert (again.code, again.out) == (first.code, first.out)
    if first.code == 0:
        assert answer("verify", "--out", out).code == 0


# ----------------------------------------------------------------------------------------- records

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, [], {}, "", "x", -1, 0, 10**400, 1e308, float("nan"), float("inf")),
    *("\ud800", "a/../../b", [[[]]], {"": 0}),
)
COMMANDS = (
    ("leaderboard", "build"),
    ("leaderboard", "show", "--dataset", "mine"),
    ("verify",),
    ("score",),
    ("records", "list"),
    ("records", "unpack"),
    ("compare", "mean", "fingerprint.knn", "--split", "random"),
    ("run", "-m", "mean", "-d", "mine.csv", "--smiles", "smiles", "--tasks", "y", "-q"),
)


@pytest.fixture(scope="module")
def runs(folder: Path) -> Path:
    """Two runs, packed, and the same two as folders of their own."""
    rows = [f"C1{'C' * (i % 15 + 2)}1{'O' * (i // 15)},{i % 7 / 2}" for i in range(45)]
    Path("mine.csv").write_text("\n".join(["smiles,y", *rows, ""]))
    words = ("-d", "mine.csv", "--smiles", "smiles", "--tasks", "y", "--split", "random", "-q")
    assert answer("run", "-m", "mean", "-m", "fingerprint.knn", *words, "--out", "runs").code == 0
    shutil.copytree("runs", "loose")
    assert answer("records", "unpack", "--out", "loose").code == 0
    return folder


@st.composite
def damages(draw: st.DrawFn) -> tuple[int, str, Any, Any]:
    """Return which file, what becomes of it, and two numbers or values that say how."""
    what = draw(
        st.sampled_from(("value", "value", "flip", "cut", "empty", "gone", "folder", "link"))
    )
    return (
        draw(st.integers(0, 99)),
        what,
        draw(st.integers(0, 10**6)),
        draw(st.sampled_from(ODD_VALUES)),
    )


def damage(place: Path, number: int, what: str, where: int, value: Any) -> None:
    """Damage one of the files that records are kept in."""
    files = sorted(p for p in place.rglob("*") if p.is_file() and "tables" not in p.parts)
    texts = [p for p in files if p.suffix in (".json", ".gz")]
    file = (texts if what == "value" else files)[number % len(texts if what == "value" else files)]
    content = file.read_bytes()
    if what == "value":
        if file.suffix == ".gz":
            text = gzip.decompress(content).decode()
            file.write_bytes(gzip.compress(with_value(text, where, value).encode()))
        else:
            file.write_text(with_value(content.decode(), where, value))
    elif what == "flip" and content:
        at = where % len(content)
        file.write_bytes(content[:at] + bytes([content[at] ^ (1 << where % 8)]) + content[at + 1 :])
    elif what == "cut":
        file.write_bytes(content[: where % (len(content) + 1)])
    elif what == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
        if what == "folder":
            file.mkdir()
        elif what == "link":
            file.symlink_to(file.name)


def with_value(text: str, where: int, value: Any) -> str:
    """Return JSON, or JSON lines, in which one value is another."""
    try:
        lines, number = [text], 0
        parsed = json.loads(text)
    except json.JSONDecodeError:
        lines = text.splitlines()
        number = where % len(lines)
        parsed = json.loads(lines[number])
    slots = list(slots_of(parsed))
    if slots:
        holder, key = slots[where % len(slots)]
        holder[key] = value
    lines[number] = json.dumps(parsed if slots else value)
    return "\n".join([*lines, ""])


def slots_of(value: Any) -> Any:
    """Yield every place that holds a value: a dict or list, and the key in it."""
    if not isinstance(value, dict | list):
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, held in list(items):
        yield value, key
        yield from slots_of(held)


@pytest.mark.slow
@tried(25)
@given(st.sampled_from(("runs", "loose")), damages(), st.sampled_from(COMMANDS))
def test_damaged_records_through_every_command(
    runs: Path, kind: str, how: tuple[int, str, Any, Any], words: tuple[str, ...]
) -> None:
    place = runs / f"damaged{next(numbered)}"
    shutil.copytree(runs / kind, place)
    damage(place, *how)
    more = ("--split", "random") if words[0] == "run" else ()
    first = answer(*words, *more, "--out", str(place))
    if words[0] not in ("run", "records"):  # these mend or move what is there
        again = answer(*words, *more, "--out", str(place))
        assert (again.code, again.out) == (first.code, first.out)
    shutil.rmtree(place)

"""The packed runs of a model on a board: ``<model>.jsonl.gz`` and ``<model>.parquet``.

The lines say everything but the numbers of tasks, predictions and replicates. The last line holds
the hash of the Parquet file; where it does not fit, as after a kill between the two files, each run
is checked by its own hashes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from chmr_bench.errors import RecordError
from chmr_bench.paths import read_bytes
from chmr_bench.records import arrays, lines
from chmr_bench.records.arrays import ArrayFile, Arrays
from chmr_bench.records.run import (
    Kind,
    RunContents,
    Stored,
    check_columns,
    run_name,
    validated,
    with_tasks,
    without_tasks,
)
from chmr_bench.records.schema import PredictionsInfo, Record
from chmr_bench.records.seal import sha256

SUFFIX, NUMBERS = ".jsonl.gz", ".parquet"
FILE_HASH = "parquet_sha256"
CUT = "the compressed file is damaged; the runs after that place are lost"
ASIDE = ".damaged"
"""Suffix of a file that could not be read, or not to its end, when new runs came."""
FEED = 4096
"""Bytes that are decompressed at once: so many at most are lost before a damaged place."""
MOST = 1 << 30
"""Bytes of text; a file that holds more is no pack, and would fill the memory."""


def is_pack(path: Path) -> bool:
    """Return whether a file has the name of one with lines."""
    return path.name.endswith(SUFFIX)


def beside(path: Path, suffix: str) -> Path:
    """Return the other file of a pair.

    Examples
    --------
    >>> beside(Path("chmr.mlp.jsonl.gz"), ".parquet").name
    'chmr.mlp.parquet'
    """
    stem = next(path.name.removesuffix(s) for s in (SUFFIX, NUMBERS) if path.name.endswith(s))
    return path.with_name(stem + suffix)


class Pack:
    """A pair of files.

    Attributes
    ----------
    runs
        by identity, in the order of the lines.
    bad
        what is wrong with the lines that hold no run, and their text.
    is_cut
        whether the lines cannot be read to their end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers = ArrayFile(beside(path, NUMBERS))
        self.runs: dict[str, PackedRun] = {}
        self.bad: list[tuple[str, bytes]] = []
        self._sha256 = ""
        self.is_cut = False
        self._read()

    def _read(self) -> None:
        if not self.path.is_file():
            raise RecordError("is no file of runs")
        try:
            compressed = self.path.read_bytes()
        except OSError as error:
            raise RecordError(f"cannot be read: {error.strerror}") from error
        text, self.is_cut = _decompressed(compressed)
        texts = text.splitlines()
        if self.is_cut:
            del texts[text.count(b"\n") :]  # half a line
            self.bad.append((CUT, b""))
        for number, content in lines.read(texts):
            if isinstance(content, str):
                self.bad.append((content, texts[number - 1]))
            elif FILE_HASH in content:
                self._sha256 = str(content[FILE_HASH])
            else:
                reason = self._add(content)
                if reason:
                    self.bad.append((f"line {number}: {reason}", texts[number - 1]))

    def _add(self, content: dict[str, Any]) -> str:
        """Add a run; return what is wrong with it, "" where nothing."""
        log = content.pop("log", "")
        try:
            run = PackedRun(self, content, log)
            check_columns(content)  # a seal holds only the hash of the tasks
            if not run.sealed:
                validated(with_tasks(content, None), Record)
        except RecordError as error:
            return str(error)
        except (KeyError, TypeError, ValueError, AttributeError):
            return "is no record"
        if run.identity in self.runs:
            return f"the same run as an earlier line, {run.identity[:12]}"
        self.runs[run.identity] = run
        return ""

    @cached_property
    def is_intact(self) -> bool:
        """Return whether the Parquet file is the one that was written with the lines."""
        try:
            return hashlib.sha256(read_bytes(self.numbers.path)).hexdigest() == self._sha256
        except OSError:
            return False


class PackedRun(Stored):
    """A run that shares its files with others."""

    kind: Kind = "packed"

    def __init__(self, pack: Pack, content: dict[str, Any], log: Any) -> None:
        super().__init__(pack.path, content, pack.numbers)
        self.pack, self._log = pack, log

    def full_content(self) -> dict[str, Any]:
        """Return the record; the scores of the tasks are null where they cannot be read."""
        if self.content["metrics"] is None:
            return self.content
        try:
            return with_tasks(self.content, self.numbers.results(self.identity)[1])
        except (RecordError, ValueError):
            return with_tasks(self.content, None)

    def log(self) -> str:
        """Return what the run logged."""
        try:
            return zlib.decompress(base64.b64decode(self._log)).decode(errors="replace")
        except (ValueError, TypeError, zlib.error):
            return ""

    def _damage(self, info: PredictionsInfo) -> str:
        if self.pack.is_intact and self.identity in self.numbers.identities():
            return ""
        damage = super()._damage(info)
        if damage:
            return damage
        tasks = self.full_content()["metrics"]["per_task"]
        same = sha256(tasks) == self.content["metrics"]["per_task"]["sha256"]
        return "" if same else "the scores of the tasks are not those on record"


def write(
    folder: Path, wholes: Mapping[str, RunContents], bad: list[bytes], *, best: bool = False
) -> tuple[Path, Path]:
    """Write runs into an empty folder, and return the two files; `bad` lines are kept as they are.

    The Parquet file is missing where no run has numbers.
    """
    ordered = sorted(wholes.values(), key=lambda whole: run_name(whole.content))
    numbers: dict[str, Arrays] = {}
    contents = []
    for whole in ordered:
        content, scores = without_tasks(whole.content)
        contents.append({**content, "log": _shortened(whole.log)})
        if whole.arrays is not None:
            numbers[str(content["identity"])] = replace(whole.arrays, scores=scores)
    text, file = folder / f"pack{SUFFIX}", folder / f"pack{NUMBERS}"
    made = lines.write(contents) + [line + b"\n" for line in bad if line]
    if numbers:
        arrays.write(file, numbers, best=best)
        made += lines.write([{FILE_HASH: hashlib.sha256(file.read_bytes()).hexdigest()}])
    text.write_bytes(gzip.compress(b"".join(made), mtime=0) if made else b"")
    return text, file


def _decompressed(content: bytes) -> tuple[bytes, bool]:
    """Return the text of a compressed file, and whether it is damaged: then what stands before."""
    text = bytearray()
    damaged = not content
    while content and not damaged:  # a file may have several parts
        reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            for start in range(0, len(content), FEED):
                text += reader.decompress(content[start : start + FEED])
                if len(text) > MOST:
                    raise RecordError(f"unpacks to more than {MOST:,} bytes")
        except zlib.error:
            damaged = True
        damaged = damaged or not reader.eof
        content = reader.unused_data
    return bytes(text), damaged


def _shortened(log: str) -> str:
    """Return a log as it stands in a line: compressed, in letters."""
    return base64.b64encode(zlib.compress(log.encode("utf-8", "backslashreplace"))).decode()

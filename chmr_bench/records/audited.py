"""Scores on clean test rows, kept beside the records: ``audit/<dataset>-<split>.json``.

A row of the test part is clean where no row of train or valid has its connectivity, nor its parent
(what is left without salt and charge). The tables are
made from files alone; these files say what else would need the data.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chmr_bench.errors import DataError, UsageError
from chmr_bench.records.schema import Record

FOLDER = "audit"
DIGITS = 12
"""Significant digits, the same on every machine."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Leaked(_Part):
    """Test rows with a twin, at one level."""

    test_rows: int
    leaked_rows: int
    share: float


class CleanScore(_Part):
    """A record's score on the clean test rows; null where no task can be evaluated there."""

    macro: float | None
    low: float | None = Field(description="95 % bootstrap interval over the clean test rows")
    high: float | None
    n_evaluable: int
    predictions_sha256: str = Field(description="of the predictions.parquet it was computed from")


class AuditFile(_Part):
    """What an audit says of the records of one dataset and split."""

    schema_name: Literal["chmr-bench audit 2"] = Field(default="chmr-bench audit 2", alias="schema")
    dataset: str
    dataset_digest: str
    split: str
    split_seed: int | None
    split_digest: str
    metric: str
    levels: dict[str, Leaked] = Field(description="test rows against train")
    levels_with_valid: dict[str, Leaked] = Field(description="test rows against train and valid")
    n_test: int
    n_clean: int = Field(
        description="with neither its connectivity nor its parent in train or valid"
    )
    scores: dict[str, CleanScore] = Field(description="by identity of the record")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @property
    def leaked_share(self) -> float:
        """Return the share of test rows that are not clean, from 0 to 1."""
        return 1 - self.n_clean / self.n_test

    def of(self, record: Record) -> CleanScore | None:
        """Return a record's clean score; None where its predictions are not those audited."""
        found = self.scores.get(record.identity)
        if found is None or found.predictions_sha256 != record.predictions_sha256:
            return None
        return found


def read_all(root: Path) -> dict[tuple[str, str, str], AuditFile]:
    """Return the audits below a folder of records and tables, by dataset and both digests.

    Raises
    ------
    DataError : a file is no audit.
    """
    found = {}
    for path in sorted((root / FOLDER).glob("*.json")):
        one = read(path)
        found[one.dataset, one.dataset_digest, one.split_digest] = one
    return found


def read(path: Path) -> AuditFile:
    """Return the audit of a file; DataError where it is none."""
    try:
        return AuditFile.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{path}: is no audit: {first}; make it again with: chmr-bench audit --records"
        ) from error


def write_all(root: Path, audits: Iterable[AuditFile]) -> list[Path]:
    """Write a file an audit, each replaced as a whole; return their paths.

    Raises
    ------
    UsageError : the folder cannot be written.
    """
    folder = root / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / name, one) for name, one in _named(audits).items()]
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder}: {error.strerror or error}; choose another folder with "
            "--out DIR, or make this one writable"
        ) from error


def as_text(one: AuditFile) -> str:
    """Return the file's content: the same for the same audit."""
    content = one.model_dump(mode="json", by_alias=True)
    return json.dumps(_rounded(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _named(audits: Iterable[AuditFile]) -> Mapping[str, AuditFile]:
    """Return file name -> audit; where two datasets have one name, their digests tell them."""
    named: dict[str, AuditFile] = {}
    for one in sorted(audits, key=lambda a: (a.dataset, a.split, a.split_seed or 0)):
        seed = "" if one.split_seed is None else f"-{one.split_seed}"
        stem = re.sub(r"[^A-Za-z0-9._+]+", "-", f"{one.dataset}-{one.split}{seed}").strip("-.")
        if f"{stem}.json" in named:
            stem += f"-{one.dataset_digest[:6]}{one.split_digest[:6]}"
        named[f"{stem}.json"] = one
    return named


def _write(path: Path, one: AuditFile) -> Path:
    text = as_text(one)
    if path.is_file() and path.read_bytes() == text.encode():
        return path
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(text.encode())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value

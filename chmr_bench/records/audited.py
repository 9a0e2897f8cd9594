"""Scores on clean test rows, kept beside the records: ``audit/<dataset>.json``, all its splits.

A row of the test part is clean where no row of train or valid is the same molecule, in whatever
salt, charge or tautomer form. The tables are made from files alone; these files say what else would
need the data.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from chmr_bench.errors import DataError, writing
from chmr_bench.paths import write_whole
from chmr_bench.records.rounding import as_json
from chmr_bench.records.run import file_name
from chmr_bench.records.schema import Record

FOLDER = "audit"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Leaked(_Part):
    """Test rows shared with training, at one level."""

    test_rows: int
    leaked_rows: int
    share: float


class CleanScore(_Part):
    """A record's score on the clean test rows; null where no task can be evaluated there."""

    macro: float | None
    low: float | None = Field(description="95 % bootstrap interval over the clean test rows")
    high: float | None
    n_evaluable: int
    predictions_sha256: str = Field(description="of the predictions it was computed from")


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
    molecules: dict[str, int] = Field(
        default_factory=dict, description="different molecules of the dataset, by level"
    )
    n_test: int
    n_clean: int = Field(
        description="the molecule is in train and valid in no salt, charge or tautomer form"
    )
    scores: dict[str, CleanScore] = Field(description="by identity of the record")

    @property
    def leaked_share(self) -> float:
        """Return the share of test rows that are not clean, from 0 to 1."""
        return 1 - self.n_clean / self.n_test

    def of(self, record: Record) -> CleanScore | None:
        """Return a record's clean score; None where its predictions are not those audited."""
        clean = self.scores.get(record.identity)
        if clean is None or clean.predictions_sha256 != record.predictions_sha256:
            return None
        return clean


class _File(_Part):
    """The audits of a dataset."""

    schema_name: Literal["chmr-bench audits 3"] = Field(
        default="chmr-bench audits 3", alias="schema"
    )
    audits: list[AuditFile]


def read_all(root: Path) -> dict[tuple[str, str, str, str | None], AuditFile]:
    """Return the audits below a folder of records and tables, by dataset, both digests, metric.

    Raises
    ------
    DataError
        a file is no audit.
    """
    audits = (one for path in paths(root) for one in read(path))
    return {(one.dataset, one.dataset_digest, one.split_digest, one.metric): one for one in audits}


def paths(root: Path) -> list[Path]:
    """Return the files of audits."""
    return sorted((root / FOLDER).glob("*.json"))


def read(path: Path) -> list[AuditFile]:
    """Return the audits of a file, also of an older one that holds one split; DataError if none."""
    try:
        if not path.is_file():
            raise ValueError("no such file")
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("schema") == "chmr-bench audit 2":
            return [AuditFile.model_validate(content)]
        return _File.model_validate(content).audits
    except (OSError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{path}: is no audit: {first}; make it again with: chmr-bench audit --records"
        ) from error


def write_all(
    root: Path, audits: Iterable[AuditFile], on_record: Collection[str] | None = None
) -> list[Path]:
    """Write a file a dataset, each replaced as a whole, and return their paths.

    Audits that are there of other data and splits stay; those in files of one split move.

    Parameters
    ----------
    on_record : Collection[str] | None
        Identities of the records there are: audits of none of them go. None = all stay.

    Raises
    ------
    UsageError
        the folder cannot be written.
    """
    folder = root / FOLDER
    files: dict[str, dict[tuple[str, ...], AuditFile]] = defaultdict(dict)
    old = paths(root)
    known = (one for path in old for one in _readable(path) if _speaks_of(one, on_record))
    for one in (*known, *audits):
        key = (one.dataset_digest, one.split_digest, one.metric)
        files[f"{file_name(one.dataset)}.json"][key] = one
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        written = [_write(folder / name, list(of.values())) for name, of in sorted(files.items())]
        for path in old:
            if path not in written and _readable(path):
                path.unlink()
    return written


def _speaks_of(audit: AuditFile, on_record: Collection[str] | None) -> bool:
    return on_record is None or any(identity in on_record for identity in audit.scores)


def _readable(path: Path) -> list[AuditFile]:
    try:
        return read(path)
    except DataError:
        return []


def _write(path: Path, audits: list[AuditFile]) -> Path:
    ordered = sorted(audits, key=lambda a: (a.dataset, a.split, a.split_seed or 0, a.metric))
    text = as_json(_File(audits=ordered).model_dump(mode="json", by_alias=True))
    if path.is_file() and path.read_bytes() == text.encode():
        return path
    write_whole(path, text.encode())
    return path

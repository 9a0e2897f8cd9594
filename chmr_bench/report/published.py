"""Figures as papers print them: read from TOML, never mixed with measured ones.

A file holds one paper and its tables, in the paper's own units. Nothing is left out: a figure that
is not comparable stays, with its mark or its note.
"""

from __future__ import annotations

import functools
import tomllib
from collections import Counter
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chmr_bench.errors import DataError

Model = TypeVar("Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Part):
    """One printed number; `dataset` may name an endpoint after a slash (``biogen3k/HLM``)."""

    model: str
    dataset: str
    metric: str = Field(description="with the printed unit: roc_auc_percent, mae_x100")
    mean: float | None = None
    std: float | None = None
    venue: str = ""
    note: str = ""
    hard_labels: bool = Field(default=False, description="scored on 0/1, not on probabilities")


class Paper(_Part):
    """Where the figures were printed."""

    key: str
    authors: str
    title: str
    venue: str
    address: str
    notes: tuple[str, ...] = ()


class PrintedTable(_Part):
    """One table of a paper, in the paper's order."""

    name: str
    title: str
    runs: int
    spread: str = Field(description="what stands behind the +- sign")
    split: str
    notes: tuple[str, ...] = ()
    hard_labels_note: str = ""
    folded: bool = Field(default=False, description="shown closed on a page")
    figures: tuple[Figure, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the table, endpoints left out, in printed order."""
        return tuple(dict.fromkeys(f.dataset.split("/")[0] for f in self.figures))


class Published(_Part):
    """One paper."""

    paper: Paper
    table: tuple[PrintedTable, ...]


def folder() -> Path:
    """Return the folder of the TOML files: inside the package, or beside it in a checkout."""
    packaged = Path(__file__).parent / "published"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[2] / "baselines" / "published"


def read_toml(path: Path, kind: type[Model], todo: str = "") -> Model:
    """Return a file as what it should be; DataError names the file and what is wrong with it."""
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where}: {first['msg']}{todo}") from error
    except (OSError, ValueError) as error:  # no TOML, or no text at all
        raise DataError(f"{path}: cannot be read: {error}{todo}") from error


def read(path: Path) -> Published:
    """Read one paper; DataError names the file and what is wrong with it."""
    published = read_toml(path, Published)
    for table in published.table:
        _check(path, table)
    return published


@functools.cache
def all_published() -> tuple[Published, ...]:
    """Return every paper, by key."""
    papers = [read(path) for path in sorted(folder().glob("*.toml"))]
    return tuple(sorted(papers, key=lambda p: p.paper.key))


def _check(path: Path, table: PrintedTable) -> None:
    for (model, dataset), n in Counter((f.model, f.dataset) for f in table.figures).items():
        if n > 1:
            raise DataError(f"{path}: {table.name} prints {model} on {dataset} twice")
    for figure in table.figures:
        if figure.mean is None and not figure.note:
            raise DataError(
                f"{path}: {table.name}: {figure.model} on {figure.dataset} has neither a figure "
                "nor a note that says why"
            )
    if any(f.hard_labels for f in table.figures) and not table.hard_labels_note:
        raise DataError(f"{path}: {table.name} marks hard labels but has no hard_labels_note")

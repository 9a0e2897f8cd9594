"""Read `atlases.toml`: what is registered of each atlas, and how its tables are laid out."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chmr_bench import AtlasSpec, ReadOuts, SourceFile

ATLASES = Path(__file__).parent / "atlases.toml"
LOADERS = {
    "cells": "chmr_bench_atlases.load:load",
    "assays": "chmr_bench_atlases.assays:load",
}
"""What reads an atlas that names no loader of its own, by what it holds."""


@dataclass(frozen=True)
class Structures:
    """Where the SMILES of a table's rows stand, if in tables of their own.

    Attributes
    ----------
    files : tuple[str, ...]
        Mirror paths; the first that has a key stands.
    key : str
        Column of the table of read-outs.
    matches : str
        Column of the structures that holds the same; letters and digits alone count.
    smiles : str
        Column of SMILES.
    encoding : str
        Of the files.
    """

    files: tuple[str, ...]
    key: str
    matches: str
    smiles: str
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Layout:
    """How tables with read-outs of one block are laid out.

    Attributes
    ----------
    block : str
        Name of the block.
    files : tuple[str, ...]
        Mirror paths of tables of one layout: csv, tsv, xlsx, or zip of csv.
    columns : Mapping[str, str]
        Column of the file -> name of the read-out. ``*`` matches any text, and stands in the name
        for what the last one matched; ``{member}`` is the name of a zip's member, without ending.
    smiles : str
        Column of SMILES.
    structures : Structures | None
        In its stead, where the SMILES stand in another table.
    members : str
        Which members of a zip, as a glob.
    sheet : str
        Sheet of an xlsx.
    encoding : str
        Of csv and tsv.
    words : Mapping[str, float]
        What words of a cell mean.
    missing : tuple[str, ...]
        What else than an empty cell means not measured.
    repeats : tuple[str, ...]
        Endings of column names that mark a repeat of the same read-out.
    upper : bool
        Names of read-outs in capitals, where files differ.
    min_values : int
        Read-outs with fewer values are left out.
    """

    block: str
    files: tuple[str, ...]
    columns: Mapping[str, str]
    smiles: str = ""
    structures: Structures | None = None
    members: str = "*.csv"
    sheet: str = ""
    encoding: str = "utf-8"
    words: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ("NA", "NaN")
    repeats: tuple[str, ...] = ()
    upper: bool = False
    min_values: int = 1


@functools.cache
def specs(path: Path = ATLASES) -> tuple[AtlasSpec, ...]:
    """Return the specs in the order of the file."""
    return tuple(_spec(name, table) for name, table in _tables(path).items())


@functools.cache
def layouts(path: Path = ATLASES) -> Mapping[str, tuple[Layout, ...]]:
    """Return atlas name -> how its tables are laid out."""
    return {
        name: tuple(layout_of(table) for table in entry.get("tables", ()))
        for name, entry in _tables(path).items()
    }


@functools.cache
def _tables(path: Path) -> dict[str, dict[str, Any]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _spec(name: str, table: Mapping[str, Any]) -> AtlasSpec:
    readouts = tuple(ReadOuts(**block) for block in table.get("blocks", ()))
    return AtlasSpec(
        name=name,
        title=table["title"],
        load=table.get("load", LOADERS[table.get("kind", "cells")]),
        modalities=tuple(block.block for block in readouts),
        n_molecules=table.get("molecules", 0),
        sources=tuple(SourceFile(**file) for file in table["files"]),
        licence=table["licence"],
        citation=table["citation"],
        source=table["source"],
        notes=tuple(table["notes"]),
        readouts=readouts,
        kind=table.get("kind", "cells"),
    )


def layout_of(table: Mapping[str, Any]) -> Layout:
    """Return the layout that a table ``[[NAME.tables]]`` of the file describes."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    if "structures" in given:
        described: dict[str, Any] = {**table["structures"]}
        described["files"] = tuple(described["files"])
        given["structures"] = Structures(**described)
    return Layout(**given)

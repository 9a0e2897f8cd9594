"""Read `atlases.toml`, or another's: what is registered of an atlas, how its tables are laid out.

A package with a TOML of its own returns ``specs(Path(__file__).with_name("mine.toml"))`` from the
hook `chmr_bench_atlases`.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chmr_bench import AtlasSpec, PluginError, ReadOuts, SourceFile

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

    @property
    def molecule(self) -> str:
        """Return the column that says which molecule a row is of."""
        return self.structures.key if self.structures else self.smiles


@functools.cache
def specs(path: Path = ATLASES) -> tuple[AtlasSpec, ...]:
    """Return the specs in the order of the file; each says where its layout stands.

    Parameters
    ----------
    path : Path
        A TOML file, which stays where it is for as long as the atlases are used.

    Raises
    ------
    PluginError
        An entry lacks a key; the message says which.
    """
    path = path.resolve()
    return tuple(_spec(name, table, path) for name, table in _tables(path).items())


@functools.cache
def layouts(path: Path = ATLASES) -> Mapping[str, tuple[Layout, ...]]:
    """Return atlas name -> how its tables are laid out."""
    return {
        name: tuple(layout_of(table) for table in entry.get("tables", ()))
        for name, entry in _tables(path).items()
    }


def layouts_of(spec: AtlasSpec) -> tuple[Layout, ...]:
    """Return how the tables of an atlas are laid out: `specs` keeps the place of its TOML.

    Raises
    ------
    PluginError
        The TOML has no such atlas.
    """
    path = Path(spec.layout) if spec.layout else ATLASES
    described = layouts(path)
    if spec.name not in described:
        raise PluginError(
            f"atlas {spec.name!r}: {path} describes {', '.join(described)}; expected it among "
            "them. Make its spec by chmr_bench_atlases.layouts.specs(PATH OF YOUR TOML)"
        )
    return described[spec.name]


@functools.cache
def _tables(path: Path) -> dict[str, dict[str, Any]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


NEEDED = ("title", "files", "licence", "citation", "source", "notes")
"""Keys that an entry must have."""


def _spec(name: str, table: Mapping[str, Any], path: Path) -> AtlasSpec:
    missing = [key for key in NEEDED if key not in table]
    if missing:
        raise PluginError(f"{path}: [{name}] lacks {', '.join(missing)}")
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
        version=table.get("version", "1"),
        readouts=readouts,
        kind=table.get("kind", "cells"),
        layout=str(path),
    )


def layout_of(table: Mapping[str, Any]) -> Layout:
    """Return the layout that a table ``[[NAME.tables]]`` of the file describes."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    if "structures" in given:
        described: dict[str, Any] = {**table["structures"]}
        described["files"] = tuple(described["files"])
        given["structures"] = Structures(**described)
    return Layout(**given)

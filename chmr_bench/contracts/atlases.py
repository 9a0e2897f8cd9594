"""What is registered of an atlas: everything known of it without opening a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chmr_bench.contracts.specs import SourceFile

CELL_MODALITIES = (
    "morphology",
    "expression",
    "perturbation",
    "activity",
    "viability",
    "growth",
    "fitness",
    "cytotoxicity",
    "cytopathic-effect",
)
"""Cell modalities of the registered atlases: the part of a block's name before the first dot."""
ASSAY = "assay"
"""The same of labelled assays, which are no cells."""


@dataclass(frozen=True)
class ReadOuts:
    """What is registered of one block of an atlas, so that it can be shown unopened.

    Attributes
    ----------
    block
        Its name, ``modality`` or ``modality.source``.
    n
        Columns.
    filled
        Share of the entries measured, of the molecules that have any.
    kind
        ``calls`` (0 or 1; where measurements of a molecule differ, their mean) or ``numbers``.
    unit
        Of a number.
    direction
        What a high one means.
    censored_at
        Values stand at this where the true one lies beyond: the highest dose, say. No prediction
        beyond it is wrong there.
    beyond
        On which side of it: ``below`` or ``above``.
    n_molecules
        That have any; 0 = all of the atlas. Of labelled assays at most: different SMILES.

    Examples
    --------
    ```python
    ReadOuts("growth.my-screen", n=60, filled=0.12, kind="calls", direction="1 = growth stopped")
    ```
    """

    block: str
    n: int
    filled: float = 1.0
    kind: Literal["calls", "numbers"] = "numbers"
    unit: str = ""
    direction: str = ""
    censored_at: float | None = None
    n_molecules: int = 0
    beyond: Literal["below", "above"] = "below"


@dataclass(frozen=True)
class AtlasSpec:
    """A registered atlas: unlabelled molecules with cell read-outs, to pretrain on.

    Attributes
    ----------
    load
        ``"module:function"``, called as ``function(spec, files) ->
        chmr_bench.cells.Atlas``; `files` maps a source path to a verified local file.
    modalities
        The names of its cell blocks, or of its assays.
    kind
        ``assays``: labelled assays of molecules, which are not cells. They are no profiles for
        ``--cells``, and only models whose `ModelSpec.learns` names ``assay`` learn from them.
    synthetic
        Simulated read-outs; only synthetic benchmarks can leak into it.
    version
        Changes whenever the same files give another atlas.
    readouts
        What is known of its blocks without opening it.
    layout
        The path of the file that says how its tables are laid out, where `load` reads one: the
        TOML of ``chmr_bench_atlases.layouts.specs``. "" = it reads none.

    Examples
    --------
    ```python
    AtlasSpec("my-screen", "My library", "my_package.atlas:load", ("morphology",))
    ```
    """

    name: str
    title: str
    load: str
    modalities: tuple[str, ...]
    n_molecules: int = 0
    sources: tuple[SourceFile, ...] = ()
    synthetic: bool = False
    licence: str = ""
    citation: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    version: str = "1"
    readouts: tuple[ReadOuts, ...] = ()
    kind: Literal["cells", "assays"] = "cells"
    layout: str = ""

"""From a SMILES to an RDKit molecule, without losing one that chemistry's rules refuse.

A benchmark may not drop a row. Seven molecules of HIV (aluminium with nine bonds and the like) fail
RDKit's valence check from 2024.09 on; they are read with every other step of the sanitisation, so
that rings and aromaticity are perceived and every feature can be computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rdkit import Chem, rdBase

from chmr_bench.errors import FeatureError

MAX_ATOMS = 1000
"""Heavy atoms. Distances and descriptors are cubic and worse: 12 s at 1,000, hours at 20,000. InChI
itself ends at 1,024."""
MAX_LENGTH = 50_000
"""Characters of a SMILES; fifty for each of the atoms, and beyond any that is written by hand."""
SHOWN_LENGTH = 80
"""A SMILES longer than this is cut in a message."""
_HYDROGEN_ATOM = re.compile(r"\[[0-9]*[H#]")
"""Where a SMILES may write hydrogen as an atom: [H], [2H], [H+], [#1] (but also [Hg])."""
_NOTHING_TO_REMOVE = Chem.SmilesParserParams()
_NOTHING_TO_REMOVE.removeHs = False  # type: ignore[assignment]
"""Looking for hydrogens to remove costs a sixth of all reading; without any, nothing is removed."""


def parse(smiles: str) -> Chem.Mol:
    """Return the molecule, fully sanitised where that is possible, else as far as it goes.

    Raises
    ------
    FeatureError
        The text is empty, no SMILES at all, or of more than `MAX_ATOMS` heavy atoms.

    Examples
    --------
    >>> parse("OCC").GetNumAtoms()
    3
    """
    with rdBase.BlockLogs():
        return _parse(smiles)


def parse_all(smiles: Iterable[str]) -> Iterator[Chem.Mol]:
    """Yield what `parse` gives for each; RDKit is silent until the last is done with."""
    with rdBase.BlockLogs():
        for text in smiles:
            yield _parse(text)


def _parse(smiles: str) -> Chem.Mol:
    _check_text(smiles)
    mol = _read(smiles)
    if mol is None:
        try:
            mol = _parse_partially(smiles)
        except FeatureError:
            raise
        except Exception as error:
            raise FeatureError(f"{shown(smiles)} cannot be read: {first_line(error)}") from error
    odd = _odd_size(mol)
    if odd:
        raise FeatureError(f"{shown(smiles)} holds {odd}")
    return mol


def _odd_size(mol: Chem.Mol) -> str:
    """Return how many atoms it holds where that makes it no molecule, else nothing."""
    n_atoms = mol.GetNumHeavyAtoms() or mol.GetNumAtoms()
    if not n_atoms:
        return "no atom; expected a molecule"
    if n_atoms > MAX_ATOMS:
        return f"{n_atoms:,} heavy atoms, too big; expected at most {MAX_ATOMS:,}"
    return ""


def is_parsable(smiles: str) -> bool:
    """Return whether `parse` gives a molecule."""
    try:
        parse(smiles)
    except FeatureError:
        return False
    return True


def strictly_parsable(smiles: str) -> str | None:
    """Return None where the full sanitisation succeeds, else the reason why it does not."""
    try:
        _check_text(smiles)
    except FeatureError as error:
        return str(error)
    with rdBase.BlockLogs():
        mol = _read(smiles)
        if mol is not None:
            odd = _odd_size(mol)
            return f"it holds {odd}" if odd else None
        try:
            unsanitised: Any = Chem.MolFromSmiles(smiles, sanitize=False)
            if unsanitised is None:
                return "it is not valid SMILES"
            Chem.SanitizeMol(unsanitised)
        except Exception as error:  # noqa: BLE001 - it raises RuntimeError too, and others
            return first_line(error)
    return "RDKit refuses it"


def first_line(error: BaseException) -> str:
    """Return what went wrong in one line: RDKit's messages have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Pre-condition Violation")]
    return lines[0] if lines else type(error).__name__


def shown(smiles: str) -> str:
    """Return the SMILES as a message shows it: quoted, cut where it is very long."""
    text = str(smiles)
    return repr(text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "...")


def _check_text(smiles: object) -> None:
    if not isinstance(smiles, str):
        raise FeatureError(f"{smiles!r} is a {type(smiles).__name__}; expected a SMILES")
    if not smiles.strip():
        raise FeatureError(f"the SMILES is empty ({smiles!r}); expected a molecule")
    if len(smiles) > MAX_LENGTH:
        raise FeatureError(
            f"{shown(smiles)} has {len(smiles):,} characters, too many; "
            f"expected at most {MAX_LENGTH:,}"
        )


def _read(smiles: str) -> Chem.Mol | None:
    """Return the fully sanitised molecule, None where there is none: RDKit refuses, or fails."""
    try:
        if not _HYDROGEN_ATOM.search(smiles):
            return Chem.MolFromSmiles(smiles, _NOTHING_TO_REMOVE)
        return Chem.MolFromSmiles(smiles)
    except Exception:  # noqa: BLE001 - RuntimeError of [#119], UnicodeError, and whatever else
        return None


def _parse_partially(smiles: str) -> Chem.Mol:
    """Return the molecule with every sanitisation step but the valence check that it bears."""
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    if mol is None:
        raise FeatureError(f"{shown(smiles)} is not valid SMILES")
    mol = Chem.RemoveHs(mol, sanitize=False)  # as the full parser does
    mol.UpdatePropertyCache(strict=False)
    steps = Chem.SANITIZE_ALL ^ Chem.SANITIZE_PROPERTIES
    failed = Chem.SanitizeMol(mol, steps, catchErrors=True)
    if failed:  # the steps before the failed one are done; the rest as far as it goes
        Chem.FastFindRings(mol)
        rest = Chem.SANITIZE_SETCONJUGATION | Chem.SANITIZE_SETHYBRIDIZATION
        Chem.SanitizeMol(mol, rest, catchErrors=True)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol

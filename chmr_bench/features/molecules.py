"""From a SMILES to an RDKit molecule, without losing one that chemistry's rules refuse.

A benchmark may not drop a row. Seven molecules of HIV (aluminium with nine bonds and the like) fail
RDKit's valence check from 2024.09 on; they are read with every other step of the sanitisation, so
that rings and aromaticity are perceived and every feature can be computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rdkit import Chem, rdBase

from chmr_bench.errors import FeatureError

SHOWN_LENGTH = 120
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
    FeatureError : the text is empty, or no SMILES at all.
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
    mol = _read(smiles, sanitize=True)
    if mol is None:
        mol = _parse_partially(smiles)
    if mol.GetNumAtoms() == 0:
        raise FeatureError(f"{shown(smiles)} holds no atom; expected a molecule")
    return mol


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
        mol = _read(smiles, sanitize=True)
        if mol is not None:
            return None if mol.GetNumAtoms() else "it holds no atom"
        mol = _read(smiles, sanitize=False)
        if mol is None:
            return "it is not valid SMILES"
        try:
            Chem.SanitizeMol(mol)
        except ValueError as error:  # RDKit's own errors are all ValueErrors
            return str(error).strip()
    return "RDKit refuses it"


def shown(smiles: str) -> str:
    """Return the SMILES as a message shows it: quoted, cut where it is very long."""
    text = str(smiles)
    return repr(text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "...")


def _check_text(smiles: object) -> None:
    if not isinstance(smiles, str):
        raise FeatureError(f"{smiles!r} is a {type(smiles).__name__}; expected a SMILES")
    if not smiles.strip():
        raise FeatureError(f"the SMILES is empty ({smiles!r}); expected a molecule")


def _read(smiles: str, sanitize: bool) -> Chem.Mol | None:
    """Return the molecule, or None, which RDKit's own type hints do not admit."""
    if sanitize and not _HYDROGEN_ATOM.search(smiles):
        return Chem.MolFromSmiles(smiles, _NOTHING_TO_REMOVE)
    return Chem.MolFromSmiles(smiles, sanitize=sanitize)


def _parse_partially(smiles: str) -> Chem.Mol:
    """Return the molecule with every sanitisation step but the valence check that it bears."""
    mol = _read(smiles, sanitize=False)
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

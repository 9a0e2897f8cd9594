"""The molecules of the planted data: real ones, from the NCI file that rdkit installs.

The rule, in file order: the SMILES is one fragment that rdkit can read, with at least one carbon,
no element but C, N, O, S, P, F, Cl, Br and I, and 5 to 60 heavy atoms; of molecules with one
connectivity (first 14 characters of the InChIKey) the first stays. What is left out is counted by
reason in `Chosen.excluded`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.types import IntArray

FILE_SHA256 = "91e71c015f14939837f2943dcc904f7c87e5a3a0124d82b05c28ad2f23004def"
N_ROWS = 4999
ELEMENTS = frozenset({"C", "N", "O", "S", "P", "F", "Cl", "Br", "I"})
HEAVY_ATOMS = (5, 60)
KEYS = Path(__file__).with_name("connectivity_keys.txt")
"""What `computed_keys` gives, a line a molecule: to compute them takes rdkit two seconds."""


@dataclass(frozen=True)
class Chosen:
    """The molecules that meet the rule.

    Attributes
    ----------
    rows : IntArray
        (n,) int64, 0-based line of the NCI file, ascending.
    smiles, keys : tuple[str, ...]
        N SMILES as the file gives them, n connectivity keys, all different.
    mols : tuple[Any, ...]
        N rdkit molecules.
    excluded : Mapping[str, int]
        Reason -> number of lines left out.
    """

    rows: IntArray
    smiles: tuple[str, ...]
    keys: tuple[str, ...]
    mols: tuple[Any, ...]
    excluded: Mapping[str, int]


def nci_file() -> Path:
    """Return the path of the NCI file in the installed rdkit."""
    from rdkit import RDConfig

    return Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"


def read_smiles(path: Path) -> tuple[str, ...]:
    """Return the 4,999 SMILES of the NCI file.

    Raises
    ------
    DataError
        The file is not there, or is not the one the planted data were made from.
    """
    advice = "install rdkit from the Python package index (pip install --force-reinstall rdkit)"
    try:
        content = path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise DataError(
            f"the planted data are made from a file that rdkit installs, and {path} cannot be "
            f"read ({error.strerror}); {advice}"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != FILE_SHA256:
        raise DataError(
            f"{path}: sha256 {digest[:16]}..., {len(content)} bytes; the planted data are made "
            f"from the file with sha256 {FILE_SHA256[:16]}... ({N_ROWS} lines); {advice}"
        )
    return tuple(line.split(b"\t")[0].decode().strip() for line in content.splitlines())


@cache
def choose() -> Chosen:
    """Return the molecules that meet the rule of this module."""
    from rdkit import rdBase

    keys_of_rows = KEYS.read_text(encoding="ascii").split("\n")
    excluded: Counter[str] = Counter()
    kept: list[tuple[int, str, str, Any]] = []
    seen: set[str] = set()
    with rdBase.BlockLogs():
        for row, smiles in enumerate(read_smiles(nci_file())):
            mol, reason = _judge(smiles)
            key = keys_of_rows[row]
            if not reason and (not key or key in seen):
                reason = "connectivity seen before" if key else "no InChIKey"
            if reason:
                excluded[reason] += 1
                continue
            seen.add(key)
            kept.append((row, smiles, key, mol))
    rows, chosen, keys, mols = zip(*kept, strict=True)
    return Chosen(np.array(rows, dtype=np.int64), chosen, keys, mols, dict(excluded))


def computed_keys() -> list[str]:
    """Return the connectivity key of each line of the NCI file, "" where the rule asks for none.

    Examples
    --------
    >>> KEYS.write_text("\\n".join(computed_keys()), encoding="ascii")  # doctest: +SKIP
    """
    from rdkit import Chem, rdBase

    inchi_key: Any = Chem.MolToInchiKey
    with rdBase.BlockLogs():  # InChI warns about stereo it was not given, once a molecule
        judged = [_judge(smiles) for smiles in read_smiles(nci_file())]
        return ["" if reason else inchi_key(mol)[:14] for mol, reason in judged]


def _judge(smiles: str) -> tuple[Any, str]:
    """Return (molecule, reason to leave it out or "")."""
    from rdkit import Chem

    if "." in smiles:
        return None, "more than one fragment"
    mol: Any = Chem.MolFromSmiles(smiles)  # None where it cannot; the stubs do not say so
    if mol is None:
        return None, "rdkit cannot read it"
    symbols = {atom.GetSymbol() for atom in mol.GetAtoms()}
    if "C" not in symbols or not symbols <= ELEMENTS:
        return None, "no carbon, or an element outside " + " ".join(sorted(ELEMENTS))
    low, high = HEAVY_ATOMS
    if not low <= mol.GetNumHeavyAtoms() <= high:
        return None, f"not {low} to {high} heavy atoms"
    return mol, ""

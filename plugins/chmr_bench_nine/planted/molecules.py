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
from chmr_bench.types import BoolArray, IntArray
from chmr_bench_nine.planted.substructures import SUBSTRUCTURES, presence

FILE_SHA256 = "91e71c015f14939837f2943dcc904f7c87e5a3a0124d82b05c28ad2f23004def"
N_ROWS = 4999
N_BITS = len(SUBSTRUCTURES)
ELEMENTS = frozenset({"C", "N", "O", "S", "P", "F", "Cl", "Br", "I"})
HEAVY_ATOMS = (5, 60)
JUDGED = Path(__file__).with_name("judged.tsv")
"""What `judged` gives, a line a molecule: to find it out takes rdkit three seconds."""


@dataclass(frozen=True)
class Chosen:
    """The molecules that meet the rule.

    Attributes
    ----------
    rows : IntArray
        (n,) int64, 0-based line of the NCI file, ascending.
    smiles, keys : tuple[str, ...]
        N SMILES as the file gives them, n connectivity keys, all different.
    present : BoolArray
        (n, len(SUBSTRUCTURES)) bool, whether the molecule holds the substructure.
    excluded : Mapping[str, int]
        Reason -> number of lines left out.
    """

    rows: IntArray
    smiles: tuple[str, ...]
    keys: tuple[str, ...]
    present: BoolArray
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
    excluded: Counter[str] = Counter()
    kept: list[tuple[int, str, str, str]] = []
    seen: set[str] = set()
    lines = JUDGED.read_text(encoding="ascii").splitlines()
    for row, (smiles, line) in enumerate(zip(read_smiles(nci_file()), lines, strict=True)):
        key, bits, reason = line.split("\t")
        if not reason and key in seen:
            reason = "connectivity seen before"
        if reason:
            excluded[reason] += 1
            continue
        seen.add(key)
        kept.append((row, smiles, key, bits))
    rows, chosen, keys, present = zip(*kept, strict=True)
    return Chosen(
        np.array(rows, dtype=np.int64), chosen, keys, unpacked("".join(present)), dict(excluded)
    )


def judged() -> list[str]:
    r"""Return key, substructures as hexadecimal digits, and reason to leave it out of each line.

    Examples
    --------
    >>> JUDGED.write_text("\n".join(judged()) + "\n", encoding="ascii")  # doctest: +SKIP
    """
    from rdkit import Chem, rdBase

    inchi_key: Any = Chem.MolToInchiKey
    lines = []
    with rdBase.BlockLogs():  # InChI warns about stereo it was not given, once a molecule
        for smiles in read_smiles(nci_file()):
            mol, reason = _judge(smiles)
            key = "" if reason else inchi_key(mol)[:14]
            bits = np.packbits(presence([mol])).tobytes().hex() if key else ""
            lines.append(f"{key}\t{bits}\t{reason or ('' if key else 'no InChIKey')}")
    return lines


def unpacked(digits: str) -> BoolArray:
    """Return the presence of all substructures, (n, len(SUBSTRUCTURES)), from n rows of digits."""
    rows = np.frombuffer(bytes.fromhex(digits), dtype=np.uint8).reshape(-1, -(-N_BITS // 8))
    return np.unpackbits(rows, axis=1, count=N_BITS).astype(bool)


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

"""What makes two rows one molecule, at several levels: keys and hashes that are equal or not.

The levels from the narrowest to the widest: the canonical SMILES; that of the parent, without salt
and charge; the connectivity of the molecule as it stands, and that of its neutral parent; the
parent's flat scaffold. See `features.cache` for the cached text and `features.groups` for groups.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdinchi

from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.molecules import parse_all
from chmr_bench.features.plugin import KEY_LENGTH, LEVELS

HASH_BYTES = 16

NON_METALS = frozenset({1, 6, 7, 8, 9, 15, 16, 17, 35, 53})
"""Atomic numbers of the elements of nearly all drugs, none of which RDKit cuts off as a metal."""


def connectivity(smiles: Sequence[str]) -> MatrixBlock:
    """Return the first 14 characters of each InChIKey as ASCII codes, (n, 14) uint8.

    A molecule of which no InChI can be made (a dummy atom) is not observed; its row is 0.
    """
    return _key_codes(parse_all(smiles))


def neutral_parent(smiles: Sequence[str]) -> MatrixBlock:
    """Return the connectivity of each molecule's parent, as `connectivity` does.

    It joins salts, charges and most tautomers: of 700 rows of ChEMBL2K that name their compound in
    JUMP 547 have its key as they stand, and 696 that of its neutral parent.
    """
    return _key_codes(mol if _is_neutral(mol) else _parent(mol) for mol in parse_all(smiles))


def levels(smiles: Sequence[str]) -> MatrixBlock:
    """Return hashes at the three levels side by side, (n, 3 * 16) uint8; zeros where there is none.

    - RDKit's canonical SMILES with stereo marks.
    - The canonical SMILES of the parent: the largest organic fragment after RDKit's clean-up
      (normalised, metals cut off), with its charges neutralised where that is possible; stereo
      marks stay. A molecule that RDKit's standardiser refuses is its own parent.
    - The parent's Bemis-Murcko scaffold without stereo marks, since a ring in the counter-ion would
      make another scaffold of the same drug. A parent without a ring has none.
    """
    texts: list[str] = []
    for mol in parse_all(smiles):
        parent = _parent(mol)
        flat = murcko(parent, chirality=False)
        texts += (Chem.MolToSmiles(mol), Chem.MolToSmiles(parent), flat)
    hashes = [hashlib.sha256(t.encode()).digest()[:HASH_BYTES] if t else b"" for t in texts]
    codes = _codes(hashes, HASH_BYTES).reshape(-1, len(LEVELS) * HASH_BYTES)
    return MatrixBlock(values=codes, observed=np.ones(len(codes), dtype=bool))


def murcko(mol: Chem.Mol, chirality: bool) -> str:
    """Return the Bemis-Murcko scaffold as canonical SMILES, "" where the molecule has no ring."""
    if not mol.GetRingInfo().NumRings():  # at once: decomposing a long chain takes cubic time
        return ""
    scaffold = Chem.MurckoDecompose(mol)
    # the steps of RDKit's MurckoScaffoldSmiles, but lenient about valence
    scaffold.ClearComputedProps()
    scaffold.UpdatePropertyCache(strict=False)
    Chem.GetSymmSSSR(scaffold)
    return Chem.MolToSmiles(scaffold, isomericSmiles=chirality)


@functools.cache
def _steps() -> tuple[Callable[[Chem.Mol], Chem.Mol], ...]:
    """Return the steps of RDKit's FragmentParent, made once: it makes them for each molecule."""
    from rdkit.Chem.MolStandardize import rdMolStandardize as standard

    return (
        Chem.RemoveHs,
        standard.MetalDisconnector().Disconnect,
        standard.Normalizer().normalize,
        standard.Reionizer().reionize,
        standard.LargestFragmentChooser().choose,
        standard.Uncharger().uncharge,
    )


def _is_neutral(mol: Chem.Mol) -> bool:
    """Return whether it is one fragment, without charges and metals: then it is its own parent."""
    return len(Chem.GetMolFrags(mol)) == 1 and all(
        atom.GetAtomicNum() in NON_METALS and not atom.GetFormalCharge() for atom in mol.GetAtoms()
    )


def _parent(mol: Chem.Mol) -> Chem.Mol:
    try:
        return functools.reduce(lambda parent, step: step(parent), _steps(), mol)
    except Exception:  # noqa: BLE001 - RDKit refuses a valence, or fails in one of many ways
        return mol


def _key_codes(molecules: Iterable[Chem.Mol]) -> MatrixBlock:
    keys = [rdinchi.MolToInchiKey(mol)[:KEY_LENGTH].encode("ascii") for mol in molecules]
    observed = np.array([bool(key) for key in keys], dtype=bool)
    return MatrixBlock(values=_codes(keys, KEY_LENGTH), observed=observed)


def _codes(texts: Sequence[bytes], width: int) -> Any:
    """Return a row of bytes a text, (n, width) uint8, zeros behind its end."""
    padded = b"".join(text.ljust(width, b"\0") for text in texts)
    return np.frombuffer(padded, dtype=np.uint8).reshape(-1, width).copy()

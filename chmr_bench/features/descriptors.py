"""RDKit's two-dimensional descriptors: weights, counts, charges, topological indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors
from threadpoolctl import threadpool_limits

from chmr_bench.contracts import MatrixBlock
from chmr_bench.errors import UnknownNameError
from chmr_bench.features.molecules import parse_all

COSTLY = ("Ipc", "AvgIpc")
"""Their time grows with the fourth power of the atoms: 0.3 s for 250, a minute for 1,000."""
LARGE = 300
"""Atoms above which a molecule has no `COSTLY` descriptors."""


def descriptors(smiles: Sequence[str], names: str = "") -> MatrixBlock:
    """Return RDKit's 2D descriptors, (n, d) float32, named as RDKit names them.

    `observed` is (n, d): False, and the value NaN, where RDKit gives no finite number (charges of a
    metal complex, say), and for `COSTLY` ones of a large molecule. Values beyond float32 (Ipc) are
    set to the largest float32.

    Parameters
    ----------
    names : str
        Which, with commas between them, in this order; "" = all, which takes ten times as long as
        a dozen simple ones.

    Raises
    ------
    UnknownNameError
        RDKit has no descriptor of that name.

    Examples
    --------
    >>> descriptors(["CCO"], names="MolWt,TPSA").values.round(1).tolist()
    [[46.099998474121094, 20.200000762939453]]
    """
    table = _table(names)
    values = np.full((len(smiles), len(table)), np.nan)
    # Ipc multiplies matrices of one molecule's atoms: more than one BLAS thread makes it slower,
    # seven times for 300 atoms, and takes the cores from the other workers.
    with threadpool_limits(limits=1, user_api="blas"):
        for row, mol in enumerate(parse_all(smiles)):
            values[row] = [_described(mol, name, function) for name, function in table.items()]
    values[~np.isfinite(values)] = np.nan
    limit = float(np.finfo(np.float32).max)
    small = np.clip(values, -limit, limit).astype(np.float32)
    return MatrixBlock(values=small, observed=np.isfinite(small), names=tuple(table))


def _table(names: str) -> dict[str, Callable[[Chem.Mol], float]]:
    """Return the descriptors of these names; "" = all."""
    known = {str(name): function for name, function in Descriptors.descList}
    wanted = names.split(",") if names else list(known)
    for name in wanted:
        if name not in known:
            raise UnknownNameError("descriptor", name, known)
    return {name: known[name] for name in wanted}


def _described(mol: Chem.Mol, name: str, function: Callable[[Chem.Mol], float]) -> float:
    """Return one descriptor; NaN where RDKit fails on it: the others of the molecule stay."""
    if name in COSTLY and mol.GetNumAtoms() > LARGE:
        return float("nan")
    try:
        return float(function(mol))
    except Exception:  # noqa: BLE001 - each descriptor fails in a way of its own
        return float("nan")

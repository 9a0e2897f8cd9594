"""RDKit's two-dimensional descriptors: weights, counts, charges, topological indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rdkit.Chem import Descriptors
from threadpoolctl import threadpool_limits

from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.molecules import parse_all


def descriptors(smiles: Sequence[str]) -> MatrixBlock:
    """Return all of RDKit's 2D descriptors, (n, d) float32, named as RDKit names them.

    NaN where RDKit gives no finite number (charges of a metal complex, say); every row is observed.
    Values beyond float32 (Ipc of a large molecule) are set to the largest float32.
    """
    names = tuple(str(name) for name, _ in Descriptors.descList)
    describe: Callable[..., dict[str, Any]] = Descriptors.CalcMolDescriptors
    values = np.full((len(smiles), len(names)), np.nan)
    # Ipc multiplies matrices of one molecule's atoms: more than one BLAS thread makes it slower,
    # seven times for 300 atoms, and takes the cores from the other workers.
    with threadpool_limits(limits=1, user_api="blas"):
        for row, mol in enumerate(parse_all(smiles)):
            # A descriptor that fails leaves `missingVal`; the others of the molecule stay.
            found = describe(mol, missingVal=np.nan, silent=True)
            values[row] = [found[name] for name in names]
    values[~np.isfinite(values)] = np.nan
    limit = float(np.finfo(np.float32).max)
    small = np.clip(values, -limit, limit).astype(np.float32)
    return MatrixBlock(values=small, observed=np.ones(len(smiles), dtype=bool), names=names)

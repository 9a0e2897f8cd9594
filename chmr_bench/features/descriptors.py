"""RDKit's two-dimensional descriptors: weights, counts, charges, topological indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rdkit import rdBase
from rdkit.Chem import Descriptors

from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.molecules import parse


def descriptors(smiles: Sequence[str]) -> MatrixBlock:
    """Return all of RDKit's 2D descriptors, (n, d) float32, named as RDKit names them.

    NaN where RDKit gives no finite number (charges of a metal complex, say); every row is observed.
    Values beyond float32 (Ipc of a large molecule) are set to the largest float32.
    """
    names = tuple(str(name) for name, _ in Descriptors.descList)
    describe: Callable[..., dict[str, Any]] = Descriptors.CalcMolDescriptors
    values = np.full((len(smiles), len(names)), np.nan)
    with rdBase.BlockLogs():
        for row, text in enumerate(smiles):
            # A descriptor that fails leaves `missingVal`; the others of the molecule stay.
            found = describe(parse(text), missingVal=np.nan, silent=True)
            values[row] = [found[name] for name in names]
    values[~np.isfinite(values)] = np.nan
    limit = float(np.finfo(np.float32).max)
    small = np.clip(values, -limit, limit).astype(np.float32)
    return MatrixBlock(values=small, observed=np.ones(len(smiles), dtype=bool), names=names)

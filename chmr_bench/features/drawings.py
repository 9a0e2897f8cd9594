"""The drawing of a molecule as a chemist would see it, in few pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D
from scipy import sparse

from chmr_bench.contracts import MatrixBlock
from chmr_bench.errors import SettingError
from chmr_bench.features.molecules import parse_all
from chmr_bench.types import IntArray

SIZES = (16, 512)
"""Pixels: fewer show nothing, more show no more."""
WHITE = 255


def image(smiles: Sequence[str], size: int = 64) -> MatrixBlock:
    """Return RDKit's drawing of each molecule as ink, (n, size x size) uint8, row by row.

    Ink is 255 less the grey: 0 where the paper is white. Most of it is, so the matrix is sparse.
    RDKit's colours of the elements are kept as greys, so that an oxygen differs from a nitrogen
    where its letter is too small to read. What RDKit cannot draw is not observed.

    Parameters
    ----------
    size : int
        Width and height in pixels.

    Raises
    ------
    SettingError
        The size is out of range.

    Examples
    --------
    >>> block = image(["CCO", "c1ccccc1"], size=32)
    >>> block.values.shape, bool(block.observed.all())
    ((2, 1024), True)
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise SettingError(f"setting 'size' is {size!r}; expected {SIZES[0]} to {SIZES[1]} pixels")
    drawn = [_ink(mol, size) for mol in parse_all(smiles)]
    observed = np.array([ink is not None for ink in drawn], dtype=np.bool_)
    blank = np.zeros(size * size, dtype=np.uint8)
    inks = np.array([blank if ink is None else ink for ink in drawn], dtype=np.uint8)
    matrix = sparse.csr_array(inks.reshape(-1, size * size))
    return MatrixBlock(values=matrix, observed=observed)


def _ink(mol: Chem.Mol, size: int) -> IntArray | None:
    """Return the ink of one molecule, (size x size,) uint8; None where RDKit cannot draw it."""
    for kekulise in (True, False):
        canvas: Any = rdMolDraw2D.MolDraw2DCairo(size, size)
        try:
            rdMolDraw2D.PrepareAndDrawMolecule(canvas, mol, kekulize=kekulise)
        except (RuntimeError, ValueError):  # no Kekule form, or a valence that RDKit refuses
            continue
        canvas.FinishDrawing()
        grey = np.asarray(Image.open(io.BytesIO(canvas.GetDrawingText())).convert("L"))
        ink: IntArray = (WHITE - grey).ravel()
        return ink
    return None

"""How far each JUMP compound's Cell Painting profiles stand out: 115,723 compounds, three numbers.

The JUMP consortium's phenotypic activity of its harmonised profiles: the mean average precision
(mAP) with which a compound's replicates find each other among negative controls, the p-value of
that by permutation, and the same corrected for the number of compounds (Kalinin et al., Nature
Communications 2025). It says how strongly a compound changes the
look of cells, not in which direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.cells.atlas import ProfileTable
from chmr_bench.cells.sources.tables import plain_smiles, read_numbers, read_table
from chmr_bench.contracts import AtlasSpec, LoadFiles, MatrixBlock
from chmr_bench.errors import DataError

COMPOUNDS = "cells/jump_map/JUMPCP_compounds.csv.gz"
ACTIVITY = "cells/jump_map/phenotypic-activity-profiles_SAMPLE_harmony.csv.gz"
KEY = "Metadata_JCP2022"


COLUMNS = {
    "mean_average_precision": "mean_average_precision",
    "minus_log10_p_value": "p_value",
    "minus_log10_corrected_p_value": "corrected_p_value",
}
"""Column of the block -> column of the file.

mAP is a share and stays; p-values go from 5e-5 to 1 and say most where they are small, so their
negative decimal logarithm is taken: 0 to 4.3, and 0 to 3.1 corrected. All in float32.
"""


def load(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return one row a compound with a read-out, in the order of the activity file.

    Compounds of the structure file without a read-out are counted as ``no_readout``.

    Raises
    ------
    DataError
        A column is missing, a compound has no structure or two, a number is out of range.
    """
    columns = list(COLUMNS.values())
    compounds = read_table(files(COMPOUNDS), [KEY, "smiles"])
    path = files(ACTIVITY)
    activity = read_table(path, [KEY, *columns])
    structures = dict(zip(compounds[KEY], compounds["smiles"], strict=True))
    identifiers = list(activity[KEY])
    unknown = [name for name in identifiers if name not in structures]
    if unknown or len(structures) != len(compounds) or len(set(identifiers)) != len(identifiers):
        raise DataError(
            f"{path}: expected each {KEY} once here and once in the structures; "
            f"{len(unknown)} have no structure ({', '.join(unknown[:3])})"
        )
    values = _in_range(path, read_numbers(path, activity, columns), columns)
    for i in (1, 2):
        values[:, i] = 0.0 - np.log10(values[:, i])  # not -log10, which makes -0 of p = 1
    observed = np.ones(len(identifiers), dtype=bool)
    return ProfileTable(
        smiles=tuple(plain_smiles(structures[name]) for name in identifiers),
        blocks={"activity": MatrixBlock(values, observed, tuple(COLUMNS))},
        counts={"no_readout": len(structures) - len(identifiers)},
    )


def _in_range(path: Path, values: Any, columns: Sequence[str]) -> Any:
    """Return the numbers, all above 0 and up to 1."""
    wrong = np.argwhere(~((values > 0) & (values <= 1)))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{path}: row {row + 2} (the header being 1), column {columns[column]!r}: "
            f"{values[row, column]}; expected a number above 0 and up to 1"
        )
    return values

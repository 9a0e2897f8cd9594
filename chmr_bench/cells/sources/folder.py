"""Any folder in the layout ``index.csv.gz`` + ``*_feature.npz``: an atlas of one's own.

``index.csv.gz`` has a row a molecule, with a column ``smiles``. Each ``NAME_feature.npz`` holds a
matrix ``data`` with a row for each row of the index, NaN throughout where the molecule has none,
and may hold ``columns``; an array ``observed`` (n, d) of booleans says that profiles are measured
in part. ``CP-...`` becomes the block ``morphology``, ``GE`` becomes
``expression``, any other ``NAME`` the block of that name in lower case.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from chmr_bench.cells.atlas import ProfileTable
from chmr_bench.cells.sources.tables import (
    genes_of_columns,
    plain_smiles,
    read_matrix,
    read_table,
)
from chmr_bench.data.fetch import file_sha256
from chmr_bench.errors import DataError, UsageError

FOLDER_PREFIX = "folder:"
"""An atlas named ``folder:PATH`` is that folder; it needs no registration."""
INDEX, MATRIX_END = "index.csv.gz", "_feature.npz"
KNOWN_HEADS = {"cp": "morphology", "ge": "expression"}


def folder_of(name: str) -> Path | None:
    """Return the folder of an atlas called ``folder:PATH``, None where the name is another.

    Raises
    ------
    UsageError
        There is no such folder, or it is not in the layout of this module.
    """
    if not name.startswith(FOLDER_PREFIX):
        return None
    folder = Path(name.removeprefix(FOLDER_PREFIX)).expanduser()
    if folder == Path() or not folder.is_dir():
        raise UsageError(f"atlas {name!r}: expected {FOLDER_PREFIX}PATH, the path of a folder")
    files_in(folder)
    return folder


def folder_name(folder: Path) -> str:
    """Return the name of a folder's atlas: the folder's own."""
    return folder.resolve().name


def files_in(folder: Path) -> tuple[Path, Sequence[Path]]:
    """Return the index table and the matrices of a folder; UsageError where either lacks."""
    index = folder / INDEX
    matrices = sorted(path for path in folder.glob(f"*{MATRIX_END}") if path.is_file())
    if not index.is_file() or not matrices:
        raise UsageError(f"{folder}: expected {INDEX} and one or more *{MATRIX_END} in this folder")
    return index, matrices


def folder_digest(folder: Path) -> str:
    """Return the sha256 over the names and hashes of the files that make the atlas."""
    index, matrices = files_in(folder)
    h = hashlib.sha256()
    for path in (index, *matrices):
        h.update(f"{path.name} {file_sha256(path)}\n".encode())
    return h.hexdigest()


def load_folder(folder: Path) -> ProfileTable:
    """Return the rows of a folder.

    Raises
    ------
    UsageError, DataError
        A file is missing, or is not what it should be.
    """
    index, matrices = files_in(folder)
    stems = [path.name.removesuffix(MATRIX_END) for path in matrices]
    return load_files(index, dict(zip(_block_names(stems), matrices, strict=True)))


def load_files(index: Path, matrices: Mapping[str, Path]) -> ProfileTable:
    """Return the rows of an index table and its matrices, block name -> file."""
    smiles = [plain_smiles(text) for text in read_table(index, ["smiles"])["smiles"]]
    blocks = {name: read_matrix(path, len(smiles), index.name) for name, path in matrices.items()}
    return ProfileTable(tuple(smiles), blocks, genes=genes_of_columns(blocks.get("expression")))


def _block_names(stems: Sequence[str]) -> list[str]:
    """Return a block name a stem; sources of one known modality are told apart after a dot."""
    heads = [stem.partition("-")[0].lower() for stem in stems]
    names = []
    for stem, head in zip(stems, heads, strict=True):
        known = KNOWN_HEADS.get(head)
        tail = _clean(stem.partition("-")[2]) if known else ""
        several = known is not None and heads.count(head) > 1
        names.append((f"{known}.{tail}" if several and tail else known) or _clean(stem))
    if "" in names or len(set(names)) != len(names):
        raise DataError(f"the matrices {', '.join(stems)} make the blocks {names}; rename them")
    return names


def _clean(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")

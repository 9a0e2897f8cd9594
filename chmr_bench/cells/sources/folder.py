"""Any folder in the layout ``index.csv.gz`` + ``*_feature.npz``: an atlas of one's own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from chmr_bench.cells.atlas import ProfileTable
from chmr_bench.errors import UsageError

FOLDER_PREFIX = "folder:"
"""An atlas named ``folder:PATH`` is that folder; it needs no registration."""


def folder_of(name: str) -> Path | None:
    """Return the folder of an atlas called ``folder:PATH``, None where the name is another.

    Raises
    ------
    UsageError : no path follows the colon.
    """
    if not name.startswith(FOLDER_PREFIX):
        return None
    path = name.removeprefix(FOLDER_PREFIX)
    if not path:
        raise UsageError(f"atlas {name!r}: expected folder:PATH, the path of a folder")
    return Path(path).expanduser()


def folder_name(folder: Path) -> str:
    """Return the name of a folder's atlas: the folder's own."""
    return folder.resolve().name


def folder_digest(folder: Path) -> str:
    """Return the sha256 over the names and hashes of the files that make the atlas."""
    h = hashlib.sha256()
    for path in sorted([*folder.glob("index.csv.gz"), *folder.glob("*_feature.npz")]):
        with path.open("rb") as file:
            h.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return h.hexdigest()


def load_folder(folder: Path) -> ProfileTable:
    """Return the rows of a folder."""
    raise UsageError(f"{folder}: folders are not read yet")

"""Where atlases come from: open registered ones and folders, merged, with what they depend on."""

from __future__ import annotations

from chmr_bench.cells.sources.folder import FOLDER_PREFIX, folder_of
from chmr_bench.cells.sources.opening import (
    atlas_of_table,
    check_atlas,
    digest,
    open_atlas,
    open_atlases,
)

__all__ = [
    "FOLDER_PREFIX",
    "atlas_of_table",
    "check_atlas",
    "digest",
    "folder_of",
    "open_atlas",
    "open_atlases",
]

"""CHMR's own pretraining data: one zip on Zenodo, held against a hash that the user gives.

Nobody publishes a sha256 of it, and its content has not been seen here. So it opens by name alone
where the user says which bytes are meant: ``CHMR_BENCH_CHMR_PRETRAIN=SHA256:BYTES``. It may hold
InfoAlign's files, or a folder of ``index.csv.gz`` and ``*_feature.npz``, at any depth.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from chmr_bench.cells.atlas import ProfileTable
from chmr_bench.cells.plugin import PRETRAIN_ADDRESS, PRETRAIN_VARIABLE
from chmr_bench.cells.sources.folder import INDEX, MATRIX_END, load_folder
from chmr_bench.cells.sources.infoalign import FILES, load_corpus
from chmr_bench.cells.sources.tables import check_size, file_named
from chmr_bench.contracts import AtlasSpec, LoadFiles
from chmr_bench.errors import DataError, UsageError


def load(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return the rows of the zip.

    Raises
    ------
    UsageError
        The user has not said which bytes are meant.
    FetchError
        It cannot be had, or is not those bytes.
    DataError
        It is no zip, or holds neither layout.
    """
    if not spec.sources:
        raise UsageError(
            f"atlas {spec.name!r}: no hash of its file is known here. Fetch {PRETRAIN_ADDRESS}, "
            f"and say which bytes you mean: {PRETRAIN_VARIABLE}=SHA256:BYTES, as sha256sum and "
            "wc -c give them"
        )
    path = files(spec.sources[0].path)
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = _unpacked(path, Path(name))
        if all((folder / file).is_file() for file in FILES):
            return load_corpus({file: folder / file for file in FILES})
        if (folder / INDEX).is_file():
            return load_folder(folder)
    raise DataError(
        f"{path}: holds neither InfoAlign's files ({FILES[0]}, ...) nor {INDEX} with *{MATRIX_END}"
    )


def _unpacked(path: Path, folder: Path) -> Path:
    """Unpack the files of either layout beside each other, by their last names; return where."""
    with file_named(path, "a zip"), zipfile.ZipFile(path) as archive:
        wanted: dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            last = PurePosixPath(member.filename.replace("\\", "/")).name
            if last in FILES or last == INDEX or last.endswith(MATRIX_END):
                wanted.setdefault(last, member)
        check_size(path, sum(member.file_size for member in wanted.values()))
        for last, member in wanted.items():
            with archive.open(member) as content, (folder / last).open("wb") as copy:
                shutil.copyfileobj(content, copy)
    return folder

"""A block as one file: plain arrays in an ``.npz`` (never pickle), with a checksum inside.

A file that was cut short, or altered, is noticed when it is read. It is written beside its place
and renamed, so no reader ever sees half of one, and two writers at once do no harm.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chmr_bench.contracts import Block, GraphBlock, HeldRows, MatrixBlock
from chmr_bench.errors import DataError
from chmr_bench.paths import write_whole, written_whole

log = logging.getLogger("chmr_bench.features")

FORMAT = 1

AnyArray: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, AnyArray]


def keep_arrays(path: Path, **arrays: AnyArray) -> None:
    """Write arrays that can be computed again; where that fails it is said, and no error."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's own flags are keywords too
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())
    except OSError as error:
        log.warning("%s is not kept: %s", path.parent.name, error)


def kept_arrays(path: Path, *names: str) -> dict[str, AnyArray]:
    """Return the arrays of these names that `keep_arrays` wrote; none where any is damaged."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except Exception:  # noqa: BLE001 - one flipped bit may raise anything inside zipfile or numpy
        return {}


def write_block(path: Path, block: Block) -> None:
    """Write the block, atomically.

    Raises
    ------
    OSError
        The folder cannot be written, or the disk is full.
    """
    arrays, header = _pack(block)
    header["checksum"] = _checksum(arrays)
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        np.savez(file, allow_pickle=False, header=text, **arrays)


def read_block(path: Path, n: int) -> Block:
    """Return the block of `n` molecules stored in the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    DataError
        The file is damaged, or is something else.
    """
    try:
        # Opened here: numpy leaves the file open where it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            header = json.loads(bytes(stored["header"]))
            arrays = {name: stored[name] for name in stored.files if name != "header"}
        if header["format"] != FORMAT or header["checksum"] != _checksum(arrays):
            raise DataError(f"{path} does not match its checksum")
        block = _unpack(arrays, header)
    except (FileNotFoundError, DataError):
        raise
    except Exception as error:  # one flipped bit may raise anything inside zipfile or numpy
        raise DataError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    if len(block) != n:
        raise DataError(f"{path} holds {len(block)} molecules, expected {n}")
    return block


def _pack(block: Block) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Return the arrays to be stored, and the header that says how to make a block of them."""
    header: dict[str, Any] = {"format": FORMAT}
    if isinstance(block, GraphBlock):
        header["kind"] = "graph"
        arrays = dict(vars(block))
    elif isinstance(block.values, np.ndarray | HeldRows):
        header |= {"kind": "dense", "names": list(block.names)}
        arrays = {"values": np.asarray(block.values), "observed": block.observed}
    else:
        matrix = block.values
        n, d = matrix.shape
        header |= {"kind": "csr", "names": list(block.names), "shape": [int(n), int(d)]}
        arrays = {"indices": matrix.indices, "indptr": matrix.indptr, "observed": block.observed}
        if matrix.nnz and np.all(matrix.data == 1):
            header["ones"] = matrix.data.dtype.str  # bits: the places say it all
        else:
            arrays["data"] = matrix.data
    header["dtypes"] = {name: array.dtype.str for name, array in arrays.items()}
    return {name: _narrow(array) for name, array in arrays.items()}, header


def _narrow(array: AnyArray) -> AnyArray:
    """Return integers in as few bytes as hold them: less to write, read and hash."""
    if array.dtype.kind not in "iu" or array.size == 0 or array.min() < 0:
        return array
    return array.astype(np.min_scalar_type(int(array.max())))


def _unpack(stored: Arrays, header: Mapping[str, Any]) -> Block:
    dtypes = header["dtypes"]
    arrays = {name: stored[name].astype(dtypes[name], copy=False) for name in dtypes}
    if header["kind"] == "graph":
        return GraphBlock(**arrays)
    names = tuple(header["names"])
    if header["kind"] == "dense":
        return MatrixBlock(arrays["values"], arrays["observed"], names)
    from scipy import sparse

    indices = arrays["indices"]
    data = arrays["data"] if "data" in arrays else np.ones(len(indices), dtype=header["ones"])
    parts = (data, indices, arrays["indptr"])
    matrix = sparse.csr_array(parts, shape=tuple(header["shape"]))
    return MatrixBlock(matrix, arrays["observed"], names)


def _checksum(arrays: Arrays) -> str:
    """Return the sha256 over names, types, shapes and bytes."""
    h = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        h.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        h.update(array.data if array.size else b"")
    return h.hexdigest()

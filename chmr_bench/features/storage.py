"""A block as one file: plain arrays in an ``.npz`` (never pickle), with a checksum inside.

A file that was cut short, or altered, is noticed when it is read. It is written beside its place
and renamed, so no reader ever sees half of one, and two writers at once do no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chmr_bench.contracts import Block, GraphBlock, MatrixBlock
from chmr_bench.errors import DataError

FORMAT = 1
_GRAPH_ARRAYS = ("atoms", "bonds", "edges", "atom_offsets", "bond_offsets", "observed")

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


def write_block(path: Path, block: Block) -> None:
    """Write the block, atomically.

    Raises
    ------
    OSError : the folder cannot be written, or the disk is full.
    """
    arrays, header = _pack(block)
    header["checksum"] = _checksum(arrays)
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, header=text, **arrays)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read_block(path: Path, n: int) -> Block:
    """Return the block of `n` molecules stored in the file.

    Raises
    ------
    FileNotFoundError : there is no such file.
    DataError : the file is damaged, or is something else.
    """
    try:
        # Opened here: numpy leaves the file open where it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            header = json.loads(bytes(stored["header"]))
            arrays = {name: stored[name] for name in stored.files if name != "header"}
        if header["format"] != FORMAT or header["checksum"] != _checksum(arrays):
            raise DataError(f"{path} does not match its checksum")
        block = _unpack(arrays, header)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    if len(block) != n:
        raise DataError(f"{path} holds {len(block)} molecules, expected {n}")
    return block


def _pack(block: Block) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    if isinstance(block, GraphBlock):
        arrays = {name: np.asarray(getattr(block, name)) for name in _GRAPH_ARRAYS}
        return arrays, {"format": FORMAT, "kind": "graph"}
    header: dict[str, Any] = {"format": FORMAT, "names": list(block.names)}
    values = block.values
    if isinstance(values, np.ndarray):
        return {"values": values, "observed": block.observed}, {**header, "kind": "dense"}
    n, d = values.shape
    # Column numbers below 2^16 fit two bytes, and ones need not be written at all: a third of the
    # bytes to read and hash.
    narrow = np.uint16 if d <= 1 << 16 else values.indices.dtype
    arrays = {
        "indices": values.indices.astype(narrow),
        "indptr": values.indptr,
        "observed": block.observed,
    }
    if values.nnz == 0 or not np.all(values.data == 1):
        arrays["data"] = values.data
    header |= {"kind": "csr", "shape": [int(n), int(d)], "dtype": values.data.dtype.str}
    header["index_dtype"] = values.indices.dtype.str
    return arrays, header


def _unpack(arrays: Arrays, header: Mapping[str, Any]) -> Block:
    if header["kind"] == "graph":
        return GraphBlock(**{name: arrays[name] for name in _GRAPH_ARRAYS})
    names = tuple(header["names"])
    if header["kind"] == "dense":
        return MatrixBlock(arrays["values"], arrays["observed"], names)
    from scipy import sparse

    indices = arrays["indices"].astype(np.dtype(header["index_dtype"]))
    data = arrays.get("data")
    if data is None:
        data = np.ones(len(indices), dtype=np.dtype(header["dtype"]))
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

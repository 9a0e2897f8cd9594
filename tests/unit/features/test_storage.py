"""A block comes back from its file as it went in; a damaged file is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.contracts import Block, MatrixBlock
from chmr_bench.errors import DataError
from chmr_bench.features import storage
from chmr_bench.features.graphs import graph
from chmr_bench.testing.blocks import equal_blocks


def csr(values: Any) -> MatrixBlock:
    array = np.array(values)
    return MatrixBlock(sparse.csr_array(array), np.ones(len(array), dtype=bool))


BLOCKS: dict[str, Block] = {
    "bits": csr(np.array([[1, 0, 1], [0, 0, 0]], dtype=np.uint8)),
    "counts": csr(np.array([[1, 0, 300], [2, 0, 0]], dtype=np.uint16)),
    "no entry": csr(np.zeros((2, 3), dtype=np.uint16)),
    "wide": MatrixBlock(
        sparse.csr_array(([1, 1], ([0, 1], [5, 99_999])), shape=(2, 100_000), dtype=np.uint8),
        np.ones(2, dtype=bool),
    ),
    "dense": MatrixBlock(
        np.array([[1.5, np.nan], [0.0, -1e30]], dtype=np.float32),
        np.array([True, False]),
        ("a", "b"),
    ),
    "graphs": graph(["CCO", "C"]),
}


def assert_equal(a: Block, b: Block) -> None:
    assert equal_blocks(a, b)
    if isinstance(a, MatrixBlock) and isinstance(b, MatrixBlock):
        assert type(a.values) is type(b.values)
        assert (a.values.dtype, a.names) == (b.values.dtype, b.names)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_comes_back_as_it_went_in(name: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "block.npz"
    storage.write_block(path, BLOCKS[name])
    assert_equal(BLOCKS[name], storage.read_block(path, 2))
    assert [p.name for p in path.parent.iterdir()] == ["block.npz"]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_file_cut_anywhere_is_noticed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    storage.write_block(path, BLOCKS[name])
    content = path.read_bytes()
    for length in [0, 1, 100, len(content) // 2, len(content) - 30, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"block\.npz"):
            storage.read_block(path, 2)


@pytest.mark.parametrize("name", BLOCKS)
def test_any_flipped_bit_is_noticed_or_changes_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    storage.write_block(path, BLOCKS[name])
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for place, bit in zip(
        generator.integers(len(content), size=300), generator.integers(8, size=300), strict=True
    ):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            read = storage.read_block(path, 2)
        except DataError:
            continue
        assert_equal(BLOCKS[name], read)  # the bit was of a date or a name that nobody reads


def test_other_numbers_under_an_old_checksum_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    storage.write_block(path, BLOCKS["dense"])
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    arrays["values"] = arrays["values"] * 2
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="checksum"):
        storage.read_block(path, 2)


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04rubbish"])
def test_something_else_is_noticed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    path.write_bytes(content)
    with pytest.raises(DataError):
        storage.read_block(path, 2)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    np.savez(path, header=np.array([{"format": 1}], dtype=object))
    with pytest.raises(DataError, match="allow_pickle=False"):
        storage.read_block(path, 2)


def test_another_number_of_molecules_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    storage.write_block(path, BLOCKS["bits"])
    with pytest.raises(DataError, match="holds 2 molecules, expected 3"):
        storage.read_block(path, 3)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        storage.write_block(tmp_path / "block.npz", BLOCKS["bits"])
    assert list(tmp_path.iterdir()) == []


def test_arrays_with_any_byte_altered_are_not_read(tmp_path: Path) -> None:
    path, rows = tmp_path / "kept.npz", np.arange(6, dtype=np.int32).reshape(2, 3)
    storage.keep_arrays(path, rows=rows)
    content = path.read_bytes()
    np.testing.assert_array_equal(storage.kept_arrays(path, "rows")["rows"], rows)
    assert storage.kept_arrays(path, "rows", "other") == {}
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        for values in storage.kept_arrays(path, "rows").values():  # a date, or such, was altered
            np.testing.assert_array_equal(values, rows)


def test_a_block_can_be_read_by_whom_the_folder_is_shared_with(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    storage.write_block(tmp_path / "block.npz", BLOCKS["dense"])
    assert (tmp_path / "block.npz").stat().st_mode == plain.stat().st_mode

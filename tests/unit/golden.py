"""Tensors of published code that models are compared with, where they are here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"


def golden_copy(model: str, tmp_path: Path) -> Path:
    """Return a copy of a model's tensors that a test may spoil; it is skipped without them."""
    if not (PARITY / model / "weights.safetensors").is_file():
        pytest.skip("the golden tensors of the published code are not here")
    folder = tmp_path / "golden"
    folder.mkdir()
    for file in (PARITY / model).iterdir():  # one by one: the originals are read-only
        shutil.copyfile(file, folder / file.name)
    return folder


def spoil(folder: Path, file: str, key: str, change: float) -> None:
    """Change the last number of a tensor."""
    tensors = load_file(folder / f"{file}.safetensors")
    tensors[key] = tensors[key].clone()
    tensors[key].view(-1)[-1] += change
    save_file(tensors, folder / f"{file}.safetensors")

"""Files of pretrained weights: safetensors with a JSON header, written whole or not at all.

The header holds all that is needed to use the tensors, so a file is complete by itself, and nothing
in it is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench.contracts import connectivity_hash
from chmr_bench.data.fetch import file_sha256
from chmr_bench.errors import DataError
from chmr_bench.paths import write_whole
from chmr_bench.types import IntArray

if TYPE_CHECKING:
    import torch

WEIGHTS, CARD_JSON, SHA256 = "weights.safetensors", "card.json", ".sha256"
CARD, SEEN = "README.md", "seen.npy"
LOSSES, FIGURE, CHECKPOINT = "losses.csv", "losses.png", "checkpoint"
"""Names in the folder of pretrained weights; the sha256 has the weights' name and this ending."""
HEADER = "chmr"
"""The one key of the safetensors metadata: one, because several come in no fixed order."""


def write_tensors(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    header: Any,
    write_card: Callable[[str], None] = lambda sha256: None,
) -> str:
    """Write tensors and a JSON-able header as safetensors; return the sha256 of the file.

    It is written beside its place and renamed into it; its sha256 is there before, in a file of
    the same name that ends in ``.sha256``.

    Parameters
    ----------
    write_card : Callable[[str], None]
        Called with the sha256 before the file is there.
    """
    from safetensors.torch import save

    copied = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = save(copied, metadata={HEADER: json.dumps(header, sort_keys=True)})
    sha256 = hashlib.sha256(content).hexdigest()
    write_card(sha256)
    write_atomically(path.with_suffix(SHA256), f"{sha256}\n".encode())
    write_atomically(path, content)
    return sha256


def checked_sha256(path: Path) -> str:
    """Return the sha256 of a weights file, after a look at what lies beside it.

    Raises
    ------
    DataError
        It is not the sha256 that was written down when the weights were made.
    """
    sha256 = file_sha256(path)
    for source, expected in _written_sha256(path).items():
        if expected != sha256:
            raise DataError(
                f"{path} is damaged: its sha256 is {sha256[:16]}..., expected {expected[:16]!r}... "
                f"as {source} beside it says; copy the file again, or make the weights again with "
                "chmr-bench pretrain"
            )
    return sha256


def _written_sha256(path: Path) -> dict[str, str]:
    """Return file -> the sha256 that it says the weights have."""
    by_file: dict[str, str] = {}
    digest, card = path.with_suffix(SHA256), path.parent / CARD_JSON
    with contextlib.suppress(OSError):
        by_file[digest.name] = digest.read_text(encoding="utf-8", errors="replace").strip()
    if path.name == WEIGHTS:
        expected = read_card(card).get("sha256")
        by_file |= {} if expected is None else {card.name: str(expected)}
    return by_file


def read_card(path: Path) -> dict[str, Any]:
    """Return a model card for programs; nothing where there is none that can be read."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill, never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


def write_seen(folder: Path, keys: Sequence[str], more: Sequence[int] | IntArray = ()) -> None:
    """Write which molecules weights learnt from: the sorted hashes of their keys, and `more`."""
    hashes = connectivity_hash(keys)
    joined = np.union1d(hashes, np.asarray(more, dtype=hashes.dtype)) if len(more) else hashes
    content = io.BytesIO()
    np.save(content, np.sort(joined), allow_pickle=False)
    write_atomically(folder / SEEN, content.getvalue())


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the header of a file that `write_tensors` wrote; all are finite."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}") from error
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DataError(
                f"{path} is damaged: its tensor {name} holds numbers that are not finite"
            )
    return tensors, header


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a file that `write_tensors` wrote; no tensor is read."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DataError(f"there is no weights file {path}; chmr-bench pretrain makes one")
    try:
        with safe_open(path, framework="numpy") as stored:
            text = (stored.metadata() or {}).get(HEADER)
        header = json.loads(text) if text is not None else None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}") from error
    if not isinstance(header, dict):
        raise DataError(f"{path} is no file of chmr-bench pretrain: its header is not there")
    return header

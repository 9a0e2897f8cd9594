"""Where pretrained weights are kept: one folder for every set of things they depend on.

``<folder>/<key[:16]>/`` holds ``weights.safetensors``, ``README.md`` (the model card),
``card.json``, ``losses.csv``, ``losses.png`` and ``seen.npy``; while they are being made, also
``checkpoint/``. The weights file is written last: where it is, everything is.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from chmr_bench import DataError, PendingWeights, Weights, WeightsRequest
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.pretraining.place import CARD_JSON, SEEN, WEIGHTS, Place, place_of
from chmr_bench_chmr.reading import uses_encoder
from chmr_bench_chmr.weights import read_metadata, sha256_of


def find_or_make(
    config: PretrainConfig, request: WeightsRequest
) -> Weights | PendingWeights | None:
    """Return the weights a fit starts from; where they are not there, make them if asked to.

    None where the settings read no encoder (a head on the raw bits alone).

    Raises
    ------
    DataError : the file named by the setting ``weights`` cannot be read, or the atlas is no good.
    """
    if isinstance(config, ChmrConfig):
        if not uses_encoder(config):
            return None
        if config.weights:
            return _of_file(Path(config.weights).expanduser())
    place = place_of(config, request)
    found = _found(place)
    if found is not None:
        return found
    if not request.make:
        return PendingWeights(_title(config, place))
    from chmr_bench_chmr.pretraining.making import make  # torch, only where it is needed

    make(config, request, place)
    found = _found(place)
    if found is None:
        raise DataError(f"pretraining ended, but {place.folder / WEIGHTS} is not there")
    return found


def _found(place: Place) -> Weights | None:
    """Return the weights of that place, None where they are not (all) there."""
    path = place.folder / WEIGHTS
    if not path.is_file():
        return None
    return _of_file(path)


def _of_file(path: Path) -> Weights:
    """Return weights by their file; what was seen lies beside it, if it does.

    A plan asks for the same weights once a job, so a file is hashed once, until it changes.
    """
    if not path.is_file():
        raise DataError(f"there is no weights file {path}; chmr-bench pretrain makes one")
    told = path.stat()
    return _read(path, told.st_size, told.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read(path: Path, size: int, changed: int) -> Weights:
    seen = path.parent / SEEN
    return Weights(
        path=path,
        sha256=sha256_of(path),
        info={**read_metadata(path).info, "made": _made(path.parent / CARD_JSON)},
        seen=seen if seen.is_file() else None,
    )


def _made(card: Path) -> dict[str, Any]:
    """Return when and on what the weights were made, as far as the card beside them says."""
    try:
        found = json.loads(card.read_text(encoding="utf-8"))["made"]
    except (OSError, ValueError, KeyError):
        return {}
    return found if isinstance(found, dict) else {}


def _title(config: PretrainConfig, place: Place) -> str:
    atlas = " + ".join(config.atlas)
    if config.encoder == "random":
        return f"an untrained encoder, standardised on {atlas} (seed {place.seed}, {place.key[:8]})"
    return f"pretrain on {atlas}, {config.epochs} epochs (seed {place.seed}, {place.key[:8]})"

"""Where pretrained weights are kept: one folder for every set of things they depend on.

``<folder>/<key[:16]>/`` holds ``weights.safetensors``, ``README.md`` (the model card),
``card.json``, ``losses.csv``, ``losses.png``, ``seen.npy`` and ``weights.sha256``; while they are
being made, also ``checkpoint/``. The weights file is written last: where it is, everything is.
"""

from __future__ import annotations

import functools
from pathlib import Path

from chmr_bench import DataError, PendingWeights, Weights, WeightsRequest
from chmr_bench.errors import SettingError
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.pretraining.place import SEEN, Place, place_of
from chmr_bench_chmr.reading import uses_encoder
from chmr_bench_chmr.weights import CARD_JSON, WEIGHTS, checked_sha256, read_card, read_metadata

INPUTS = frozenset({"radius", "n_bits", "geometry"})
"""Settings that say what is read of a molecule: weights and fit must always agree on them."""


def find_or_make(
    config: PretrainConfig, request: WeightsRequest
) -> Weights | PendingWeights | None:
    """Return the weights a fit starts from; where they are not there, make them if `request.make`.

    None where the settings read no encoder (a head on the raw bits alone). Weights whose bytes are
    no longer those that were written count as not there.

    Raises
    ------
    SettingError
        The file named by the setting ``weights`` cannot be read, or was made with other settings
        than were chosen.
    DataError
        The atlas is no good.
    """
    if isinstance(config, ChmrConfig):
        if not uses_encoder(config):
            return None
        if config.weights:
            return _given(config, request.chosen)
    place = place_of(config, request)
    found = _found(place)
    if found is not None:
        return found
    if not request.make:
        return PendingWeights(_title(config, place))
    from chmr_bench_chmr.pretraining.making import make  # torch, only where it is needed

    damaged = place.folder / WEIGHTS
    if damaged.is_file() and _found(place) is None:
        request.log.warning("%s is damaged; the weights are made again", damaged)
        damaged.unlink(missing_ok=True)
    make(config, request, place)
    found = _found(place)
    if found is None:
        raise DataError(f"pretraining ended, but {place.folder / WEIGHTS} is not there")
    return found


def _given(config: ChmrConfig, chosen: frozenset[str]) -> Weights:
    """Return the weights of the file that the settings name."""
    path = Path(config.weights).expanduser()
    try:
        weights = _of_file(path)
        made = read_metadata(path).config
    except DataError as error:
        raise SettingError(f"weights={config.weights}: {error}") from error
    checked = (chosen | INPUTS) & set(PretrainConfig.model_fields) - {"pretrain_seed"}
    other = [n for n in sorted(checked) if getattr(config, n) != getattr(made, n)]
    if other:
        others = ", ".join(f"{n}={getattr(made, n)!r} (here {getattr(config, n)!r})" for n in other)
        raise SettingError(
            f"weights={config.weights} were made with {others}: choose the same with --set, or a "
            "variant that has it, or leave weights out"
        )
    return weights


def _found(place: Place) -> Weights | None:
    """Return the weights of that place, None where they are not (all) there, or are damaged."""
    try:
        return _of_file(place.folder / WEIGHTS)
    except DataError:
        return None


def _of_file(path: Path) -> Weights:
    """Return weights by their file; what was seen lies beside it, if it does.

    A plan looks for the same weights once a job, so a file is hashed once, until it changes.
    """
    if not path.is_file():
        raise DataError(f"there is no weights file {path}; chmr-bench pretrain makes one")
    status = path.stat()
    return _read(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read(path: Path, size: int, changed: int) -> Weights:
    seen = path.parent / SEEN
    return Weights(
        path=path,
        sha256=checked_sha256(path),
        info={
            **read_metadata(path).info,
            "made": read_card(path.parent / CARD_JSON).get("made", {}),
        },
        seen=seen if seen.is_file() else None,
    )


def _title(config: PretrainConfig, place: Place) -> str:
    atlas = " + ".join(config.atlas)
    if config.encoder == "random":
        return f"an untrained encoder, standardised on {atlas} (seed {place.seed}, {place.key[:8]})"
    return f"pretrain on {atlas}, {config.epochs} epochs (seed {place.seed}, {place.key[:8]})"

"""Where pretrained weights are kept: one folder for every set of things they depend on.

``<folder>/<key[:16]>/`` holds ``weights.safetensors``, ``README.md`` (the model card),
``card.json``, ``losses.csv``, ``losses.png``, ``seen.npy`` and ``weights.sha256``; while they are
being made, also ``checkpoint/``. The weights file is written last: where it is, everything is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from chmr_bench import DataError, PendingWeights, Weights, WeightsRequest
from chmr_bench.errors import SettingError
from chmr_bench.lazy import load_object
from chmr_bench.nn.pretraining.files import (
    CARD_JSON,
    SEEN,
    WEIGHTS,
    checked_sha256,
    read_card,
    read_header,
)
from chmr_bench.nn.pretraining.network_file import NetworkFile
from chmr_bench.nn.pretraining.place import Place
from chmr_bench.nn.pretraining.settings import AtlasSettings


def found(folder: Path) -> Weights | None:
    """Return the weights in that folder, None where they are not (all) there, or are damaged."""
    try:
        return of_file(folder / WEIGHTS)
    except DataError:
        return None


def find_or_make(
    place: Place,
    request: WeightsRequest,
    pending: PendingWeights,
    make: Callable[[], None],
    find: Callable[[Path], Weights | None] = found,
) -> Weights | PendingWeights:
    """Return the weights of a place; where they are not there, make them if `request.make`.

    Those made here go before those that came with the plugin. Weights whose bytes are no longer
    those that were written count as not there.

    Parameters
    ----------
    find : Callable[[Path], Weights | None]
        Gives the weights in a folder, where they are.

    Raises
    ------
    DataError
        They were to be made, and are not there.
    """
    weights = find(place.folder)
    if weights is None and not request.anew:
        weights = _shipped(place)
    if weights is not None:
        return weights
    if not request.make:
        return pending
    damaged = place.folder / WEIGHTS
    if damaged.is_file():
        request.log.warning("%s is damaged; the weights are made again", damaged)
        damaged.unlink(missing_ok=True)
    make()
    weights = find(place.folder)
    if weights is None:
        raise DataError(f"pretraining ended, but {place.folder / WEIGHTS} is not there")
    return weights


def named(
    config: AtlasSettings,
    name: str,
    file: NetworkFile[Any, Any],
    checked: Collection[str],
    path: Path | None = None,
) -> Weights:
    """Return weights that the settings name, if they were made as the settings say.

    Parameters
    ----------
    name : str
        What the setting ``weights`` says.
    file : NetworkFile
        How the model's networks are stored.
    checked : Collection[str]
        Settings that must agree; those that are none of pretraining do not count.
    path : Path | None
        Where they are; None = the name is their path.

    Raises
    ------
    SettingError
        The file cannot be read, or they were made with other settings.
    """
    path = Path(name).expanduser() if path is None else path
    try:
        made, weights = file.read_metadata(path).config, of_file(path)
    except DataError as error:
        raise SettingError(f"weights={name}: {error}") from error
    known = set(checked) & set(type(made).model_fields) - {"pretrain_seed"}
    other = [n for n in sorted(known) if getattr(config, n) != getattr(made, n)]
    if other:
        others = ", ".join(f"{n}={getattr(made, n)!r} (here {getattr(config, n)!r})" for n in other)
        raise SettingError(
            f"weights={name} were made with {others}: choose the same with --set, or a "
            "variant that has it, or leave weights out"
        )
    return weights


def _shipped(place: Place) -> Weights | None:
    """Return the weights of that recipe that came with the plugin, None where none did."""
    cards = sorted(place.shipped.glob(f"*/{CARD_JSON}")) if place.shipped else []
    folders = (card.parent for card in cards if read_card(card).get("recipe") == place.recipe)
    return next((weights for weights in map(found, folders) if weights), None)


def of_file(path: Path) -> Weights:
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
            **read_header(path).get("info", {}),
            "made": read_card(path.parent / CARD_JSON).get("made", {}),
        },
        seen=seen if seen.is_file() else None,
    )


def pending(
    config: AtlasSettings,
    epochs: int,
    place: Place,
    *,
    features_ms: float,
    epoch_ms: float,
    without: str = "",
    molecules: int = 0,
) -> PendingWeights:
    """Return what a plan says of weights that are not there.

    Parameters
    ----------
    features_ms, epoch_ms : float
        Milliseconds of one core for a molecule's features, and for a molecule and epoch.
    without : str
        Another model that starts from none.
    molecules : int
        See `PendingWeights`; 0 = all.
    """
    atlas, of = " + ".join(config.atlas), f"(seed {place.seed}, {place.key[:8]})"
    title = f"pretrain on {atlas}, {epochs} epochs {of}"
    if config.encoder == "random":
        title, epochs = f"an untrained encoder, standardised on {atlas} {of}", 0
    given = "--set weights=FILE starts from such as you have"
    text = f"{given}, {without} from none" if without else given
    core_ms = features_ms + epochs * epoch_ms
    return PendingWeights(title, config.atlas, core_ms, text, molecules)


def maker(
    plan: str, config: AtlasSettings, request: WeightsRequest, place: Place
) -> Callable[[], None]:
    """Return what makes the weights; torch is imported only when it is called.

    Parameters
    ----------
    plan : str
        The model's `making.PretrainingPlan`, as ``"module:name"``.
    """

    def make() -> None:
        from chmr_bench.nn.pretraining import making

        making.make(load_object(plan)(config, request, place))

    return make

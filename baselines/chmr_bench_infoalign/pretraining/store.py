"""The weights of InfoAlign: found, made, or those of the published code."""

from __future__ import annotations

from pathlib import Path

from chmr_bench import DataError, PendingWeights, Weights, WeightsRequest
from chmr_bench.data.fetch import file_sha256
from chmr_bench.errors import SettingError
from chmr_bench.nn.pretraining import store
from chmr_bench_infoalign.config import InfoAlignConfig, InfoAlignSettings
from chmr_bench_infoalign.pretraining import released
from chmr_bench_infoalign.weights import WEIGHTS_FILE, place_of

PLAN = "chmr_bench_infoalign.pretraining.making:InfoAlignPretraining"
TENSORS = ".safetensors"
"""What the name of a file of `chmr-bench pretrain` ends in; others are of the published code."""
EPOCH_MS = 3.7
"""Of a molecule and epoch at the default size: 268 molecules a second on one core."""
FEATURES_MS = 4.0
"""Of a molecule's bits and graph."""


def find_or_make(
    config: InfoAlignSettings, request: WeightsRequest
) -> Weights | PendingWeights | None:
    """Return the weights a fit starts from; where they are not there, make them if `request.make`.

    Raises
    ------
    SettingError
        The file named by the setting ``weights`` cannot be read, is not the one with the sha256
        that was given, or was made with other settings than were chosen.
    FetchError
        The released checkpoint cannot be had.
    DataError
        The atlas is no good.
    """
    if isinstance(config, InfoAlignConfig) and config.weights:
        return _given(config, request)
    place = place_of(config, request)
    epoch_ms = EPOCH_MS * config.hidden / 300 * config.layers / 5
    pending = store.pending(
        config, config.epochs, place, features_ms=FEATURES_MS, epoch_ms=epoch_ms
    )
    return store.find_or_make(place, request, pending, store.maker(PLAN, config, request, place))


def _given(config: InfoAlignConfig, request: WeightsRequest) -> Weights | PendingWeights:
    """Return the weights of the file that the settings name, or of the released checkpoint."""
    name, path = config.weights, Path(config.weights).expanduser()
    if name == released.OFFICIAL:
        fetched = released.fetch(request)
        if isinstance(fetched, PendingWeights):
            return fetched
        path = fetched
    try:
        _check_sha256(path, config.weights_sha256)
        if path.suffix != TENSORS:
            path = released.converted(path, request.folder)
    except DataError as error:
        raise SettingError(f"weights={name}: {error}") from error
    return store.named(config, name, WEIGHTS_FILE, request.chosen, path)


def _check_sha256(path: Path, expected: str) -> None:
    """Raise DataError where there is no such file, or it is another one."""
    if not path.is_file():
        raise DataError(
            f"there is no weights file {path}; chmr-bench pretrain makes one, and "
            f"weights={released.OFFICIAL} fetches the released checkpoint"
        )
    actual = file_sha256(path) if expected else ""
    if actual != expected:
        raise DataError(f"{path} has sha256 {actual}, expected {expected} (weights_sha256)")

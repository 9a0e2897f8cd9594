"""The weights of MMSA: found, or made."""

from __future__ import annotations

from pathlib import Path

from chmr_bench import DataError, PendingWeights, Weights, WeightsRequest
from chmr_bench.errors import SettingError
from chmr_bench.nn.pretraining import store
from chmr_bench_mmsa.config import MmsaConfig, MmsaSettings
from chmr_bench_mmsa.weights import place_of, read_metadata

EPOCH_MS = {"graph": 2.8, "image": 8.7, "conformer": 4.8}
"""Of a molecule, epoch and modality at the default sizes: 61 molecules a second on one core."""
FEATURES_MS = {"graph": 4.0, "image": 2.0, "conformer": 6.0}
"""Of a molecule's graph, drawing and conformer."""


def find_or_make(config: MmsaSettings, request: WeightsRequest) -> Weights | PendingWeights | None:
    """Return the weights a fit starts from; where they are not there, make them if `request.make`.

    Raises
    ------
    SettingError
        The file named by the setting ``weights`` cannot be read, or was made with other settings
        than were chosen.
    DataError
        The atlas is no good.
    """
    if isinstance(config, MmsaConfig) and config.weights:
        return _given(config, request)
    place = place_of(config, request)

    def make() -> None:
        from chmr_bench.nn.pretraining import making  # torch, only where it is needed
        from chmr_bench_mmsa.pretraining.making import MmsaPretraining

        making.make(MmsaPretraining(config, request, place))

    pending = store.pending(
        config, config.epochs, place, core_ms=_core_ms(config), molecules=config.molecules
    )
    return store.find_or_make(place, request, pending, make)


def _core_ms(config: MmsaSettings) -> float:
    """Return how long a molecule takes on one core, its features included."""
    epochs = 0 if config.encoder == "random" else config.epochs
    return sum(FEATURES_MS[m] + epochs * EPOCH_MS[m] for m in config.modalities)


def _given(config: MmsaConfig, request: WeightsRequest) -> Weights:
    """Return the weights of the file that the settings name."""
    path = Path(config.weights).expanduser()
    try:
        made, weights = read_metadata(path).config, store.of_file(path)
    except DataError as error:
        raise SettingError(f"weights={config.weights}: {error}") from error
    return store.named(config, weights, made, request.chosen, config.weights)

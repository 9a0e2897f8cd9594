"""The weights of MMSA: found, or made."""

from __future__ import annotations

from chmr_bench import PendingWeights, Weights, WeightsRequest
from chmr_bench.nn.pretraining import store
from chmr_bench_mmsa.config import MmsaConfig, MmsaSettings
from chmr_bench_mmsa.weights import WEIGHTS_FILE, place_of

PLAN = "chmr_bench_mmsa.pretraining.making:MmsaPretraining"
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
        return store.named(config, config.weights, WEIGHTS_FILE, request.chosen)
    place = place_of(config, request)
    pending = store.pending(
        config,
        config.epochs,
        place,
        features_ms=sum(FEATURES_MS[name] for name in config.modalities),
        epoch_ms=sum(EPOCH_MS[name] for name in config.modalities),
        molecules=config.molecules,
    )
    return store.find_or_make(place, request, pending, store.maker(PLAN, config, request, place))

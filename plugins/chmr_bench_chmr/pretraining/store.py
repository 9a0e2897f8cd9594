"""The weights of CHMR: found, or made."""

from __future__ import annotations

from chmr_bench import PendingWeights, Weights, WeightsRequest
from chmr_bench.nn.pretraining import store
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.reading import uses_encoder
from chmr_bench_chmr.weights import WEIGHTS_FILE, place_of

PLAN = "chmr_bench_chmr.pretraining.making:ChmrPretraining"
INPUTS = frozenset({"radius", "n_bits", "geometry"})
"""Settings that say what is read of a molecule: weights and fit must always agree on them."""
EPOCH_MS = 8.4
"""Of a molecule and epoch at the default size: 239 molecules a second over two cores."""
FEATURES_MS = {False: 4.0, True: 15.0}
"""Of a molecule's bits, graph and keys; and with its shape."""


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
            checked = request.chosen | INPUTS
            return store.named(config, config.weights, WEIGHTS_FILE, checked)
    place = place_of(config, request)
    pending = store.pending(
        config,
        config.epochs,
        place,
        features_ms=FEATURES_MS[config.geometry != "none"],
        epoch_ms=EPOCH_MS * config.hidden / 300 * config.layers / 5,
        without="chmr.head-only",
    )
    return store.find_or_make(place, request, pending, store.maker(PLAN, config, request, place))

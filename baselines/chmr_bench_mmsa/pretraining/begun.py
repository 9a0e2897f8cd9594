"""A pretrained graph encoder that MMSA's begins as, whichever model it was pretrained for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench import DataError, Weights
from chmr_bench.errors import SettingError
from chmr_bench.nn.pretraining import store
from chmr_bench.nn.pretraining.files import CARD_JSON, SEEN, read_tensors
from chmr_bench.types import IntArray
from chmr_bench_mmsa.config import MmsaConfig, MmsaSettings

if TYPE_CHECKING:
    from chmr_bench_mmsa.network import MmsaNetwork

PREFIXES = ("graph_encoder.", "encoders.graph.")
"""Where files of `chmr-bench pretrain` keep the encoder that all models share."""


def begun_from(config: MmsaSettings) -> Weights | None:
    """Return the weights that the setting ``graph_encoder`` names; None where it names none.

    Raises
    ------
    SettingError
        The file cannot be read; or what it learnt from is not known, or is labels.
    """
    name = config.graph_encoder if isinstance(config, MmsaConfig) else ""
    if not name:
        return None
    try:
        weights = store.of_file(Path(name).expanduser())
    except DataError as error:
        raise SettingError(f"graph_encoder={name}: {error}") from error
    if weights.seen is None:
        raise SettingError(
            f"graph_encoder={name}: there is no {SEEN} beside it, which says what molecules it "
            "learnt from; copy the whole folder that chmr-bench pretrain made"
        )
    if weights.info.get("labels_seen") or weights.info.get("atlas", {}).get("assays"):
        raise SettingError(
            f"graph_encoder={name}: it learnt from labels or labelled assays (see {CARD_JSON} "
            "beside it), which boards would not say of MMSA; name one that did not"
        )
    return weights


def begin(network: MmsaNetwork, weights: Weights) -> None:
    """Put the graph encoder of these weights into the network.

    Raises
    ------
    SettingError
        They hold no such encoder, or one of another size.
    """
    tensors, _ = read_tensors(weights.path)
    prefix = next((p for p in PREFIXES if any(name.startswith(p) for name in tensors)), None)
    if prefix is None:
        raise SettingError(
            f"graph_encoder={weights.path}: it holds no graph encoder, but {sorted(tensors)[:3]}; "
            "expected weights of chmr, infoalign or mmsa"
        )
    found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    shape, encoder = network.shape, network.encoders["graph"]
    layers = len({name.split(".")[1] for name in found if name.startswith("convs.")})
    hidden = found["virtual"].shape[-1] if "virtual" in found else 0
    if (layers, hidden) != (shape.layers, shape.hidden):
        raise SettingError(
            f"graph_encoder={weights.path}: its encoder has {layers} layers of {hidden}, here it "
            f"has {shape.layers} of {shape.hidden}: --set layers={layers} --set hidden={hidden}"
        )
    try:
        encoder.load_state_dict(found)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2]
        raise SettingError(
            f"graph_encoder={weights.path}: its encoder is another than MMSA's: {first}"
        ) from error


def seen_by(weights: Weights | None) -> IntArray:
    """Return the hashes of the keys of the molecules that weights learnt from."""
    if weights is None or weights.seen is None:
        return np.zeros(0, dtype=np.uint64)
    seen: IntArray = np.load(weights.seen, allow_pickle=False)
    return seen


def words(weights: Weights) -> str:
    """Return what is said of an encoder that was pretrained elsewhere."""
    atlas = weights.info.get("atlas", {})
    names = " + ".join(map(str, atlas.get("atlases", ()))) or "what is not known"
    mark = " (SYNTHETIC)" if atlas.get("synthetic") else ""
    return f"its graph encoder begins as that of weights {weights.sha256[:12]}, from {names}{mark}"

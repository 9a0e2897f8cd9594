"""The tensors of the published InfoAlign (eed96f3) under this package's names.

Its decoders stand in a list without names: the molecule's bits, then perturbed genes (CRISPR,
ORF), morphology (Bray, JUMP) and expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from chmr_bench.errors import DataError
from chmr_bench.nn import ogb_keys
from chmr_bench_infoalign.network import MOLECULE, InfoAlignShape, TargetSpace

TARGETS = (
    MOLECULE,
    "gene.crispr",
    "gene.orf",
    "morphology.bray",
    "morphology.jump",
    "expression",
)
"""The published target spaces in the order of their decoders, named as in atlas ``infoalign``."""

_LAYERS = {"fc1": 0, "bn1": 1, "fc2": 4}
_DECODER = re.compile(r"decoder_list\.(\d+)\.(fc1|bn1|fc2)\.(.+)")
_LATENT = re.compile(r"dist_net\.1\.(weight|bias)")


def published_shape(weights: Mapping[str, Tensor]) -> InfoAlignShape:
    """Return the shape of the network that the published tensors make.

    Raises
    ------
    DataError
        A tensor that says how wide the network is is not there, or has another number of axes.
    """
    n = ogb_keys.count(weights, "decoder_list.{}.fc2.bias")
    layers = ogb_keys.count(weights, "graph_encoder.convs.{}.eps")
    if n != len(TARGETS) or not layers:
        raise DataError(
            f"the weights hold {n} decoders (decoder_list) and {layers} graph layers; expected "
            f"the state of the published InfoAlign, with {len(TARGETS)} decoders: {list(TARGETS)}"
        )
    try:
        wide, hidden = weights["decoder_list.0.fc1.weight"].shape
        widths = [int(weights[f"decoder_list.{i}.fc2.bias"].shape[0]) for i in range(n)]
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"the weights are not those of the published InfoAlign: {error}") from None
    targets = tuple(TargetSpace(name, d) for name, d in zip(TARGETS, widths, strict=True))
    return InfoAlignShape(targets, hidden=hidden, layers=layers, decoder_hidden=wide)


def translated(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors by the names of `InfoAlignNetwork`; DataError for an unknown name."""
    return ogb_keys.translated(weights, _renamed)


def _renamed(key: str) -> str:
    decoder, latent = _DECODER.fullmatch(key), _LATENT.fullmatch(key)
    if decoder and int(decoder[1]) < len(TARGETS):
        name = TARGETS[int(decoder[1])].replace(".", ":")
        return f"decoders._{name}.{_LAYERS[decoder[2]]}.{decoder[3]}"
    if latent:
        return f"latent_layer.{latent[1]}"
    raise DataError(f"{key!r} is no tensor of the published InfoAlign: nothing here takes it")

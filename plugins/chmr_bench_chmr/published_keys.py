"""The tensors of the published CHMR (97e5a8b) under this package's names.

Its network has six modalities in a fixed order and four decoders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from chmr_bench.errors import DataError
from chmr_bench.nn import ogb_keys
from chmr_bench_chmr.shape import FINGERPRINT, GEOMETRY, GRAPH, MOLECULE, Modality, NetworkShape

CELLS = ("gene", "cell", "expression")
"""The published cell modalities: gene perturbation, cell morphology, gene expression."""
PROJECTORS = (FINGERPRINT, GRAPH, GEOMETRY, *CELLS)
DECODERS = (MOLECULE, *CELLS)

_RENAMED: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"modal_projectors\.(\d+)\.(.+)", lambda m: f"projectors._{PROJECTORS[int(m[1])]}.{m[2]}"),
    (r"modal_decoders\.(\d+)\.net\.(.+)", lambda m: f"decoders._{DECODERS[int(m[1])]}.{m[2]}"),
    (r"hierarchical_vq\..+\.(\d+)\.weight", lambda m: f"tree.levels.{m[1]}"),
)


def published_shape(weights: Mapping[str, Tensor]) -> NetworkShape:
    """Return the shape of the network that the published tensors make; binary cells, as there."""
    try:
        into = [weights[f"modal_projectors.{i}.0.weight"].shape[0] for i in range(len(PROJECTORS))]
        wide, hidden = weights["modal_decoders.0.net.1.weight"].shape
        bits = weights["modal_decoders.0.net.4.weight"].shape[0]
    except KeyError as missing:
        raise DataError(
            f"the weights hold no tensor {missing}; expected the state of the published CHMR, "
            f"with {len(PROJECTORS)} modal_projectors and {len(DECODERS)} modal_decoders"
        ) from None
    widths = dict(zip(PROJECTORS, into, strict=True))
    return NetworkShape(
        fingerprint=widths[FINGERPRINT],
        geometry=widths[GEOMETRY],
        cells=tuple(Modality(name, widths[name], binary=True) for name in CELLS),
        hidden=hidden,
        layers=ogb_keys.count(weights, "graph_encoder.convs.{}.eps"),
        decoder_hidden=wide,
        depth=ogb_keys.count(weights, "hierarchical_vq.tree_node_embedding_network.{}.weight"),
        target_bits=bits,
    )


def translated(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names of `ChmrNetwork`; DataError for a name that is unknown."""
    return ogb_keys.translated(weights, _renamed)


def _renamed(key: str) -> str:
    for pattern, name in _RENAMED:
        match = re.fullmatch(pattern, key)
        if match:
            return name(match)
    raise DataError(f"{key!r} is no tensor of the published CHMR: nothing here takes it")

"""Registered features of any molecules, from the cache on disk or computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chmr_bench import paths
from chmr_bench.contracts import Block, FeatureRequest, MatrixBlock, Progress, no_progress
from chmr_bench.errors import PluginError
from chmr_bench.plugins import registry

if TYPE_CHECKING:
    from scipy import sparse

FINGERPRINT = FeatureRequest("morgan")
"""With its own settings: radius 2, 2,048 bits, no stereo marks."""


def feature_of(
    smiles: Sequence[str],
    request: FeatureRequest,
    n_jobs: int,
    progress: Progress = no_progress,
) -> Block:
    """Return a feature of n molecules."""
    from chmr_bench.features import cache

    return cache.featurise(
        registry().feature(request.feature).spec,
        request.settings,
        smiles,
        n_jobs=n_jobs,
        progress=progress,
        cache=paths.feature_folder(),
    )


def bits_of(block: Block) -> sparse.csr_array:
    """Return the (n, d) bits of molecules, which their feature `FINGERPRINT` holds."""
    from scipy import sparse

    if not isinstance(block, MatrixBlock):
        raise PluginError(f"the feature {FINGERPRINT.feature!r} is no matrix")
    bits: sparse.csr_array = sparse.csr_array(block.values)
    return bits

"""What a feature promises: one molecule -> numbers, stateless, one row a molecule."""

from __future__ import annotations

import numpy as np

from chmr_bench.contracts import FeatureSpec
from chmr_bench.contracts.blocks import Block, GraphBlock, MatrixBlock
from chmr_bench.errors import PluginError
from chmr_bench.features.checking import check_block
from chmr_bench.lazy import load_object
from chmr_bench.plugins import registry
from chmr_bench.testing.blocks import equal_blocks
from chmr_bench.testing.simulate import sample_molecules
from chmr_bench.types import IntArray


def check_feature(feature: str | FeatureSpec) -> None:
    """Check a feature on seventy molecules.

    Parameters
    ----------
    feature :
        A spec, or the name of a registered feature.

    Raises
    ------
    PluginError
        The function does not import or takes other settings than the spec names; it
        gives other rows for a molecule among others than alone, or other rows the second time; a
        block of the wrong shape or type; rows that are observed yet infinite.
    """
    spec = registry().feature(feature).spec if isinstance(feature, str) else feature
    where = f"feature {spec.name!r}"
    smiles = sample_molecules()
    block = _compute(spec, smiles, where)
    check_block(block, len(smiles), where)
    _check_sample(block, where)
    if not equal_blocks(block, _compute(spec, smiles, where)):
        raise PluginError(f"{where}: computed twice, it gives two results; it must be a function")
    rows = np.arange(len(smiles) - 1, -1, -3, dtype=np.int64)
    alone = _compute(spec, [smiles[i] for i in rows], where)
    _check_rows(alone, block.take(rows), rows, where)
    _check_unknown_setting(spec, where)


def _compute(spec: FeatureSpec, smiles: list[str], where: str) -> Block:
    function = load_object(spec.compute)
    if not callable(function):
        raise PluginError(f"{where}: compute={spec.compute!r} names no function")
    try:
        block = function(list(smiles), **spec.settings)
    except TypeError as error:
        raise PluginError(
            f"{where}: {spec.compute} cannot be called with the settings of its spec, "
            f"{dict(spec.settings)}: {error}"
        ) from error
    if not isinstance(block, MatrixBlock | GraphBlock):
        raise PluginError(f"{where}: {spec.compute} gave {type(block).__name__}, expected a block")
    return block


def _check_sample(block: Block, where: str) -> None:
    if not block.observed.any():
        raise PluginError(f"{where}: no molecule of the sample has it")
    if isinstance(block, MatrixBlock) and np.isinf(block.dense()).any():
        raise PluginError(f"{where}: values are infinite; NaN says that a number is undefined")


def _check_rows(alone: Block, among: Block, rows: IntArray, where: str) -> None:
    if equal_blocks(alone, among):
        return
    for i, row in enumerate(rows):
        one = np.array([i], dtype=np.int64)
        if not equal_blocks(alone.take(one), among.take(one)):
            raise PluginError(
                f"{where}: {sample_molecules()[row]!r} has other values among other molecules; "
                "a row may depend on its own molecule only"
            )
    raise PluginError(f"{where}: its layout depends on which molecules are computed together")


def _check_unknown_setting(spec: FeatureSpec, where: str) -> None:
    function = load_object(spec.compute)
    try:
        function(["CCO"], **spec.settings, no_such_setting=1)
    except TypeError:
        return
    raise PluginError(f"{where}: it takes a setting that its spec does not name (no **kwargs)")

"""What a model promises of its pretrained weights, tried on a small simulated atlas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.cells import AssayBlock, Atlas, assay_block
from chmr_bench.contracts import (
    ASSAY,
    CELL_MODALITIES,
    MatrixBlock,
    ModelSpec,
    PendingWeights,
    Weights,
    WeightsRequest,
    connectivity_hash,
)
from chmr_bench.errors import ChmrBenchError, DataError, PluginError
from chmr_bench.features.cache import connectivity_keys
from chmr_bench.lazy import load_object
from chmr_bench.testing.simulate import block_names, cell_blocks, in_part, sample_molecules


class SampleAtlas:
    """Stands for whatever atlas is asked for: the sample molecules with simulated cells.

    Parameters
    ----------
    learns : Sequence[str]
        `ModelSpec.learns`: the modalities it holds. None named = every one of cells. The last
        stands there a second time, as ``MODALITY.sample``.
    complete : bool
        False = that second block is measured in part.
    """

    def __init__(self, learns: Sequence[str] = (), *, complete: bool = False) -> None:
        smiles = sample_molecules()
        by_key = dict(zip(connectivity_keys(smiles, n_jobs=1), smiles, strict=True))
        by_key.pop("", None)
        cells = [name for name in learns or CELL_MODALITIES if name != ASSAY]
        blocks: dict[str, Any] = cell_blocks(block_names(cells), len(by_key))
        if cells and not complete:
            name = block_names(cells)[-1]
            block: MatrixBlock = blocks[name]
            blocks[name] = in_part(block, seed=0)
        assays = {f"{ASSAY}.sample": _assays(len(by_key))} if ASSAY in learns else {}
        keys = tuple(by_key)
        self.atlas = Atlas(
            "sample", tuple(by_key.values()), keys, blocks, synthetic=True, assays=assays
        )

    def digest(self, atlases: Sequence[str], transductive: bool, packages: bool = True) -> str:
        """Return the digest of the one atlas there is."""
        return self.atlas.digest()

    def open(self, atlases: Sequence[str], transductive: bool) -> tuple[Any, Mapping[str, Any]]:
        """Return the one atlas there is, and what the harness would say of it."""
        info = {
            "atlases": ["sample"],
            "data": self.atlas.digest(),
            "transductive": transductive,
            "synthetic": True,
            "n_molecules": len(self.atlas),
            "n_left_out": 0,
            "left_out_of": [],
        }
        return self.atlas, info


def _assays(n: int) -> AssayBlock:
    """Return three assays of n molecules, a third of the entries measured."""
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(rng.random((n, 3)) < 1 / 3)
    return assay_block(rows, columns, rng.normal(size=len(rows)), n, ("a", "b", "c"))


def check_weights(spec: ModelSpec, config: Any, folder: Path) -> Path | None:
    """Have the weights made below `folder`, and check them; None where the model asks for none.

    Raises
    ------
    PluginError
        A promise of `contracts.ModelSpec.weights` is broken.
    """
    if not spec.weights:
        return None
    where = f"model {spec.name!r}: {spec.weights}"
    ask, data = load_object(spec.weights), SampleAtlas(spec.learns)
    try:
        first = ask(config, WeightsRequest(data, folder))
        if isinstance(first, PendingWeights) and any(folder.rglob("*.safetensors")):
            raise PluginError(f"{where} made weights where it was to look only")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            made = ask(config, WeightsRequest(data, folder, make=True))
        except DataError:  # it may refuse profiles measured in part
            data = SampleAtlas(spec.learns, complete=True)
            made = ask(config, WeightsRequest(data, folder, make=True))
        again = ask(config, WeightsRequest(data, folder))
    except ChmrBenchError:
        raise
    except Exception as error:
        raise PluginError(f"{where}: {type(error).__name__}: {error}") from error
    if first is None and made is None:
        return None
    if not isinstance(first, PendingWeights | Weights) or not isinstance(made, Weights):
        raise PluginError(f"{where} gave {first!r}, then {made!r}; expected Weights once made")
    if not isinstance(again, Weights) or again.sha256 != made.sha256:
        raise PluginError(f"{where} does not find again what it made")
    _check_made(made, data.atlas, where)
    return made.path


def _check_made(made: Weights, atlas: Atlas, where: str) -> None:
    if hashlib.sha256(made.path.read_bytes()).hexdigest() != made.sha256:
        raise PluginError(f"{where}: sha256 is not that of the file")
    try:
        json.dumps(dict(made.info), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PluginError(f"{where}: info is not JSON: {error}") from error
    if made.seen is None:
        return
    seen = np.load(made.seen, allow_pickle=False)
    known = connectivity_hash(atlas.every_key)
    if seen.dtype != np.uint64 or not np.isin(seen, known).all() or (seen[1:] < seen[:-1]).any():
        raise PluginError(f"{where}: seen must hold connectivity_hash of Atlas.every_key, sorted")

"""What is taken from deepchem: its splitters; `molnet` takes its loaders of MoleculeNet tables.

Importing deepchem takes seconds and writes warnings about every optional package it misses; here it
is imported on first use only, and quietly.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from chmr_bench.contracts import Dataset
from chmr_bench.errors import DataError, MissingDependencyError
from chmr_bench.types import IntArray


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what deepchem, its dependencies and rdkit log or warn about inside the block."""
    from rdkit import rdBase

    logger = logging.getLogger("deepchem")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), rdBase.BlockLogs():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def import_deepchem() -> ModuleType:
    """Return deepchem, imported without its chatter.

    Raises
    ------
    MissingDependencyError
        The package is not installed.
    """
    try:
        with quiet():
            import deepchem

            return deepchem  # type: ignore[no-any-return]
    except ImportError as error:
        raise MissingDependencyError(
            f"this needs deepchem, which does not import here ({error}); "
            "install it with: pip install 'chmr-bench[deepchem]'"
        ) from error


# --------------------------------------------------------------------------------------- splitters


@dataclass(frozen=True)
class Splitter:
    """One of deepchem's splitters.

    Attributes
    ----------
    reads_structure : bool
        It parses every SMILES with full sanitisation.
    bytes_per_pair : int
        Memory it needs for each pair of molecules (all distances at once), or 0.
    """

    name: str
    class_name: str
    title: str
    seeded: bool = False
    reads_structure: bool = True
    bytes_per_pair: int = 0


SPLITTERS: dict[str, Splitter] = {
    s.name: s
    for s in (
        Splitter(
            "butina", "ButinaSplitter", "Butina clusters of ECFP4 (quadratic)", bytes_per_pair=32
        ),
        Splitter("fingerprint", "FingerprintSplitter", "least similar ECFP4 apart (quadratic)"),
        Splitter("index", "IndexSplitter", "in source order", reads_structure=False),
        Splitter("maxmin", "MaxMinSplitter", "most diverse molecules to test", seeded=True),
        Splitter("molecularweight", "MolecularWeightSplitter", "lightest to train"),
        Splitter(
            "random", "RandomSplitter", "at random, seeded", seeded=True, reads_structure=False
        ),
        Splitter(
            "randomstratified",
            "RandomStratifiedSplitter",
            "at random, actives of every task shared out",
            seeded=True,
            reads_structure=False,
        ),
        Splitter("scaffold", "ScaffoldSplitter", "Bemis-Murcko families without chirality"),
        Splitter(
            "singletaskstratified",
            "SingletaskStratifiedSplitter",
            "at random within tenths of the first task's values",
            seeded=True,
            reads_structure=False,
        ),
    )
}


def split_rows(name: str, dataset: Dataset, *, seed: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return the rows of train, valid and test as one of `SPLITTERS` draws them.

    They are eight, one and one tenth of all, deepchem's defaults. Labels that were not measured
    have weight 0, as in deepchem's own datasets.

    Raises
    ------
    DataError
        A SMILES that the splitter cannot read, or a list too long for the memory.
    """
    chosen = SPLITTERS[name]
    _check_fits(chosen, dataset)
    deepchem = import_deepchem()
    measured = ~np.isnan(dataset.y)
    data = deepchem.data.NumpyDataset(
        X=np.zeros((len(dataset), 1)),
        y=np.where(measured, dataset.y, 0.0),
        w=measured.astype(float),
        ids=np.asarray(dataset.smiles, dtype=object),
    )
    state = np.random.get_state()  # noqa: NPY002 - deepchem seeds numpy's global generator
    try:
        with quiet():
            parts = getattr(deepchem.splits, chosen.class_name)().split(
                data, seed=seed, log_every_n=1000
            )
    finally:
        np.random.set_state(state)  # noqa: NPY002 - as above
    train, valid, test = (np.asarray(part, dtype=np.int64) for part in parts)
    if chosen.name == "singletaskstratified":
        # deepchem 2.8 means to append the last n % 10 rows to train, and forgets to
        placed = np.concatenate([train, valid, test])
        train = np.concatenate([train, np.setdiff1d(np.arange(len(dataset)), placed)])
    return train, valid, test


def _check_fits(chosen: Splitter, dataset: Dataset) -> None:
    """Refuse what would end in a crash deep inside deepchem."""
    import psutil

    from chmr_bench.features.molecules import strictly_parsable

    need = chosen.bytes_per_pair * len(dataset) * (len(dataset) - 1) // 2
    if need > (free := psutil.virtual_memory().available):
        raise DataError(
            f"deepchem:{chosen.name} keeps all pairs of {len(dataset)} molecules in memory, about "
            f"{need / 1e9:.0f} GB of the {free / 1e9:.0f} GB free here; use --split scaffold"
        )
    if not chosen.reads_structure:
        return
    bad = [i for i, s in enumerate(dataset.smiles) if strictly_parsable(s) is not None]
    if bad:
        raise DataError(
            f"deepchem:{chosen.name} cannot read {len(bad)} of {len(dataset)} molecules, the first "
            f"is row {bad[0]} (0-based): {dataset.smiles[bad[0]]!r}; use --split scaffold"
        )

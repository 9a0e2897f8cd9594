"""Bemis-Murcko scaffolds of many molecules, over all cores."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

from chmr_bench.errors import FeatureError
from chmr_bench.features.cache import available_cores
from chmr_bench.features.parallel import ordered, split_evenly

_N_JOBS: ContextVar[int | None] = ContextVar("n_jobs", default=None)
"""Workers for the split being made: a dataset's own rule is given the dataset and no more."""


@contextlib.contextmanager
def kept_to(n_jobs: int | None) -> Iterator[None]:
    """Hold the scaffolds computed meanwhile to so many worker processes; None = all cores."""
    before = _N_JOBS.set(n_jobs)
    try:
        yield
    finally:
        _N_JOBS.reset(before)


def scaffold_smiles(
    smiles: Sequence[str], chirality: bool = True, n_jobs: int | None = None
) -> list[str]:
    """Return the Bemis-Murcko scaffold of each molecule as canonical SMILES.

    A molecule without a ring has the scaffold "". One that RDKit's sanitisation refuses (seven rows
    of HIV since 2024.09) is read as far as it goes, see `features.molecules.parse`.

    Parameters
    ----------
    smiles : Sequence[str]
        Sequence of str n SMILES.
    chirality : bool
        Keep stereo marks in the scaffold, as the published splits do.
    n_jobs : int or None
        Worker processes; None = what `make_split` was given, else all cores this process may use.
        The scaffolds are the same whatever it is.

    Raises
    ------
    FeatureError
        A SMILES cannot be read; names the row (0-based).

    Examples
    --------
    >>> scaffold_smiles(["CCc1ccccc1", "CCO"])
    ['c1ccccc1', '']
    """
    return list(_scaffolds(tuple(smiles), chirality, n_jobs or _N_JOBS.get() or available_cores()))


@functools.lru_cache(maxsize=4)
def _scaffolds(smiles: tuple[str, ...], chirality: bool, n_jobs: int) -> tuple[str, ...]:
    """Keep the last few lists: every seed and model of one dataset asks for the same scaffolds."""
    chunks = split_evenly(smiles, n_jobs)
    starts = itertools.accumulate(map(len, chunks), initial=0)
    tasks = [(chunk, start, chirality) for chunk, start in zip(chunks, starts, strict=False)]
    with contextlib.closing(ordered("scaffolds", _scaffold_chunk, tasks, n_jobs)) as results:
        return tuple(itertools.chain.from_iterable(results))


def _scaffold_chunk(smiles: Sequence[str], first_row: int, chirality: bool) -> list[str]:
    """Return the scaffolds of one chunk; runs in a worker process."""
    from chmr_bench.features.identity import murcko
    from chmr_bench.features.molecules import first_line, parse, shown

    scaffolds = []
    for row, text in enumerate(smiles, start=first_row):
        try:
            scaffolds.append(murcko(parse(text), chirality))
        except FeatureError as error:
            raise FeatureError(f"row {row} (0-based): {error}") from None
        except Exception as error:
            raise FeatureError(
                f"row {row} (0-based): {shown(text)} has no scaffold: {first_line(error)}"
            ) from error
    return scaffolds

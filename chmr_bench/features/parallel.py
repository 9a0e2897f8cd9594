"""Compute a feature over all cores, a chunk of molecules at a time.

The first chunks are computed where we are, and timed: what is quickly done never pays for worker
processes. Where a thread of this process lets Ctrl-C through, all is computed in workers instead:
RDKit would swallow it and give wrong fingerprints (see `chmr_bench.signals`).
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from chmr_bench import signals
from chmr_bench.contracts import (
    Block,
    FeatureSpec,
    GraphBlock,
    MatrixBlock,
    Progress,
    no_progress,
)
from chmr_bench.errors import ChmrBenchError, FeatureError, PluginError, UsageError
from chmr_bench.features.concatenation import concatenate
from chmr_bench.features.workers import Ordered
from chmr_bench.lazy import load_object

Compute: TypeAlias = Callable[..., Block]

FIRST_CHUNK = 32
PROBE_SECONDS = 0.05
"""So long we compute here before deciding whether workers are worth their price."""
POOL_SECONDS = 0.7
"""What starting workers and importing RDKit in them costs; measured 0.5 to 0.9 s."""
WARM_POOL_SECONDS = 0.05
"""What it takes to use workers that are still there from the last time."""
WORKER_PATIENCE = 120.0
"""So long workers stay (300 s; we count on less)."""
CHUNK_SECONDS = 0.4
CHUNK_LIMITS = (16, 2048)
UNTIMED_CHUNK = 256
CHUNKS_PER_WORKER = 8
"""At least so many, so that one slow chunk at the end does not leave the other cores idle."""

_last_used: dict[int, float] = {}
"""Number of workers -> when they were last at work. It decides about speed, never about numbers."""


@dataclass(frozen=True)
class _Failure:
    """A chunk that could not be computed: what a worker sends back in place of its block."""

    row: int
    reason: str


def compute_block(
    spec: FeatureSpec,
    settings: Mapping[str, Any],
    smiles: Sequence[str],
    n_jobs: int = 1,
    progress: Progress = no_progress,
) -> Block:
    """Return the feature of all molecules; the same numbers whatever `n_jobs` is.

    Raises
    ------
    FeatureError : a molecule cannot be featurised; its row (from 0) and SMILES are named.
    SettingError : the feature refuses a setting's value.
    PluginError : the feature returns something else than a block of one row per molecule.
    """
    blocks: list[Block] = []
    done, n = 0, len(smiles)
    progress(0, n, "molecules")
    with contextlib.closing(_results(spec, settings, smiles, n_jobs)) as results:
        for start, chunk in results:
            if isinstance(chunk, _Failure):
                raise _failed(spec, smiles, start, chunk)
            blocks.append(chunk)
            done += len(chunk)
            progress(done, n, "molecules")
    return concatenate(blocks)


def _results(
    spec: FeatureSpec, settings: Mapping[str, Any], smiles: Sequence[str], n_jobs: int
) -> Generator[tuple[int, Block | _Failure], None, None]:
    """Yield (first row, block) in order: the first from here, what is worth it from workers."""
    n, start, size = len(smiles), 0, FIRST_CHUNK
    if n and not _safe_here():
        yield from _all_from_workers(spec, settings, smiles, n_jobs)
        return
    compute: Compute = load_object(spec.compute)
    begin, timed_from = time.perf_counter(), 0
    while start < n or n == 0:
        yield start, _here(spec, compute, settings, smiles[start : start + size])
        start += size
        seconds = time.perf_counter() - begin
        if timed_from == 0:  # the first chunk pays for lazy imports: it says nothing of the rate
            begin, timed_from = time.perf_counter(), start
        elif seconds > PROBE_SECONDS:
            break
        if n == 0:
            return
    if start >= n:
        return
    per_molecule = (time.perf_counter() - begin) / (start - timed_from)
    rest = per_molecule * (n - start)
    size = _chunk_size(per_molecule, n - start, n_jobs)
    starts = range(start, n, size)
    price = _pool_price(n_jobs)
    n_here = len(starts)
    if n_jobs > 1 and rest > price:  # while the workers start, their price is earned here
        n_here = int(price / (per_molecule * size))
    outputs = _Outputs(spec, settings, smiles, starts[n_here:], n_jobs)
    with contextlib.closing(outputs):
        here = (
            (start, _here(spec, compute, settings, smiles[start : start + size]))
            for start in starts[:n_here]
        )
        for start, chunk in itertools.chain(here, outputs):
            if isinstance(chunk, _Failure):
                outputs.stop()
            yield start, chunk


def _safe_here() -> bool:
    """Return whether no Ctrl-C can get into RDKit while this thread holds it back."""
    with signals.blocked():
        return signals.blocked_everywhere()


def _here(
    spec: FeatureSpec, compute: Compute, settings: Mapping[str, Any], smiles: Sequence[str]
) -> Block | _Failure:
    with signals.blocked():
        return _run(spec, compute, settings, smiles)


def _all_from_workers(
    spec: FeatureSpec, settings: Mapping[str, Any], smiles: Sequence[str], n_jobs: int
) -> Generator[tuple[int, Block | _Failure], None, None]:
    """Yield what `_results` yields, computing nothing in this process."""
    n = len(smiles)
    size = max(CHUNK_LIMITS[0], min(UNTIMED_CHUNK, n // (n_jobs * CHUNKS_PER_WORKER) + 1))
    outputs = _Outputs(spec, settings, smiles, range(0, n, size), n_jobs)
    with contextlib.closing(outputs):
        for start, chunk in outputs:
            if isinstance(chunk, _Failure):
                outputs.stop()
            yield start, chunk


def _pool_price(n_jobs: int) -> float:
    """Return the seconds until `n_jobs` workers would be at work."""
    idle = time.monotonic() - _last_used.get(n_jobs, -WORKER_PATIENCE)
    return WARM_POOL_SECONDS if idle < WORKER_PATIENCE else POOL_SECONDS


def _chunk_size(per_molecule: float, n: int, n_jobs: int) -> int:
    low, high = CHUNK_LIMITS
    by_time = int(CHUNK_SECONDS / max(per_molecule, 1e-9))
    return max(low, min(high, by_time, n // (n_jobs * CHUNKS_PER_WORKER) + 1))


class _Outputs:
    """The chunks that workers compute, in order; they begin when this is made.

    Parameters
    ----------
    starts : first rows of the chunks; none: no worker is started.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        settings: Mapping[str, Any],
        smiles: Sequence[str],
        starts: range,
        n_jobs: int,
    ) -> None:
        self.feature, self.starts, self.n_jobs = spec.name, starts, n_jobs
        self.ordered: Ordered | None = None
        if starts:
            tasks = (
                (_in_worker, (spec, dict(settings), list(smiles[start : start + starts.step])))
                for start in starts
            )
            with self._told():
                self.ordered = Ordered(n_jobs, tasks)

    def __iter__(self) -> Iterator[tuple[int, Block | _Failure]]:
        if self.ordered is None:
            return
        chunks, starts = iter(self.ordered), iter(self.starts)
        while True:
            with self._told():
                chunk = next(chunks, None)
            if chunk is None:
                break
            yield next(starts), chunk
        _last_used.clear()  # one set of workers is kept: those last asked for
        _last_used[self.n_jobs] = time.monotonic()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        from joblib.externals.loky.process_executor import BrokenProcessPool

        try:
            yield
        except BrokenProcessPool as error:
            raise FeatureError(
                f"feature {self.feature!r}: a worker process died, killed or out of memory "
                f"({error}); try again with fewer jobs"
            ) from error

    def stop(self) -> None:
        """Begin no further chunk, and wait for those begun."""
        if self.ordered is not None:
            with self._told():
                self.ordered.stop()

    def close(self) -> None:
        """Kill workers still at work."""
        if self.ordered is not None:
            self.ordered.close()


def _in_worker(
    spec: FeatureSpec, settings: Mapping[str, Any], smiles: Sequence[str]
) -> Block | _Failure:
    return _run(spec, load_object(spec.compute), settings, smiles)


def _run(
    spec: FeatureSpec, compute: Compute, settings: Mapping[str, Any], smiles: Sequence[str]
) -> Block | _Failure:
    """Compute one chunk; where that fails, find the first molecule to blame."""
    try:
        block = compute(list(smiles), **settings)
    except (UsageError, PluginError):
        raise
    except Exception as error:  # a plugin's feature may raise anything
        for row, text in enumerate(smiles):
            try:
                compute([text], **settings)
            except Exception as one:  # noqa: BLE001 - as above
                return _Failure(row, _reason(one))
        raise PluginError(f"feature {spec.name!r} fails: {_reason(error)}") from error
    if not isinstance(block, MatrixBlock | GraphBlock):
        raise PluginError(
            f"feature {spec.name!r}: {spec.compute} returned a {type(block).__name__}; "
            "expected a MatrixBlock or a GraphBlock"
        )
    if len(block) != len(smiles):
        raise PluginError(
            f"feature {spec.name!r}: {spec.compute} returned {len(block)} rows "
            f"for {len(smiles)} molecules"
        )
    return block


def _reason(error: Exception) -> str:
    if isinstance(error, ChmrBenchError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _failed(
    spec: FeatureSpec, smiles: Sequence[str], start: int, failure: _Failure
) -> FeatureError:
    row = start + failure.row
    return FeatureError(
        f"feature {spec.name!r}: molecule in row {row} (counted from 0), SMILES {smiles[row]!r}, "
        f"cannot be featurised: {failure.reason}; mend the SMILES or leave the row out"
    )

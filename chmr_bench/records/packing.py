"""Moving runs into packs and out of them, so that a kill at any point loses nothing.

New files are written aside, read back, compared, and renamed into place, the Parquet file first: it
holds all that the old lines speak of. Loose runs go last. What a kill leaves between is a loose run
that is packed as well, which the next packing removes.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from chmr_bench.errors import RecordError
from chmr_bench.records import loose, packed
from chmr_bench.records.arrays import Arrays
from chmr_bench.records.loose import LooseRun
from chmr_bench.records.packed import ASIDE, NUMBERS, SUFFIX, Pack, beside, is_pack
from chmr_bench.records.places import aside, discard, remove_empty
from chmr_bench.records.precedence import DIFFERS, compared
from chmr_bench.records.reading import StoredRuns
from chmr_bench.records.run import (
    LOOSE,
    Problem,
    RunContents,
    Stored,
    board_name,
    file_name,
    run_name,
    sealed,
)
from chmr_bench.records.schema import Record
from chmr_bench.types import BoolArray

Labels = Callable[[Record], BoolArray | None]
"""Return which test cells of a version 1 record have a label, (n_test, t); None = not known."""


@dataclass
class Packing:
    """What became of the runs that were to be packed, or taken out."""

    moved: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed(self) -> list[Problem]:
        """Return the packs that could not be written."""
        return [problem for problem in self.problems if is_pack(problem.path)]


def pack(
    store: StoredRuns,
    labelled: Labels | None = None,
    *,
    best: bool = False,
    test_only: bool = False,
) -> Packing:
    """Move loose runs and those of version 1 into the packs of their models.

    What cannot be packed stays where it is, and is named.

    Parameters
    ----------
    labelled
        tells which predictions to keep; None = all.
    best
        write every pack anew, as small as can be.
    test_only
        leave out predictions of validation rows.
    """
    done = Packing()
    groups: dict[Path, list[Path]] = defaultdict(list)
    for entry in store.unpacked():
        if isinstance(entry, Problem):
            done.problems.append(entry)
        else:
            groups[pack_path(store, entry.content)].append(entry.path)
    if best:
        for known in store.packs():
            if not isinstance(known, Problem):
                groups.setdefault(known.path, [])
    for path, folders in groups.items():
        try:
            with locked(store, path):
                runs, finished = _sorted_out(store, path, folders, done)
                again = _packed_before(store, path) if best else []  # maybe without their labels
                new = {
                    run.identity: _whole(run, labelled, test_only=test_only)
                    for run in [*again, *runs]
                }
                if new or best:
                    _rewrite(store, path, new, best=best)
                for run in finished:  # what is in the pack by now
                    discard(run.path, store.temporary)
                done.moved += len(finished)
        except (OSError, RecordError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            done.problems.append(Problem(path, f"nothing was packed: {reason or error}"))
    for folder in (store.first, store.folder / LOOSE):
        remove_empty(folder, depth=2)
    return done


def copy(store: StoredRuns, other: StoredRuns) -> Packing:
    """Copy the runs of another store into folders of their own, to be packed.

    What is damaged, or differs from a run of the same identity that is here, is named and left.
    Nothing of a run changes, its seal least of all.
    """
    done = Packing(problems=other.problems())
    here = {run.identity: run for run in store.stored()}
    for run in other.stored():
        old = here.get(run.identity)
        which = "newer" if old is None else compared(old, run)
        reason = run.damage()
        if which == "differs":
            reason = "differs from the run of the same identity that is here, which stays"
        elif which == "newer" and store.loose_path(run.content).exists():
            reason = "a run that is not packed stands in its place; 'records pack' first"
        if reason:
            done.problems.append(Problem(run.path, f"{'/'.join(run_name(run.content))}: {reason}"))
        elif which == "newer":
            _write_loose(store, run)
            done.moved += 1
    return done


def unpack(store: StoredRuns, runs: Iterable[Stored]) -> Packing:
    """Move packed runs into folders of their own."""
    done = Packing()
    for path, members in _by_pack(runs).items():
        with locked(store, path):
            moved = set()
            for run in members:
                if reason := run.damage():
                    name = "/".join(run_name(run.content))
                    done.problems.append(Problem(path, f"{name}: {reason}"))
                    continue
                _write_loose(store, run)
                moved.add(run.identity)
            _rewrite(store, path, {}, without=moved)
            done.moved += len(moved)
    return done


def _write_loose(store: StoredRuns, run: Stored) -> None:
    target = store.loose_path(run.content)
    if not target.exists():
        with aside(store.temporary) as temporary:
            loose.write(temporary, _whole(run))
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.rename(target)


def remove(store: StoredRuns, runs: Sequence[Stored]) -> None:
    """Remove runs, each folder in one step and the packed ones of a model in one."""
    for run in runs:
        if run.kind != "packed" and run.path.exists():
            discard(run.path, store.temporary)
    for path, members in _by_pack(runs).items():
        with locked(store, path):
            _rewrite(store, path, {}, without={run.identity for run in members})
    for folder in (store.first, store.folder / LOOSE):
        remove_empty(folder, depth=2)


def bad_lines(store: StoredRuns) -> list[Problem]:
    """Return what is wrong with the lines of packs that hold no run."""
    packs = [pack for pack in store.packs() if isinstance(pack, Pack)]
    return [Problem(pack.path, reason) for pack in packs for reason, _ in pack.bad]


def remove_bad_lines(store: StoredRuns) -> None:
    """Write the packs that have lines without a run anew, without them."""
    for path in dict.fromkeys(problem.path for problem in bad_lines(store)):
        with locked(store, path):
            _rewrite(store, path, {}, clean=True)


def pack_path(store: StoredRuns, content: Mapping[str, Any]) -> Path:
    """Return the file of lines that a run belongs to."""
    return store.folder / board_name(content) / f"{file_name(content['model']['id'])}{SUFFIX}"


# ----------------------------------------------------------------------------------------- one pack


def _sorted_out(
    store: StoredRuns, path: Path, folders: list[Path], done: Packing
) -> tuple[list[Stored], list[LooseRun]]:
    """Return which runs are to be packed, and which will be in the pack then; name the others."""
    before = store.pack_at(path).runs if path.exists() else {}
    new: dict[str, LooseRun] = {}
    finished = []
    for folder in folders:
        if not folder.exists():  # another packing was faster
            continue
        try:
            run = loose.read(folder)
        except RecordError as error:
            if folder.exists():
                done.problems.append(Problem(folder, str(error)))
            continue
        old = new.get(run.identity) or before.get(run.identity)
        which = "newer" if old is None else compared(old, run)
        reason = run.damage() or (DIFFERS if which == "differs" else "")
        if reason:
            done.problems.append(Problem(folder, reason))
            continue
        if which == "newer":
            new[run.identity] = run
        finished.append(run)
    return list(new.values()), finished


def _packed_before(store: StoredRuns, path: Path) -> list[Stored]:
    """Return the healthy runs of a pack."""
    runs = store.pack_at(path).runs.values() if path.exists() else ()
    return [run for run in runs if not run.damage()]


def _rewrite(
    store: StoredRuns,
    path: Path,
    fresh: Mapping[str, RunContents],
    without: Iterable[str] = (),
    *,
    best: bool = False,
    clean: bool = False,
) -> None:
    """Put a pack with other runs in place of the present one; `clean`: without its bad lines."""
    present = store.pack_at(path) if path.exists() else None
    wholes = {} if present is None else {name: _kept(run) for name, run in present.runs.items()}
    wholes |= fresh
    for identity in without:
        wholes.pop(identity, None)
    bad = [] if present is None or clean else [text for _, text in present.bad]
    numbers = beside(path, NUMBERS)
    if present is not None and numbers.exists() and not _is_readable(present):
        numbers.rename(numbers.with_name(numbers.name + ASIDE))
    if present is not None and present.is_cut and not clean:
        shutil.copyfile(path, path.with_name(path.name + ASIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(store.temporary) as temporary:
        new = packed.write(temporary, wholes, bad, best=best)
        loose.flush(temporary)
        _check(Pack(new[0]), wholes)
        pairs = [(new[1], numbers), (new[0], path)]
        # The lines that remain never speak of what is not in the other file.
        for made, place in pairs if not without else reversed(pairs):
            if made.exists() and made.stat().st_size:
                made.replace(place)
            else:
                place.unlink(missing_ok=True)
    remove_empty(path.parent, depth=0)


def _check(pack: Pack, wholes: Mapping[str, RunContents]) -> None:
    """Raise RecordError where what was written is not what was given, to the bit."""
    for identity, whole in wholes.items():
        run = pack.runs.get(identity)
        if run is None:
            raise RecordError(f"{identity[:12]} cannot be read back; nothing was changed")
        if whole.arrays is None:
            if run.content != whole.content:
                raise RecordError(f"{identity[:12]} was not written as it is; nothing was changed")
            continue
        back, given = run.predictions(), whole.arrays.predictions
        pairs = [(back.values, given.values), (run.replicates(), whole.arrays.replicates)]
        same = run.full_content() == whole.content and back.digest() == given.digest()
        if not same or not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
            raise RecordError(f"{identity[:12]} was not written as it is; nothing was changed")


def _whole(run: Stored, labelled: Labels | None = None, *, test_only: bool = False) -> RunContents:
    """Return all of a healthy run; one of version 1 as a run of this version.

    Predictions that have no label are left out where `labelled` is given, and knows; with
    `test_only` those of validation rows too.
    """
    info, first = run.record.predictions, run.kind == "version 1"
    if info is None:
        content = sealed(run.full_content(), None) if first else run.full_content()
        return RunContents(content, None, run.log())
    arrays = Arrays(run.predictions(), run.replicates())
    asked = labelled is not None and info.cells == "all" and run.sealed
    known = labelled(run.record) if labelled is not None and asked else None
    kept = arrays.predictions
    if known is not None and not known.all():
        kept = replace(kept, values=np.where(known, kept.values, kept.values.dtype.type(np.nan)))
    if test_only and run.sealed and kept.valid is not None:
        kept = replace(kept, valid=None)
    if not first and kept is arrays.predictions:
        return RunContents(run.full_content(), arrays, run.log())
    if arrays.predictions.digest() != info.values_sha256:
        raise RecordError(f"{run.path}: the predictions are not those on record")
    arrays = replace(arrays, predictions=kept)
    return RunContents(sealed(run.record.model_dump(mode="json"), arrays), arrays, run.log())


def _kept(run: Stored) -> RunContents:
    """Return a run that is packed already; one whose numbers are damaged without them."""
    if run.record.predictions is not None and run.damage():
        return RunContents(run.content, None, run.log())
    return _whole(run)


def _is_readable(pack: Pack) -> bool:
    try:
        pack.numbers.identities()
    except RecordError:
        return False
    return True


def _by_pack(runs: Iterable[Stored]) -> dict[Path, list[Stored]]:
    groups: dict[Path, list[Stored]] = defaultdict(list)
    for run in runs:
        if run.kind == "packed":
            groups[run.path].append(run)
    return groups


def locked(store: StoredRuns, path: Path) -> FileLock:
    """Return the lock of a pack, and of the folders that will be in it; its file stays."""
    store.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(store.locks / f"{path.parent.name}~{beside(path, '').name}.pack.lock")

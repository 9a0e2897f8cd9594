"""The store of an output folder: runs loose and packed, as git keeps objects.

``runs/loose/<dataset>/<model>/<split>-s<seed>-<identity[:12]>/`` is a run that has just ended,
written whole or not at all. ``runs/<board>/<model>.jsonl.gz`` and ``.parquet`` are the packed runs
of a model (`packing`). ``records/`` are folders of version 1, which are read and can be packed.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from chmr_bench.errors import RecordError, UsageError
from chmr_bench.records import loose, packing
from chmr_bench.records.arrays import FILE_NAME, Arrays
from chmr_bench.records.environment import environment
from chmr_bench.records.packed import NUMBERS, SUFFIX, Pack, PackedRun, beside, is_pack
from chmr_bench.records.places import aside, clear_stale, discard, entries
from chmr_bench.records.predictions import Predictions
from chmr_bench.records.run import (
    IDENTITY_LENGTH,
    LOOSE,
    Problem,
    Stored,
    Whole,
    as_text,
    file_name,
    run_name,
    sealed,
)
from chmr_bench.records.schema import Metrics, Record, Rescored
from chmr_bench.types import FloatArray

T = TypeVar("T")

STRAY = "a stray file; it belongs to no runs"
UNPACKED = "a pack that is not compressed, as earlier ones; gzip it to have its runs back"
MOVES = 5
"""How often a run that moves while it is read is looked for again."""


class RecordStore:
    """The runs of an output folder.

    Parameters
    ----------
    root
        the output folder (``leaderboards`` by default). Reading needs nothing to be there.

    Examples
    --------
    >>> store = RecordStore(Path("leaderboards"))  # doctest: +SKIP
    >>> [record.metrics.macro for record in store.records()]  # doctest: +SKIP
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.folder = self.root / "runs"
        self.first = self.root / "records"
        self.temporary = self.folder / ".tmp"
        self.locks = self.folder / ".locks"
        self._packs: dict[Path, tuple[object, Pack]] = {}

    def exists(self) -> bool:
        """Return whether there is a folder of runs."""
        return self.folder.is_dir() or self.first.is_dir()

    # ------------------------------------------------------------------------------------ reading

    def find(self, identity: str) -> Record | None:
        """Return the record of that identity, or None; a good one before a failed one.

        Unreadable runs, and those whose predictions or replicates are damaged, are passed over.
        """
        whole = [run.record for run in self._of(identity) if not run.damage()]
        return next((r for r in whole if r.status == "ok"), whole[0] if whole else None)

    def is_damaged(self, identity: str) -> bool:
        """Return whether there is a record of that identity, but none that is whole."""
        found = self._of(identity)
        return bool(found) and all(run.damage() for run in found)

    def damaged(self) -> list[Problem]:
        """Return the records whose predictions or replicates are missing or damaged."""
        found = [(run.path, run.damage()) for run in self.stored()]
        return [Problem(path, reason) for path, reason in found if reason]

    def records(self) -> list[Record]:
        """Return every readable record, in the order of dataset, model, split and seed."""
        return [run.record for run in self.stored()]

    def stored(self) -> list[Stored]:
        """Return every readable run; of a loose and a packed one the better."""
        return self._chosen()[0]

    def problems(self) -> list[Problem]:
        """Return what lies in the store and is no run, and loose runs that differ from packed."""
        return self._chosen()[1]

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield every run as JSON, fast: without the scores of the tasks, and not to be changed.

        ``metrics.per_task`` has a column a field (``tasks``), which runs on the same rows share.

        Examples
        --------
        >>> pandas.json_normalize(store.lines())  # doctest: +SKIP
        """
        return (run.line() for run in self.stored())

    def of(self, dataset: str, model: str) -> list[Record]:
        """Return the readable records of one model on one dataset."""
        wanted = (file_name(dataset), file_name(model))
        return [run.record for run in self.stored() if run_name(run.content)[:2] == wanted]

    def path_of(self, record: Record) -> Path:
        """Return where a record lies: its folder, or the file of lines; or where it would go."""
        run = self._locate(record)
        return self._loose_path(record.model_dump(mode="json")) if run is None else run.path

    def predictions(self, record: Record) -> Predictions:
        """Return the stored predictions; RecordError where there are none or they are damaged."""
        return self._read(record, lambda run: run.predictions())

    def replicates(self, record: Record) -> FloatArray:
        """Return the (1000,) bootstrap replicates of the macro score."""
        return self._read(record, lambda run: run.replicates())

    def _read(self, record: Record, read: Callable[[Stored], T]) -> T:
        """Return what is read of a run, wherever another process packs it meanwhile."""
        for _ in range(MOVES):
            run = self._stored_as(record)
            try:
                return read(run)
            except RecordError:
                if not self._has_moved(run):
                    raise
        return read(self._stored_as(record))

    def _has_moved(self, run: Stored) -> bool:
        """Return whether a run is elsewhere by now, or its pack another."""
        if isinstance(run, PackedRun):
            return run.path.exists() and self.pack_at(run.path) is not run.pack
        return not os.path.lexists(run.path)

    def _stored_as(self, record: Record) -> Stored:
        run = self._locate(record)
        if run is None:
            raise RecordError(
                f"{self._loose_path(record.model_dump(mode='json'))}: there is no such run"
                if record.predictions
                else "a failed run has no predictions"
            )
        return run

    def _locate(self, record: Record) -> Stored | None:
        """Return the run of a record, the very one where several have its identity."""
        found = self._of(record.identity)
        if len(found) < 2:
            return found[0] if found else None
        return next((run for run in found if run.record == record), found[0])

    def _of(self, identity: str) -> list[Stored]:
        """Return the readable runs of an identity: as a rule none or one."""
        found: list[Stored] = []
        for folder in (self.folder / LOOSE, self.first):
            for path in sorted(folder.glob(f"*/*/*-{identity[:IDENTITY_LENGTH]}")):
                try:
                    found.append(loose.read(path))
                except RecordError:
                    continue
        packed = (pack.runs.get(identity) for pack in self.packs() if isinstance(pack, Pack))
        found += [run for run in packed if run is not None]
        return [run for run in found if run.identity == identity]

    def unpacked(self) -> Iterator[Stored | Problem]:
        """Yield the loose runs and those of version 1, and what lies among them."""
        for folder in (self.first, self.folder / LOOSE):
            for dataset in entries(folder):
                for model in entries(dataset) if dataset.is_dir() else [dataset]:
                    for path in entries(model) if model.is_dir() else [model]:
                        entry = self._entry(folder, path)
                        if os.path.lexists(path):  # else another process has packed it
                            yield entry

    def packs(self) -> Iterator[Pack | Problem]:
        """Yield the packs, and what lies among them."""
        for board in entries(self.folder):
            if board.name == LOOSE and board.is_dir():
                continue
            for path in entries(board) if board.is_dir() else [board]:
                if path.suffix == NUMBERS and beside(path, SUFFIX).exists():
                    continue
                if not is_pack(path) or path.parent == self.folder:
                    yield Problem(path, UNPACKED if path.suffix == ".jsonl" else STRAY)
                    continue
                try:
                    yield self.pack_at(path)
                except RecordError as error:
                    yield Problem(path, str(error))

    def pack_at(self, path: Path) -> Pack:
        """Return the pack of that file, read again where it changed; RecordError if it is none."""
        now = [_signature(p) for p in (path, beside(path, NUMBERS))]
        known = self._packs.get(path)
        if known is None or known[0] != now:
            known = self._packs[path] = now, Pack(path)
        return known[1]

    def _entry(self, folder: Path, path: Path) -> Stored | Problem:
        if not path.is_dir():
            return Problem(path, "a stray file; records are folders")
        try:
            run = loose.read(path)
        except RecordError as error:
            return Problem(path, str(error))
        expected = "/".join(run_name(run.content))
        if folder.joinpath(expected) != path:
            return Problem(path, f"its result.json belongs to {expected}")
        return run

    def _chosen(self) -> tuple[list[Stored], list[Problem]]:
        problems: list[Problem] = []
        packed: dict[str, Stored] = {}
        chosen: list[Stored] = []
        unpacked = list(self.unpacked())  # before the packs: that is the way that runs move
        for pack in self.packs():
            if isinstance(pack, Problem):
                problems.append(pack)
                continue
            problems += [Problem(pack.path, reason) for reason, _ in pack.bad]
            for identity, run in pack.runs.items():
                packed[identity] = run
                chosen.append(run)
        hidden = set()
        for entry in unpacked:
            if isinstance(entry, Problem):
                problems.append(entry)
                continue
            other = packed.get(entry.identity)
            which = "newer" if other is None else packing.compared(other, entry)
            if which == "newer":
                chosen.append(entry)
                hidden.add(id(other))
                if entry.kind == "version 1":  # a loose run may be newer
                    packed[entry.identity] = entry
            elif which == "differs":
                problems.append(Problem(entry.path, packing.DIFFERS))
        shown = [run for run in chosen if id(run) not in hidden]
        return sorted(shown, key=lambda run: run_name(run.content)), problems

    # ------------------------------------------------------------------------------------ writing

    def check_writable(self) -> None:
        """Raise UsageError where the folder plainly cannot be made or written; make nothing."""
        place = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        if not place.is_dir():
            raise _unwritable(self.root, f"{place} is a file")
        if not os.access(place, os.W_OK | os.X_OK):
            raise _unwritable(self.root, f"{place} is read-only")

    def check_places(self, places: Iterable[tuple[str, str]]) -> None:
        """Raise UsageError where a run of a (dataset, model) could not be stored."""
        for dataset, model in dict.fromkeys(places):
            for what, name in (("dataset", dataset), ("model", model)):
                if name != as_text(name):
                    raise UsageError(
                        f"the name of the {what} {name!r} is not UTF-8, so no record can hold it; "
                        "give its file another name"
                    )
            outer = self.folder / LOOSE / file_name(dataset)
            for path in (self.folder / LOOSE, outer, outer / file_name(model)):
                if path.exists() and not path.is_dir():
                    raise UsageError(
                        f"{path} is a file, where a folder of records belongs; move it away, or "
                        "choose another folder with --out DIR"
                    )

    def prepare(self) -> None:
        """Make the folder, prove that it can be written, and clear what dead runs left.

        Raises
        ------
        UsageError
            the folder cannot be made or written.
        """
        try:
            self.locks.mkdir(parents=True, exist_ok=True)
            with aside(self.temporary):
                clear_stale(self.temporary)
        except OSError as error:
            raise _unwritable(self.root, error.strerror or str(error)) from error

    def lock_path(self, identity: str) -> Path:
        """Return the file that a run of this identity locks while it works."""
        return self.locks / f"{identity[:32]}.lock"

    def write(
        self,
        record: Record,
        predictions: Predictions | None = None,
        replicates: FloatArray | None = None,
        log: str = "",
    ) -> Record:
        """Store a run whole, and return its record, sealed and with the hashes filled in.

        A failed or damaged record of the same identity is replaced, whatever its split is called;
        a good one is kept, and returned.

        Raises
        ------
        RecordError
            the folder cannot be made where it belongs, or written.
        """
        made = None
        if predictions is not None and replicates is not None:
            made = Arrays(predictions, replicates, np.zeros((0, 3)))
        whole = Whole(sealed(record.model_dump(mode="json"), made), made, log)
        try:
            with aside(self.temporary) as temporary:
                loose.write(temporary, whole)
                return self._move_into_place(temporary, whole.content)
        except OSError as error:
            raise RecordError(
                f"{self._loose_path(whole.content)}: the record cannot be put there: "
                f"{error.strerror or error}; mend that, and run again"
            ) from error

    def rescore(self, run: Stored, metrics: Metrics, replicates: FloatArray) -> Record:
        """Put other scores of the same predictions into a run, and return its record.

        It becomes a loose run that is newer than a packed one, until it is packed.
        """
        here = environment()
        new = Rescored(
            version=here.packages.get("chmr-bench", ""),
            commit=here.commit,
            dirty=here.dirty,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        record = run.record.model_copy(update={"metrics": metrics, "rescored": new})
        arrays = Arrays(run.predictions(), replicates, np.zeros((0, 3)))
        before = run.record.predictions
        content = sealed(
            record.model_dump(mode="json"), arrays, sha256=before.sha256 if before else None
        )
        whole = Whole(content, arrays, run.log())
        target = self._loose_path(whole.content)
        with aside(self.temporary) as temporary:
            loose.write(temporary, whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                temporary.rename(target)
            else:
                for name in (FILE_NAME, loose.RESULT):
                    (temporary / name).replace(target / name)
        return loose.read(target).record

    def discard_failed(self, identity: str) -> None:
        """Remove the failed records of an identity, each in one step."""
        failed = [run for run in self._of(identity) if run.record.status == "failed"]
        packing.remove(self, failed)

    def pack(
        self,
        labelled: packing.Labels | None = None,
        *,
        best: bool = False,
    ) -> packing.Packing:
        """Move loose runs and those of version 1 into packs; see `packing.pack`."""
        return packing.pack(self, labelled, best=best)

    def _loose_path(self, content: dict[str, Any]) -> Path:
        return self.folder.joinpath(LOOSE, *run_name(content))

    def _move_into_place(self, temporary: Path, content: dict[str, Any]) -> Record:
        target, identity = self._loose_path(content), content["identity"]
        target.parent.mkdir(parents=True, exist_ok=True)
        present = self.find(identity)
        if present is not None and present.status == "ok":
            return present
        # A failed or a damaged record, or what is left of one: make room in one step.
        unpacked = [run.path for run in self._of(identity) if run.kind != "packed"]
        for path in {target, *unpacked}:
            if path.exists():
                discard(path, self.temporary)
        try:
            temporary.rename(target)
        except OSError:  # another run without our lock was faster
            present = self.find(identity)
            if present is None:
                raise
            return present
        return loose.read(target).record


def no_records(root: Path) -> UsageError:
    """Return the error of a folder that holds no runs: it is not there, no folder, or empty."""
    if root.is_dir():
        said = "there are no records in it; chmr-bench run makes some, --out DIR names another"
    elif root.exists():
        said = "this is a file; name the folder of the records with --out DIR"
    else:
        said = "no such folder; name the folder of the records with --out DIR"
    return UsageError(f"{root}: {said}")


def _signature(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unwritable(root: Path, reason: str) -> UsageError:
    return UsageError(
        f"cannot write to {root}: {reason}; "
        "choose another folder with --out DIR, or make this one writable"
    )

"""Reading an output folder: its runs loose and packed, as git keeps objects.

``runs/loose/<dataset>/<model>/<split>-s<seed>-<identity[:12]>/`` is a run that has just ended,
written whole or not at all. ``runs/<board>/<model>.jsonl.gz`` and ``.parquet`` are the packed runs
of a model (`packing`). ``records/`` are folders of version 1, which are read and can be packed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from chmr_bench.errors import RecordError
from chmr_bench.records import loose
from chmr_bench.records.packed import ASIDE, NUMBERS, SUFFIX, Pack, PackedRun, beside, is_pack
from chmr_bench.records.places import entries
from chmr_bench.records.precedence import DIFFERS, compared
from chmr_bench.records.predictions import Predictions
from chmr_bench.records.run import IDENTITY_LENGTH, LOOSE, Problem, Stored, file_name, run_name
from chmr_bench.records.schema import Record
from chmr_bench.types import FloatArray

T = TypeVar("T")

COPY = "a copy of a file that was damaged; delete it when you need it no more"
STRAY = "a stray file; it belongs to no runs"
UNPACKED = "a pack that is not compressed, as earlier ones; gzip it to have its runs back"
KINDS = {".jsonl": UNPACKED, ASIDE: COPY}
"""What a file is that is no pack, by the end of its name."""
MOVES = 5
"""How often a run that moves while it is read is looked for again."""


class StoredRuns:
    """The runs of an output folder, to be read; see `RecordStore`."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser()
        self.folder = self.root / "runs"
        self.first = self.root / "records"
        self.temporary = self.folder / ".tmp"
        self.locks = self.folder / ".locks"
        self._packs: dict[Path, tuple[object, Pack]] = {}

    def exists(self) -> bool:
        """Return whether there is a folder of runs."""
        return self.folder.is_dir() or self.first.is_dir()

    def find(self, identity: str) -> Record | None:
        """Return the record of that identity, or None; a good one before a failed one.

        Unreadable runs, and those whose predictions or replicates are damaged, are passed over.
        """
        whole = [run.record for run in self._of(identity) if not run.damage()]
        return next((r for r in whole if r.status == "ok"), whole[0] if whole else None)

    def is_damaged(self, identity: str) -> bool:
        """Return whether there is a record of that identity, but none that is whole."""
        runs = self._of(identity)
        return bool(runs) and all(run.damage() for run in runs)

    def records(self) -> list[Record]:
        """Return every readable record, in the order of dataset, model, split and seed."""
        return [run.record for run in self.stored()]

    def stored(self) -> list[Stored]:
        """Return every readable run; of a loose and a packed one the better."""
        return self._chosen()[0]

    def problems(self) -> list[Problem]:
        """Return what lies in the store and is no run, and loose runs that differ from packed."""
        return self._chosen()[1]

    def of(self, dataset: str, model: str) -> list[Record]:
        """Return the readable records of one model on one dataset."""
        wanted = (file_name(dataset), file_name(model))
        return [run.record for run in self.stored() if run_name(run.content)[:2] == wanted]

    def path_of(self, record: Record) -> Path:
        """Return where a record lies: its folder, or the file of lines; or where it would go."""
        run = self._locate(record)
        return self.loose_path(record.model_dump(mode="json")) if run is None else run.path

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
                f"{self.loose_path(record.model_dump(mode='json'))}: there is no such run"
                if record.predictions
                else "a failed run has no predictions"
            )
        return run

    def _locate(self, record: Record) -> Stored | None:
        """Return the run of a record, the very one where several have its identity."""
        runs = self._of(record.identity)
        if len(runs) < 2:
            return runs[0] if runs else None
        return next((run for run in runs if run.record == record), runs[0])

    def _of(self, identity: str) -> list[Stored]:
        """Return the readable runs of an identity: as a rule none or one."""
        runs: list[Stored] = []
        for folder in (self.folder / LOOSE, self.first):
            for path in sorted(folder.glob(f"*/*/*-{identity[:IDENTITY_LENGTH]}")):
                try:
                    runs.append(loose.read(path))
                except RecordError:
                    continue
        packed = (pack.runs.get(identity) for pack in self.packs() if isinstance(pack, Pack))
        runs += [run for run in packed if run is not None]
        return [run for run in runs if run.identity == identity]

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
                    yield Problem(path, KINDS.get(path.suffix, STRAY))
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
            which = "newer" if other is None else compared(other, entry)
            if which == "newer":
                chosen.append(entry)
                hidden.add(id(other))
                if entry.kind == "version 1":  # a loose run may be newer
                    packed[entry.identity] = entry
            elif which == "differs":
                problems.append(Problem(entry.path, DIFFERS))
        shown = [run for run in chosen if id(run) not in hidden]
        return sorted(shown, key=lambda run: run_name(run.content)), problems

    def loose_path(self, content: dict[str, Any]) -> Path:
        return self.folder.joinpath(LOOSE, *run_name(content))


def _signature(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

"""The store of an output folder: what is read of its runs (`reading`), and writing them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chmr_bench.errors import DiskFullError, RecordError, UsageError, cannot_write, is_full, writing
from chmr_bench.records import loose, packing
from chmr_bench.records.arrays import FILE_NAME, Arrays
from chmr_bench.records.environment import environment
from chmr_bench.records.places import aside, clear_stale, discard
from chmr_bench.records.predictions import Predictions
from chmr_bench.records.reading import StoredRuns
from chmr_bench.records.run import LOOSE, RunContents, Stored, as_text, file_name, sealed
from chmr_bench.records.schema import Metrics, Record, Rescored
from chmr_bench.types import FloatArray


class RecordStore(StoredRuns):
    """The runs of an output folder, to be read and written.

    Parameters
    ----------
    root
        the output folder (``leaderboards`` by default). Reading needs nothing to be there.

    Examples
    --------
    >>> store = RecordStore(Path("leaderboards"))  # doctest: +SKIP
    >>> [record.metrics.macro for record in store.records()]  # doctest: +SKIP
    """

    def check_writable(self) -> None:
        """Raise UsageError where the folder plainly cannot be made or written; make nothing."""
        try:
            place = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        except OSError as error:  # a name that the file system cannot hold
            reason = error.strerror or str(error)
            raise UsageError(f"--out {self.root}: {reason}; choose another folder") from error
        if not place.is_dir():
            raise cannot_write(self.root, f"{place} is a file")
        if not os.access(place, os.W_OK | os.X_OK):
            raise cannot_write(self.root, f"{place} is read-only")

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
        DiskFullError
            its disk is full.
        """
        with writing(self.root):
            self.locks.mkdir(parents=True, exist_ok=True)
            with aside(self.temporary):
                clear_stale(self.temporary)

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
        DiskFullError
            The disk is full.
        """
        made = None
        if predictions is not None and replicates is not None:
            made = Arrays(predictions, replicates)
        whole = RunContents(sealed(record.model_dump(mode="json"), made), made, log)
        try:
            with aside(self.temporary) as temporary:
                loose.write(temporary, whole)
                # Not while a packing has read what stands there, and is about to remove it.
                with packing.locked(self, packing.pack_path(self, whole.content)):
                    return self._move_into_place(temporary, whole.content)
        except OSError as error:
            kind = DiskFullError if is_full(error) else RecordError
            raise kind(
                f"{self.loose_path(whole.content)}: the record cannot be put there: "
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
        arrays = Arrays(run.predictions(), replicates)
        whole = RunContents(sealed(record.model_dump(mode="json"), arrays), arrays, run.log())
        target = self.loose_path(whole.content)
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
        test_only: bool = False,
    ) -> packing.Packing:
        """Move loose runs and those of version 1 into packs; see `packing.pack`."""
        return packing.pack(self, labelled, best=best, test_only=test_only)

    def _move_into_place(self, temporary: Path, content: dict[str, Any]) -> Record:
        target, identity = self.loose_path(content), content["identity"]
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

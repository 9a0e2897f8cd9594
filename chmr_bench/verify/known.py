"""What was verified before, so that only what is new or changed is computed again."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import chmr_bench
from chmr_bench import paths

FILE_NAME = "verified.json"
MOST = 200_000
"""Entries kept; the oldest go first."""
CODE = (
    "audit",
    "contracts",
    "features",
    "metrics.py",
    "records",
    "runner",
    "splits",
    "statistics",
    "verify",
)
"""What a check's outcome depends on; a change in any of them verifies everything again."""
PACKAGES = ("numpy", "scipy", "rdkit", "deepchem")


class Verified:
    """Hashes of what was found to be right, kept in the user's cache folder.

    Each is made of things that are hashes themselves (a record's seal covers its predictions), and
    of the code that checked them.

    Parameters
    ----------
    beside :
        Folder of records that may bring such a list of its own; None = none does.
    afresh :
        Nothing counts as known, and what is verified now is remembered all the same.
    """

    def __init__(self, beside: Path | None = None, *, afresh: bool = False) -> None:
        self.path, self.afresh = paths.home() / FILE_NAME, afresh
        self._new: dict[str, None] = {}
        self._old = _read(self.path)
        self._brought = _read(beside / FILE_NAME) if beside else {}

    def has(self, *parts: str) -> bool:
        """Return whether these were verified together."""
        key = self._key(parts)
        if not self.afresh and (key in self._old or key in self._brought):
            self._new[key] = None
        return not self.afresh and key in self._new

    def add(self, *parts: str) -> None:
        """Remember that these were verified together."""
        self._new[self._key(parts)] = None

    def save(self) -> None:
        """Write what is known; a folder that cannot be written is no error."""
        old = {key: None for key in self._old if key not in self._new}
        paths.keep(self.path, json.dumps([*old, *self._new][-MOST:]))

    def keep(self, folder: Path) -> Path:
        """Write what was verified now into a folder of records, for others; return the file."""
        path = folder / FILE_NAME
        paths.write_whole(path, f"{json.dumps(sorted(self._new), indent=0)}\n".encode())
        return path

    def _key(self, parts: tuple[str, ...]) -> str:
        return hashlib.sha256("\n".join((self._code, *parts)).encode()).hexdigest()[:32]

    @cached_property
    def _code(self) -> str:
        """Return the hash of the code, and of the packages that make the numbers."""
        root = Path(chmr_bench.__file__).parent
        h = hashlib.sha256(" ".join(version(name) for name in PACKAGES).encode())
        for name in CODE:
            place = root / name
            for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
                h.update(file.read_bytes())
        return h.hexdigest()


def _read(path: Path) -> dict[str, None]:
    """Return the hashes of a file; none where there is no such file, or it holds something else."""
    try:
        return dict.fromkeys(str(key) for key in json.loads(paths.read_bytes(path)))
    except (OSError, ValueError, TypeError):
        return {}

"""What was verified before, so that only what is new or changed is computed again."""

from __future__ import annotations

import hashlib
import json
import secrets
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
PACKAGES = ("numpy", "scipy", "rdkit")


class Verified:
    """Hashes of what was found to be right, kept in the user's cache folder.

    Each is made of things that are hashes themselves (a record's seal covers its predictions), and
    of the code that checked them.
    """

    def __init__(self) -> None:
        self.path = paths.home() / FILE_NAME
        self._new: dict[str, None] = {}
        try:
            keys = json.loads(paths.read_bytes(self.path))
            self._old = dict.fromkeys(str(key) for key in keys)
        except (OSError, ValueError, TypeError):
            self._old = {}

    def has(self, *parts: str) -> bool:
        """Return whether these were verified together."""
        key = self._key(parts)
        if key in self._old:
            self._new[key] = None
        return key in self._new

    def add(self, *parts: str) -> None:
        """Remember that these were verified together."""
        self._new[self._key(parts)] = None

    def save(self) -> None:
        """Write what is known; a folder that cannot be written is no error."""
        old = {key: None for key in self._old if key not in self._new}
        keys = [*old, *self._new][-MOST:]
        temporary = self.path.with_name(f".{FILE_NAME}.{secrets.token_hex(4)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(keys), encoding="utf-8")
            temporary.replace(self.path)
        except OSError:
            temporary.unlink(missing_ok=True)

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

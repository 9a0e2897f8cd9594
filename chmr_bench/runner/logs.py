"""What a run says while it works."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chmr_bench.worker import short_path

LOGGER = logging.getLogger("chmr_bench")
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def captured(stream: io.TextIOBase | None = None) -> Iterator[io.StringIO]:
    """Collect the log lines of chmr_bench and Python's warnings while the block runs."""
    kept = io.StringIO()
    handler = logging.StreamHandler(stream or kept)
    handler.setFormatter(logging.Formatter(LINE))
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _log_warning
            yield kept
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(handler)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    place = f"{short_path(filename)}:{lineno}"
    LOGGER.getChild("warnings").warning("%s: %s (%s)", category.__name__, message, place)


def short_message(error: BaseException) -> str:
    """Return an error's message with the user's home folder as ``~``."""
    message = encodable(str(error))
    return message.replace(str(Path.home()), "~") if Path.home() != Path("/") else message


def encodable(text: str) -> str:
    r"""Return the text with escapes for what no file can hold: lone surrogates.

    Examples
    --------
    >>> encodable("caf\u00e9 \udcff") == "caf\u00e9 \\udcff"
    True
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

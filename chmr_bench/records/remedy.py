"""What to do about a run whose numbers are damaged."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def remedy(content: Mapping[str, Any], out: str | Path = "DIR") -> str:
    """Return the advice to run again what made a record, with the names that it knows.

    Parameters
    ----------
    content
        the record, as JSON.
    out
        the output folder, where it may be named: pages for others hold no paths.
    """
    dataset = content["dataset"]
    origin = dataset.get("origin") or {}
    name = origin.get("file") or dataset["name"]
    words = ["--model", content["model"]["id"], "--dataset", name, "--out", out]
    if origin.get("file"):
        words += ["--smiles", origin["smiles"]]
        words += [word for task in origin["tasks"] for word in ("--tasks", task)]
    for key, value in content["model"]["overrides"].items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    split = content["split"]
    given = {"--split": split["name"], "--split-seed": split["seed"], "--seed": content["seed"]}
    for option, value in given.items():
        if value not in (None, 0, "reference"):
            words += [option, value]
    command = shlex.join(["chmr-bench", "run", *map(str, words)])
    return f"run the command that made it, for instance {command}"

"""The other side of `chmr_bench.interpreters.remote`: runs a model in an interpreter of its own.

It is run there as a script and imports nothing of chmr-bench, which need not be installed: the
standard library, numpy and pyarrow.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MESSAGE_CHARS = 2000
FRAMES = 8


class ServedInputs:
    """Molecules as a model sees them: what `chmr_bench.Inputs` offers, but for graphs."""

    def __init__(self, table: Any) -> None:
        self.smiles = tuple(table["smiles"].to_pylist())
        names = table.column_names
        self.keys = tuple(table["keys"].to_pylist()) if "keys" in names else ()
        self.blocks = {
            name.partition(":")[2]: SimpleNamespace(
                values=matrix_of(table[name]),
                observed=matrix_of(table["observed:" + name.partition(":")[2]]),
            )
            for name in names
            if name.startswith("values:")
        }

    def __len__(self) -> int:
        return len(self.smiles)

    def matrix(self, name: str) -> Any:
        """Return the block called `name`, with `values` and `observed`."""
        return self.blocks[name]


def matrix_of(column: Any) -> Any:
    """Return a column as an array: (n, d) where it holds lists, else (n,)."""
    column = column.combine_chunks()
    if not hasattr(column.type, "list_size"):
        return column.to_numpy(zero_copy_only=False)
    values = column.values.to_numpy(zero_copy_only=False)
    return values.reshape(-1, column.type.list_size)


def read(path: str) -> tuple[ServedInputs, Any]:
    """Return the molecules of an Arrow file and their labels, None where there are none."""
    import pyarrow as pa

    with pa.OSFile(path) as file:
        table = pa.ipc.open_file(file).read_all()
    return ServedInputs(table), matrix_of(table["y"]) if "y" in table.column_names else None


def load_class(factory: str, package: str) -> Any:
    """Return the class ``"module:name"`` of the package whose file lies at `package`.

    The folder it lies in is not searched: the packages beside it are those of another interpreter.
    """
    module, _, name = factory.partition(":")
    top, folder = module.partition(".")[0], Path(package)
    places = [str(folder.parent)] if folder.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(top, package, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise ImportError(f"{package} is no Python module")
    sys.modules[top] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[top])
    return getattr(importlib.import_module(module), name)


class SaidLines(logging.Handler):
    """Passes on log lines."""

    def __init__(self, say: Callable[..., None]) -> None:
        super().__init__()
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one on."""
        self.say("log", record.levelno, record.getMessage())


def fit(call: dict[str, Any], say: Callable[..., None]) -> Any:
    """Return the model, fitted."""
    import numpy as np

    log = logging.getLogger("model")
    log.setLevel(logging.INFO)
    log.handlers, log.propagate = [SaidLines(say)], False
    names = ("seed", "n_jobs", "device", "precision")
    context = SimpleNamespace(
        tasks=SimpleNamespace(
            task_type=call["task_type"],
            task_names=tuple(call["task_names"]),
            metric=call["metric"],
        ),
        weights=None if call["weights"] is None else Path(call["weights"]),
        progress=lambda done, total, unit: say("progress", int(done), int(total), str(unit)),
        log=log,
        **{name: call[name] for name in names},
    )
    random.seed(call["seed"])
    np.random.seed(call["seed"])  # noqa: NPY002 - for models that forget to use their own
    model = load_class(call["factory"], call["package"])(SimpleNamespace(**call["settings"]))
    model.fit(*read(call["train"]), *read(call["valid"]), context)
    return model


def predict(model: Any, call: dict[str, Any]) -> None:
    """Write the predictions of the molecules that the call names."""
    import numpy as np
    import pyarrow as pa

    y_pred = np.asarray(model.predict(read(call["inputs"])[0]))
    if y_pred.ndim != 2 or y_pred.dtype.kind not in "fiu":
        raise TypeError(f"predict gave {y_pred.dtype} of shape {y_pred.shape}, expected (n, t)")
    flat = pa.array(np.ascontiguousarray(y_pred, dtype=np.float64).reshape(-1))
    table = pa.table({"y_pred": pa.FixedSizeListArray.from_arrays(flat, y_pred.shape[1])})
    with pa.OSFile(call["y_pred"], "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def main() -> None:
    """Answer the calls on standard input until it ends; what is printed goes to standard error."""
    sys.path.pop(0)  # this script's folder
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def say(*words: Any) -> None:
        answers.write(json.dumps(words) + "\n")

    model = None
    for line in sys.stdin:
        call = json.loads(line)
        try:
            if call["do"] == "fit":
                model = fit(call, say)
            else:
                predict(model, call)
            say("done")
        except BaseException as error:  # noqa: BLE001 - a stranger's code may raise anything
            trace = "".join(traceback.format_tb(error.__traceback__)[-FRAMES:])
            say("raised", type(error).__name__, str(error)[:MESSAGE_CHARS], trace)
    sys.stderr.flush()
    os._exit(0)  # whatever threads the model left


if __name__ == "__main__":
    main()

"""A model that is fitted, and predicts, in an interpreter of its own.

The other side is `serve_model.py`. A call is a line of JSON to its standard input; molecules,
blocks, labels and predictions lie in Arrow files. It answers in lines of JSON: ``log`` and
``progress`` while it works, then ``done`` or ``raised``. docs/models.md tells the whole of it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.contracts import FitContext, Inputs, MatrixBlock, ModelSpec
from chmr_bench.errors import DataError, PluginError, WorkerDiedError
from chmr_bench.interpreters.environment import interpreter_of
from chmr_bench.lazy import load_object
from chmr_bench.types import BoolArray, FloatArray

SERVER = Path(__file__).with_name("serve_model.py")
END_SECONDS = 5.0
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def builder_of(spec: ModelSpec) -> Callable[[Any], Any]:
    """Return what makes a model of its settings: its class, or a stand-in for one elsewhere."""
    return partial(RemoteModel, spec) if spec.python else load_object(spec.factory)


class RemoteModel:
    """Stands for a model whose `fit` and `predict` run in the interpreter that its spec names.

    One process serves both; it ends with `close`, with this object, or with this process. What the
    model needs is asked of its own class, in this interpreter.

    Parameters
    ----------
    spec : ModelSpec
        With `python`.
    config : Any
        Its settings, which arrive there as plain attributes.
    """

    def __init__(self, spec: ModelSpec, config: Any) -> None:
        self.spec, self.config = spec, config

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit it there."""
        self._context = context
        self._start()
        with tempfile.TemporaryDirectory(prefix="chmr-bench-") as folder:
            parts = {"train": (train, y_train), "valid": (valid, y_valid)}
            paths = {name: str(Path(folder, f"{name}.arrow")) for name in parts}
            for name, (inputs, y) in parts.items():
                write_inputs(paths[name], inputs, y)
            self._call("fit", **paths, **self._words())

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return what it predicts there, (n, t)."""
        with tempfile.TemporaryDirectory(prefix="chmr-bench-") as folder:
            asked, answer = Path(folder, "inputs.arrow"), Path(folder, "y_pred.arrow")
            write_inputs(str(asked), inputs)
            self._call("predict", inputs=str(asked), y_pred=str(answer))
            return _read_matrix(answer)

    def close(self) -> None:
        """End its process."""
        if hasattr(self, "_finalizer"):
            self._finalizer()

    def _start(self) -> None:
        self.close()
        interpreter = interpreter_of(self.spec)
        self._context.log.info("interpreter: Python %s, %s", interpreter.python, interpreter.digest)
        self._context.log.info("its packages: %s", " ".join(interpreter.packages))
        self._process = subprocess.Popen(
            [interpreter.path, "-E", str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | dict.fromkeys(THREADS, str(self._context.n_jobs)),
        )
        self._finalizer = weakref.finalize(self, _end, self._process)

    def _words(self) -> dict[str, Any]:
        """Return what `fit` gets beside the molecules."""
        context, tasks = self._context, self._context.tasks
        package = self.spec.factory.partition(":")[0].partition(".")[0]
        module = importlib.util.find_spec(package)
        if module is None or module.origin is None:
            raise PluginError(f"model {self.spec.name!r}: no package {package!r} is found")
        return {
            "factory": self.spec.factory,
            "package": module.origin,
            "settings": self.config.model_dump(mode="json"),
            "task_type": tasks.task_type,
            "task_names": list(tasks.task_names),
            "metric": tasks.metric,
            "seed": context.seed,
            "n_jobs": context.n_jobs,
            "device": context.device,
            "precision": context.precision,
            "weights": None if context.weights is None else str(context.weights),
        }

    def _call(self, do: str, **words: Any) -> None:
        """Ask for something, pass on what is said, and return when it is done."""
        pipe_in: Any = self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended: seen below
            pipe_in.write(json.dumps({"do": do, **words}) + "\n")
            pipe_in.flush()
        for line in self._process.stdout or ():
            said, *values = json.loads(line)
            if said == "done":
                return
            if said == "progress":
                self._context.progress(*values)
            elif said == "log":
                self._context.log.log(*values)
            elif said == "raised":
                error = PluginError(f"{values[0]}: {values[1]}{self._way(values[0])}")
                error.trace = values[2]
                raise error
        code = self._process.wait()
        raise WorkerDiedError(
            f"the interpreter of model {self.spec.name!r} ended with code {code} in {do}, "
            "without a result; its log says more"
        )

    def _way(self, kind: str) -> str:
        """Return what to do about an error of that type, where that is known."""
        if kind != "ModuleNotFoundError":
            return ""
        path = interpreter_of(self.spec).path
        name = path if path == self.spec.python else f"{self.spec.python}, {path}"
        return (
            f" in the interpreter of model {self.spec.name!r} ({name}): install it there, or move "
            f"the import out of what {self.spec.factory.partition(':')[0]} imports; settings "
            "(pydantic) and hooks stand in modules of their own"
        )


def _end(process: subprocess.Popen[str]) -> None:
    """End a process: at the end of its input it leaves by itself."""
    with contextlib.suppress(OSError):
        if process.stdin:
            process.stdin.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def write_inputs(path: str, inputs: Inputs, y: FloatArray | None = None) -> None:
    """Write molecules, their matrices and labels, if any, as an Arrow file.

    Its columns are ``smiles``; for each block ``values:NAME`` and ``observed:NAME``, lists of d
    numbers, or one truth value a molecule; and ``y``, lists of t numbers, NaN = not measured.

    Raises
    ------
    DataError
        A block holds graphs, which the protocol does not know.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {"smiles": pa.array(inputs.smiles, pa.string())}
    if inputs.keys:
        columns["keys"] = pa.array(inputs.keys, pa.string())
    for name, block in inputs.blocks.items():
        if not isinstance(block, MatrixBlock):
            raise DataError(
                f"block {name!r} holds graphs; a model with an interpreter of its own is given "
                "matrices and SMILES: make the graphs there"
            )
        columns[f"values:{name}"] = _lists(block.dense())
        seen = block.observed
        columns[f"observed:{name}"] = _lists(seen) if block.in_part else pa.array(seen)
    if y is not None:
        columns["y"] = _lists(y)
    table = pa.table(columns)
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _lists(matrix: FloatArray | BoolArray) -> Any:
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def _read_matrix(path: Path) -> FloatArray:
    """Return the predictions that the other side wrote, (n, t) float64."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        column = pa.ipc.open_file(file).read_all()["y_pred"].combine_chunks()
    values = column.values.to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    return np.array(values, dtype=np.float64)

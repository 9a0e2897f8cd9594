"""What registering a plugin may and may not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from chmr_bench.errors import PluginError

HEAVY_MODULES = (
    "deepchem",
    "lightgbm",
    "matplotlib",
    "numba",
    "pandas",
    "pyarrow",
    "rdkit",
    "scipy.stats",
    "sklearn",
    "torch",
    "torch_geometric",
    "xgboost",
)
"""What neither ``--help`` nor ``list`` nor importing a plugin's module may import."""

_PROBE = """
import importlib, sys
importlib.import_module(sys.argv[1])
sys.stdout.write("\\n".join(m for m in sys.argv[2:] if m in sys.modules))
"""


def check_registration(module: str) -> None:
    """Check that a plugin's module imports, and imports nothing heavy.

    Parameters
    ----------
    module :
        What the plugin's entry point names, for instance ``"my_package.plugin"``.

    Raises
    ------
    PluginError
        The module does not import in a fresh interpreter, or it imports one of
        `HEAVY_MODULES`.
    """
    import_path = os.pathsep.join(str(Path(p or ".").resolve()) for p in sys.path)
    result = subprocess.run(
        [sys.executable, "-c", _PROBE, module, *HEAVY_MODULES],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": import_path},
    )
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise PluginError(f"plugin module {module!r} does not import: {reason}")
    heavy = result.stdout.split()
    if heavy:
        raise PluginError(
            f"importing the plugin module {module!r} imports {', '.join(heavy)}, which every "
            "'chmr-bench --help' would wait for; name classes as 'module:Class' strings and import "
            "heavy packages in the modules that those strings name"
        )

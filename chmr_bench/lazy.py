"""Name an object as ``"module:name"``; import it only when it is used."""

from __future__ import annotations

import importlib
from typing import Any

from chmr_bench import probes
from chmr_bench.errors import PluginError

SHARED_OBJECT = ": cannot open shared object file"
"""What Linux says of a library that an extension module needs and the system does not have."""


def load_object(path: str) -> Any:
    """Return the object named ``"module:name"``.

    Raises
    ------
    PluginError
        The path is malformed, the module does not import or would end or hang this process, or it
        has no such name.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise PluginError(f"{path!r} is not of the form 'module:name'")
    if probes.is_foreign(module_name):
        try:
            probes.check_module(module_name, seconds=probes.MODULE_SECONDS)
        except PluginError as error:
            raise PluginError(f"{path!r}: {error}") from error
    try:
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except ImportError as error:
        raise PluginError(f"{path!r}: importing {module_name} failed: {_reason(error)}") from error
    except BaseException as error:  # a plugin's module may raise anything
        kind = type(error).__name__
        raise PluginError(f"{path!r}: importing {module_name} failed: {kind}: {error}") from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise PluginError(f"{path!r}: module {module_name} has no {name!r}") from error


def _reason(error: ImportError) -> str:
    """Return what an import lacked; of a library of the system, who installs it."""
    library, found, _ = str(error).partition(SHARED_OBJECT)
    if not found:
        return str(error)
    return (
        f"{error}. {library} is a library of the system: install it with the system's package "
        "manager (libXrender.so.1, which drawings need, is in Debian's and Ubuntu's libxrender1)"
    )

"""A model's settings: defaults, recipe, variant and the command line, laid over each other."""

from __future__ import annotations

import importlib.util
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chmr_bench import foreign
from chmr_bench.contracts import ModelSpec
from chmr_bench.data.requests import whole_name
from chmr_bench.errors import (
    MissingDependencyError,
    PluginError,
    SettingError,
    UnknownNameError,
)
from chmr_bench.interpreters.environment import interpreter_of, missing_there
from chmr_bench.lazy import load_object

if TYPE_CHECKING:
    from pydantic import BaseModel


def missing_modules(spec: ModelSpec) -> list[str]:
    """Return the modules the model needs that are not installed, where it runs."""
    if spec.python:
        try:
            return missing_there(spec)
        except MissingDependencyError:
            return [spec.python]
    return [m for m in spec.requires if importlib.util.find_spec(m) is None]


def require(spec: ModelSpec) -> None:
    """Raise MissingDependencyError where a package that the model needs is not installed."""
    if spec.python:
        interpreter_of(spec)  # says what is wrong with it
    missing = missing_modules(spec)
    if missing:
        how = f"pip install 'chmr-bench[{spec.extra}]'" if spec.extra else "install it"
        how = f"install it in the environment of {spec.python}" if spec.python else how
        raise MissingDependencyError(
            f"model {spec.name!r} needs {', '.join(missing)}, which is not installed: {how}"
        )


def parse_value(text: str) -> Any:
    """Return a command-line value: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {"True": True, "False": False, "None": None}.get(text, text)


LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type")
"""What pydantic calls the errors of something that is no list."""
EVERY: Mapping[str, Any] = MappingProxyType({"every": True})
"""Context of a dump of settings that holds those too which count only where they are changed."""


def build_config(spec: ModelSpec, overrides: Mapping[str, Any], dataset: str = "") -> BaseModel:
    """Return the model's settings for one dataset, as its pydantic config.

    Later wins: the config's defaults, the recipe's ``[settings]``, the recipe's
    ``[dataset.NAME]``, the variant's preset, `overrides`.

    Raises
    ------
    UnknownNameError
        a setting that the config does not have; the nearest is offered.
    SettingError
        a value that does not fit.
    PluginError
        The recipe or the preset itself is wrong, or another's config class ends its process.
    """
    load_object(spec.config)  # says what is wrong with its module, before a worker imports it
    config: BaseModel = foreign.call(
        spec.config,
        *(spec, dict(overrides), dataset),
        by=f"{__name__}:built",
        seconds=foreign.QUICK_SECONDS,
    )
    return config


def built(spec: ModelSpec, overrides: Mapping[str, Any], dataset: str) -> BaseModel:
    """Return what `build_config` does, computed in this process."""
    config_class = load_object(spec.config)
    known = set(config_class.model_fields)
    for name in overrides:
        if name not in known:
            raise UnknownNameError("setting", name, known, f"(model {spec.name!r})")
    base = {**_recipe(spec, dataset), **spec.preset}
    stray = sorted(set(base) - known)
    if stray:
        raise PluginError(f"model {spec.name!r}: its recipe or preset sets unknown {stray}")
    return _validate(config_class, {**base, **overrides}, spec.name)


def _recipe(spec: ModelSpec, dataset: str) -> dict[str, Any]:
    if not spec.recipe:
        return {}
    path = Path(spec.recipe)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PluginError(f"model {spec.name!r}: recipe {path.name}: {error}") from error
    return {**table.get("settings", {}), **table.get("dataset", {}).get(whole_name(dataset), {})}


def _validate(config_class: Any, values: Mapping[str, Any], model: str) -> BaseModel:
    from pydantic import ValidationError

    try:
        config: BaseModel = config_class.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors()
        inner = {e["loc"][:i] for e in found for i in range(1, len(e["loc"]))}
        lines = [
            f"{'.'.join(map(str, e['loc'])) or 'settings'}={e['input']!r}: {e['msg']}{_way(e)}"
            for e in found
            if e["loc"] not in inner  # a wrong item leaves a list too short, which says nothing
        ]
        raise SettingError(f"model {model!r}: " + "; ".join(lines)) from error
    config.model_dump(mode="json")  # its own serializers run here first
    for name, value in config.model_dump().items():
        if any(isinstance(v, float) and not math.isfinite(v) for v in _leaves(value)):
            raise SettingError(f"model {model!r}: {name}={value!r}: expected finite numbers")
    return config


def _way(error: Mapping[str, Any]) -> str:
    """Return how a list is written, where one was expected and a text given."""
    name, given = ".".join(map(str, error["loc"])), error["input"]
    if error["type"] not in LISTS or not isinstance(given, str):
        return ""
    items = [part.strip() for part in given.split(",")]
    try:
        written = json.dumps([json.loads(item) for item in items])
    except ValueError:
        written = json.dumps(items)
    return f", as JSON: --set '{name}={written}'"


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    else:
        yield value

"""Find plugins, turn a name into a spec, and survive a broken one.

Every plugin, ours included, is a module named in the entry-point group ``chmr_bench.v1``. Each is
imported, checked and called in a ``try`` of its own, with a plugin manager of its own: whatever one
does wrong is written down beside its name and version, and the others never notice.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from chmr_bench import hookspecs
from chmr_bench.contracts import AtlasSpec, DatasetSpec, FeatureSpec, ModelSpec
from chmr_bench.errors import PluginError, UnknownNameError, nearest
from chmr_bench.metrics import METRICS
from chmr_bench.probes import check_plugin, note_foreign
from chmr_bench.streams import stdout_to_stderr
from chmr_bench.surroundings import Surroundings

Spec = TypeVar("Spec", ModelSpec, DatasetSpec, FeatureSpec, AtlasSpec)

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_+-]*(\.[a-z0-9][a-z0-9_+-]*)*")
NAME_LENGTH = 80
OBJECT_PATTERN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
REQUIRED_OBJECTS = ("factory", "config", "load", "compute")
OPTIONAL_OBJECTS = ("split_rule", "ceilings", "details", "weights", "explain", "match")
SPLITS = ("reference", "scaffold", "strict", "random", "cv5x5")
"""Those of `splits.methods`, which is not imported: every ``chmr-bench --help`` checks specs."""
DEEPCHEM_SPLITS = "deepchem:"
OURS = "chmr-bench"
HOOK_PREFIX = "chmr_bench_"
IMPL_MARK = f"{hookspecs.PROJECT}_impl"


@dataclass(frozen=True)
class PluginInfo:
    """One entry point: who it is, and what is wrong with it (``error`` is "" where nothing is)."""

    name: str
    distribution: str
    version: str
    module: str
    error: str = ""


@dataclass(frozen=True)
class Registered(Generic[Spec]):
    """A spec and the plugin that registered it."""

    spec: Spec
    plugin: PluginInfo


@dataclass
class Registry:
    """Everything that is registered, by name."""

    models: dict[str, Registered[ModelSpec]] = field(default_factory=dict)
    datasets: dict[str, Registered[DatasetSpec]] = field(default_factory=dict)
    features: dict[str, Registered[FeatureSpec]] = field(default_factory=dict)
    atlases: dict[str, Registered[AtlasSpec]] = field(default_factory=dict)
    plugins: tuple[PluginInfo, ...] = ()

    def model(self, name: str) -> Registered[ModelSpec]:
        """Return the model of that name, or raise UnknownNameError."""
        return _look_up("model", name, self.models, self.broken)

    def dataset(self, name: str) -> Registered[DatasetSpec]:
        """Return the dataset of that name, or raise UnknownNameError."""
        return _look_up("dataset", name, self.datasets, self.broken)

    def feature(self, name: str) -> Registered[FeatureSpec]:
        """Return the feature of that name, or raise UnknownNameError."""
        return _look_up("feature", name, self.features, self.broken)

    def atlas(self, name: str) -> Registered[AtlasSpec]:
        """Return the atlas of that name, or raise UnknownNameError."""
        return _look_up("atlas", name, self.atlases, self.broken)

    @property
    def broken(self) -> list[PluginInfo]:
        """Plugins that could not be used."""
        return [p for p in self.plugins if p.error]

    @property
    def suites(self) -> dict[str, list[str]]:
        """Suite -> its datasets, in the order of registration."""
        members: dict[str, list[str]] = {}
        for name, registered in self.datasets.items():
            for suite in registered.spec.suites:
                members.setdefault(suite, []).append(name)
        return members

    def suite(self, name: str) -> list[str]:
        """Return the datasets of the suite of that name, or raise UnknownNameError."""
        suites = self.suites
        if name not in suites:
            raise UnknownNameError("suite", name, suites)
        return suites[name]


def _look_up(
    kind: str,
    name: str,
    table: Mapping[str, Registered[Spec]],
    broken: Sequence[PluginInfo],
) -> Registered[Spec]:
    if name in table:
        return table[name]
    hint = ""
    if broken:
        names = ", ".join(p.name for p in broken)
        hint = f"(plugins that could not be loaded: {names}; see 'chmr-bench list plugins')"
    raise UnknownNameError(kind, name, table, hint)


_known: list[Registry] = []
_making = threading.RLock()


def use_registry(known: Registry) -> None:
    """Make `registry` return this one from now on: a worker that of its caller."""
    _known[:] = [known]


def forget_registry() -> None:
    """Make `registry` look for plugins anew."""
    _known.clear()


def registry() -> Registry:
    """Return the registry of this installation; made once a process."""
    with _making:
        if not _known:
            found = metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP)
            _known.append(build_registry(found))
        return _known[0]


def build_registry(entry_points: Iterable[metadata.EntryPoint]) -> Registry:
    """Load every entry point into a fresh registry; broken ones are noted, never raised."""
    result = Registry()
    infos: list[PluginInfo] = []
    for entry_point in sorted(_unique(entry_points), key=_own_first):
        info = _info(entry_point)
        try:
            with stdout_to_stderr():  # what it prints is none of our output
                ours = info.distribution == OURS
                _add(result, (_offer if ours else _tried_offer)(result, info, entry_point))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
            info = PluginInfo(
                info.name, info.distribution, info.version, info.module, _describe(error)
            )
        infos.append(info)
    result.plugins = tuple(infos)
    note_foreign(_packages(result))
    return result


def _unique(entry_points: Iterable[metadata.EntryPoint]) -> list[metadata.EntryPoint]:
    """Drop entry points seen twice, as an editable install beside a wheel gives them."""
    return list({(e.name, e.value): e for e in entry_points}.values())


def _own_first(entry_point: metadata.EntryPoint) -> tuple[bool, bool, str, str]:
    """Ours before others', so a stranger cannot take a built-in name away.

    Datasets come in the order of our own list: the nine first.
    """
    ours = _info(entry_point).distribution == OURS
    return (not ours, entry_point.name != "nine", entry_point.name, entry_point.value)


def _info(entry_point: metadata.EntryPoint) -> PluginInfo:
    return PluginInfo(entry_point.name, *_name_and_version(entry_point.dist), entry_point.value)


@functools.cache
def _name_and_version(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Return what a distribution calls itself; each reading parses its whole description."""
    if distribution is None:
        return "unknown", "unknown"
    fields = distribution.metadata
    return fields["Name"], fields["Version"]


def _describe(error: BaseException) -> str:
    if isinstance(error, PluginError):
        return str(error)
    return f"{type(error).__name__}: {error}"


# --------------------------------------------------------------------------------------- one plugin


def _add(target: Registry, offer: Registry) -> None:
    target.models |= offer.models
    target.datasets |= offer.datasets
    target.features |= offer.features
    target.atlases |= offer.atlases


def _tried_offer(known: Registry, info: PluginInfo, entry_point: metadata.EntryPoint) -> Registry:
    """Return what another's plugin offers; PluginError where it changes what others rely on."""
    check_plugin(entry_point, IMPL_MARK)
    before, process = Surroundings.now(), os.getpid()
    try:
        offer = _offer(known, info, entry_point)
    finally:
        if os.getpid() != process:  # it has forked, and this is the copy
            os._exit(0)
        changed = before.restored()
    if changed:
        raise PluginError(f"it changes {', '.join(changed)}, which others rely on")
    return offer


def _offer(known: Registry, info: PluginInfo, entry_point: metadata.EntryPoint) -> Registry:
    """Import and check one plugin, and return what it offers beside what is known."""
    plugin = entry_point.load()
    if not isinstance(plugin, ModuleType):
        raise PluginError(
            f"the entry point {info.name!r} names {plugin!r}; expected a module with hooks"
        )
    _check_hook_names(plugin)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=info.name)
    manager.check_pending()
    return Registry(
        _collect(manager.hook.chmr_bench_models, ModelSpec, known.models, info),
        _collect(manager.hook.chmr_bench_datasets, DatasetSpec, known.datasets, info),
        _collect(manager.hook.chmr_bench_features, FeatureSpec, known.features, info),
        _collect(manager.hook.chmr_bench_atlases, AtlasSpec, known.atlases, info),
    )


def _packages(known: Registry) -> set[str]:
    """Return the packages that the specs of others' plugins name, without ours."""
    named: dict[bool, set[str]] = {True: {hookspecs.PROJECT}, False: set()}
    tables = (known.models, known.datasets, known.features, known.atlases)
    for one in (one for table in tables for one in table.values()):
        paths = (getattr(one.spec, name, "") for name in (*REQUIRED_OBJECTS, *OPTIONAL_OBJECTS))
        packages = {path.partition(":")[0].partition(".")[0] for path in paths}
        named[one.plugin.distribution == OURS] |= packages - {""}
    return named[False] - named[True]


def _check_hook_names(plugin: ModuleType) -> None:
    """Raise PluginError for a misspelt hook, or a hook without its marker."""
    known = {n for n in vars(hookspecs) if n.startswith(HOOK_PREFIX)}
    marked = {n for n, v in vars(plugin).items() if hasattr(v, IMPL_MARK)}
    named = {n for n, v in vars(plugin).items() if n.startswith(HOOK_PREFIX) and callable(v)}
    for name in sorted(marked | named):
        if name not in known:
            close = nearest(name, known)
            hint = f"; did you mean {close[0]!r}?" if close else f"; hooks are {sorted(known)}"
            raise PluginError(f"there is no hook called {name!r}{hint}")
        if name not in marked:
            raise PluginError(f"{name!r} lacks the @chmr_bench.hookimpl marker")
    if not marked:
        raise PluginError(f"it implements no hook; hooks are {sorted(known)}")


def _collect(
    hook: Callable[[], list[Any]],
    kind: type[Spec],
    taken: Mapping[str, Registered[Spec]],
    info: PluginInfo,
) -> dict[str, Registered[Spec]]:
    """Return the specs a plugin's hook gives, checked, by name."""
    registered: dict[str, Registered[Spec]] = {}
    for specs in hook():
        for spec in specs:
            _check_spec(spec, kind)
            other = taken.get(spec.name) or registered.get(spec.name)
            if other is not None:
                owner = f"{other.plugin.name} ({other.plugin.distribution})"
                raise PluginError(
                    f"{kind.__name__} {spec.name!r} is registered already by {owner}; "
                    "choose another name"
                )
            registered[spec.name] = Registered(spec, info)
    return registered


def _check_spec(spec: Any, kind: type[Spec]) -> None:
    if not isinstance(spec, kind):
        raise PluginError(f"a hook gave {spec!r}; expected {kind.__name__}")
    if not isinstance(spec.name, str) or not NAME_PATTERN.fullmatch(spec.name):
        raise PluginError(
            f"{kind.__name__} name {spec.name!r} is not of the form 'method' or 'method.variant' "
            "(lower-case letters, digits, - and _)"
        )
    if len(spec.name) > NAME_LENGTH:
        raise PluginError(
            f"{kind.__name__} name {spec.name[:20]!r}... has {len(spec.name)} characters; "
            f"expected at most {NAME_LENGTH}: folders are called by it"
        )
    if not spec.title:
        raise PluginError(f"{kind.__name__} {spec.name!r} has no title")
    for field_name in (*REQUIRED_OBJECTS, *OPTIONAL_OBJECTS):
        path = getattr(spec, field_name, "")
        required = field_name in REQUIRED_OBJECTS and hasattr(spec, field_name)
        if (path or required) and not (isinstance(path, str) and OBJECT_PATTERN.fullmatch(path)):
            raise PluginError(
                f"{kind.__name__} {spec.name!r}: {field_name}={path!r} is not 'module:name'"
            )
    if isinstance(spec, DatasetSpec):
        _check_dataset_spec(spec)


def _check_dataset_spec(spec: DatasetSpec) -> None:
    if not spec.task_names or len(set(spec.task_names)) != len(spec.task_names):
        raise PluginError(f"DatasetSpec {spec.name!r}: task names must be there and differ")
    if spec.task_type not in ("classification", "regression"):
        raise PluginError(
            f"DatasetSpec {spec.name!r}: task_type {spec.task_type!r} is neither "
            "'classification' nor 'regression'"
        )
    suited = [name for name, metric in METRICS.items() if metric.task_type == spec.task_type]
    if spec.metric not in suited:
        raise PluginError(
            f"DatasetSpec {spec.name!r}: metric {spec.metric!r} is none of {spec.task_type}; "
            f"expected {' or '.join(suited)}"
        )
    if spec.split not in SPLITS and not spec.split.startswith(DEEPCHEM_SPLITS):
        raise PluginError(
            f"DatasetSpec {spec.name!r}: no split method is called {spec.split!r}; a published "
            f"split, which split_rule gives, is 'reference', the others are "
            f"{', '.join(SPLITS[1:])} and {DEEPCHEM_SPLITS}NAME"
        )
    if any(spec.split_sizes) and sum(spec.split_sizes) != spec.n_molecules:
        raise PluginError(
            f"DatasetSpec {spec.name!r}: split sizes {spec.split_sizes} do not add up to "
            f"{spec.n_molecules} molecules"
        )

"""What ``chmr-bench list`` and ``show`` say of datasets, models, atlases, features and plugins."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chmr_bench import foreign
from chmr_bench.contracts import (
    AtlasSpec,
    DatasetSpec,
    FeatureSpec,
    ModelSpec,
    ReadOuts,
    SourceFile,
)
from chmr_bench.plugins import PluginInfo, Registered, registry


def _entry(registered: Registered[Any], *names: str) -> dict[str, Any]:
    """Return fields of a spec, lists where it has tuples, and the plugin it is of."""
    values = {name: getattr(registered.spec, name) for name in names}
    listed = {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}
    return listed | {"plugin": registered.plugin.name}


def dataset_entry(registered: Registered[DatasetSpec]) -> dict[str, Any]:
    """Return what ``list datasets --json`` says of one dataset."""
    return _entry(
        registered,
        *("name", "title", "task_type", "n_molecules", "n_tasks", "metric", "split"),
        *("split_sizes", "modalities", "suites", "synthetic", "unit"),
        *("licence", "citation", "source", "version"),
    )


def model_entry(registered: Registered[ModelSpec]) -> dict[str, Any]:
    """Return what ``list models --json`` says of one model."""
    from chmr_bench.settings import missing_modules

    spec, plugin = registered.spec, registered.plugin
    return {
        "name": spec.name,
        "title": spec.title,
        "version": spec.version,
        "task_types": list(spec.task_types),
        "reads": ["structure", *spec.reads],
        "deterministic": spec.deterministic,
        "accelerator": spec.accelerator,
        "pretrained": bool(spec.weights),
        "requires": list(spec.requires),
        "missing": missing_modules(spec),
        "extra": spec.extra,
        "citation": spec.citation,
        "plugin": plugin.name,
        "distribution": f"{plugin.distribution} {plugin.version}",
    }


def dataset_details(registered: Registered[DatasetSpec]) -> dict[str, Any]:
    """Return everything about a dataset; computes the ceilings of a simulated one."""
    spec = registered.spec
    details = dataset_entry(registered)
    details["task_names"] = list(spec.task_names)
    details["split_digests"] = list(spec.split_digests)
    details["notes"] = list(spec.notes)
    details["files"] = [_file(source) for source in spec.sources]
    if spec.details:
        details["details"] = foreign.call(spec.details, seconds=foreign.QUICK_SECONDS)
    if spec.ceilings:
        details["ceilings"] = foreign.call(spec.ceilings)
    return details


def atlas_entry(registered: Registered[AtlasSpec]) -> dict[str, Any]:
    """Return what ``list atlases --json`` says of one atlas; molecules are None where unknown."""
    names = ("name", "title", "n_molecules", "modalities", "synthetic")
    entry = _entry(registered, *names, "kind", "licence", "citation", "source", "version")
    readouts = [_readouts(block) for block in registered.spec.readouts]
    return entry | {"n_molecules": registered.spec.n_molecules or None, "readouts": readouts}


def _readouts(block: ReadOuts) -> dict[str, Any]:
    """Return what is said of read-outs; None where it is not stated."""
    beyond = None if block.censored_at is None else block.beyond
    return asdict(block) | {"n_molecules": block.n_molecules or None, "beyond": beyond}


def feature_entry(registered: Registered[FeatureSpec]) -> dict[str, Any]:
    """Return what ``list features --json`` says of one feature."""
    entry = _entry(registered, "name", "title", "settings", "version")
    return entry | {"settings": dict(registered.spec.settings)}


def suite_entry(name: str, datasets: list[str]) -> dict[str, Any]:
    """Return what ``list suites --json`` says of one suite."""
    simulated = [n for n in datasets if registry().dataset(n).spec.synthetic]
    return {"name": name, "datasets": datasets, "synthetic": simulated}


def plugin_entry(plugin: PluginInfo) -> dict[str, Any]:
    """Return what ``list plugins --json`` says of one plugin; a broken one registers nothing."""
    entry: dict[str, Any] = {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "error": plugin.error or None,
    }
    for kind in ("models", "datasets", "features", "atlases"):
        registered = {} if plugin.error else getattr(registry(), kind)
        entry[kind] = [n for n, r in registered.items() if r.plugin.name == plugin.name]
    return entry


def atlas_details(registered: Registered[AtlasSpec]) -> dict[str, Any]:
    """Return everything about an atlas that is known without opening it."""
    spec = registered.spec
    files = [_file(source) for source in spec.sources]
    return atlas_entry(registered) | {"notes": list(spec.notes), "files": files}


def _file(source: SourceFile) -> dict[str, Any]:
    return {
        "path": source.path,
        "bytes": source.n_bytes,
        "sha256": source.sha256,
        "address": source.address,
    }


def model_details(registered: Registered[ModelSpec]) -> dict[str, Any]:
    """Return everything about a model, its settings with their recipe values included."""
    from chmr_bench.settings import EVERY, build_config

    spec = registered.spec
    details = model_entry(registered)
    details["learns"] = list(spec.learns)
    details["needs_cells"] = spec.needs_cells
    details["views"] = list(spec.views)
    details["precisions"] = list(spec.precisions)
    details["notes"] = list(spec.notes)
    details["recipe"] = spec.recipe.rsplit("/", 1)[-1]
    if spec.weights:
        details["weights"] = (
            "those that came with the plugin or were made before; else the run makes them first. "
            f"To make them alone: chmr-bench pretrain {spec.name}"
        )
    if spec.explain:
        details["explain"] = f"chmr-bench explain {spec.name} --dataset NAME"
    if spec.match:
        details["match"] = f"chmr-bench match --model {spec.name} --atlas NAME"
    if not details["missing"]:
        config = build_config(spec, {})
        details["settings"] = config.model_dump(mode="json", context=EVERY)
        details["settings_help"] = {
            n: f.description or "" for n, f in type(config).model_fields.items()
        }
    return details

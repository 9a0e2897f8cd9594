"""What ``chmr-bench show NAME`` tells of one dataset, one model or one atlas."""

from __future__ import annotations

from typing import Any

from chmr_bench.contracts import AtlasSpec, DatasetSpec, ModelSpec, SourceFile
from chmr_bench.lazy import load_object
from chmr_bench.plugins import Registered


def dataset_entry(registered: Registered[DatasetSpec]) -> dict[str, Any]:
    """Return what ``list datasets --json`` says of one dataset."""
    spec = registered.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "task_type": spec.task_type,
        "n_molecules": spec.n_molecules,
        "n_tasks": spec.n_tasks,
        "metric": spec.metric,
        "split": spec.split,
        "split_sizes": list(spec.split_sizes),
        "modalities": list(spec.modalities),
        "suites": list(spec.suites),
        "synthetic": spec.synthetic,
        "unit": spec.unit,
        "licence": spec.licence,
        "citation": spec.citation,
        "source": spec.source,
        "version": spec.version,
        "plugin": registered.plugin.name,
    }


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
        details["details"] = load_object(spec.details)()
    if spec.ceilings:
        details["ceilings"] = load_object(spec.ceilings)()
    return details


def atlas_entry(registered: Registered[AtlasSpec]) -> dict[str, Any]:
    """Return what ``list atlases --json`` says of one atlas; molecules are None where unknown."""
    spec = registered.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "n_molecules": spec.n_molecules or None,
        "modalities": list(spec.modalities),
        "synthetic": spec.synthetic,
        "licence": spec.licence,
        "citation": spec.citation,
        "source": spec.source,
        "version": spec.version,
        "plugin": registered.plugin.name,
    }


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
    from chmr_bench.settings import build_config

    spec = registered.spec
    details = model_entry(registered)
    details["notes"] = list(spec.notes)
    details["recipe"] = spec.recipe.rsplit("/", 1)[-1]
    if spec.weights:
        details["weights"] = f"pretrained, by a run or by: chmr-bench pretrain {spec.name}"
    if spec.explain:
        details["explain"] = f"chmr-bench explain {spec.name} --dataset NAME"
    if not details["missing"]:
        config = build_config(spec, {})
        details["settings"] = config.model_dump(mode="json")
        details["settings_help"] = {
            n: f.description or "" for n, f in type(config).model_fields.items()
        }
    return details

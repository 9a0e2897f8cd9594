"""``chmr-bench list ...`` and ``chmr-bench show NAME``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chmr_bench.cli.console import (
    SYNTHETIC,
    console,
    dataset_label,
    print_json,
    print_note,
    print_table,
)
from chmr_bench.cli.details import (
    atlas_details,
    atlas_entry,
    dataset_details,
    dataset_entry,
    model_details,
    model_entry,
)
from chmr_bench.cli.group import Group
from chmr_bench.plugins import PluginInfo, Registered, registry

list_app = typer.Typer(cls=Group, help="List what is registered.", no_args_is_help=True)
LIST_SHOWN = 30
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def _warn_broken() -> None:
    broken = registry().broken
    for plugin in broken:
        print_note(
            f"plugin {plugin.name} ({plugin.distribution} {plugin.version}) is left out: "
            f"{plugin.error}"
        )


# ----------------------------------------------------------------------------------------- datasets


@list_app.command("datasets")
def list_datasets(
    suite: Annotated[str | None, typer.Option(help="Only the datasets of this suite.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the datasets: counts, metric, split, modalities, licence, source."""
    table = registry()
    names = table.suite(suite).datasets if suite else list(table.datasets)
    entries = [dataset_entry(table.datasets[name]) for name in names]
    _warn_broken()
    if as_json:
        print_json(entries)
        return
    columns = ["name", "kind", "molecules", "tasks", "metric", "split", "train/valid/test"]
    rows = [_dataset_row(e) for e in entries]
    print_table("", [*columns, "modalities"], rows, right=["molecules", "tasks"])
    console.print()
    origins = [[_marked(e), e["licence"], _short(e["source"])] for e in entries]
    print_table("", ["name", "licence", "source"], origins)
    real = [e for e in entries if not e["synthetic"]]
    made_up = len(entries) - len(real)
    console.print(
        f"\n{len(real)} real datasets, {sum(e['n_tasks'] for e in real)} tasks"
        + (f"; {made_up} simulated, marked *" if made_up else "")
        + ". All of one: chmr-bench show NAME.",
        soft_wrap=True,
    )


def _marked(entry: dict[str, Any]) -> str:
    return dataset_label(str(entry["name"]), synthetic=entry["synthetic"])


def _short(address: str) -> str:
    return address.removeprefix("https://")


def _dataset_row(entry: dict[str, Any]) -> list[str]:
    return [
        _marked(entry),
        {"classification": "class.", "regression": "regr."}[entry["task_type"]],
        str(entry["n_molecules"]),
        str(entry["n_tasks"]),
        entry["metric"],
        entry["split"],
        "/".join(map(str, entry["split_sizes"])),
        ", ".join(entry["modalities"]),
    ]


# ------------------------------------------------------------------------------------------- models


@list_app.command("models")
def list_models(as_json: JsonOption = False) -> None:
    """List the models: what each needs, and who registered it."""
    entries = [model_entry(r) for _, r in sorted(registry().models.items())]
    _warn_broken()
    if as_json:
        print_json(entries)
        return
    rows = [
        [
            e["name"],
            e["title"],
            ", ".join(e["reads"]),
            _needs(e),
            "no seed" if e["deterministic"] else "seeded",
            e["distribution"],
        ]
        for e in entries
    ]
    print_table("", ["name", "title", "reads", "needs", "random", "registered by"], rows)


def _needs(entry: dict[str, Any]) -> str:
    if entry["missing"]:
        extra = f"; pip install 'chmr-bench[{entry['extra']}]'" if entry["extra"] else ""
        return f"missing: {', '.join(entry['missing'])}{extra}"
    return ", ".join(entry["requires"]) or "nothing more"


# ------------------------------------------------------------------------------------------ atlases


@list_app.command("atlases")
def list_atlases(as_json: JsonOption = False) -> None:
    """List the atlases: cell read-outs of unlabelled molecules, to pretrain on."""
    entries = [atlas_entry(r) for r in registry().atlases.values()]
    _warn_broken()
    if as_json:
        print_json(entries)
        return
    rows = [
        [_marked(e), e["title"], str(e["n_molecules"] or "?"), ", ".join(e["modalities"])]
        for e in entries
    ]
    columns = ["name", "title", "molecules", "modalities"]
    print_table("", columns, rows, right=["molecules"])
    console.print(
        "\nYour own: folder:PATH, a folder of index.csv.gz and *_feature.npz."
        + (" * simulated." if any(e["synthetic"] for e in entries) else ""),
        markup=False,
        soft_wrap=True,
    )


# ---------------------------------------------------------------------- features, suites, plugins


@list_app.command("features")
def list_features(as_json: JsonOption = False) -> None:
    """List the features and their settings."""
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "title": r.spec.title,
            "settings": dict(r.spec.settings),
            "version": r.spec.version,
            "plugin": r.plugin.name,
        }
        for name, r in sorted(registry().features.items())
    ]
    _warn_broken()
    if as_json:
        print_json(entries)
        return
    rows = [
        [e["name"], e["title"], ", ".join(f"{k}={v}" for k, v in e["settings"].items()) or "none"]
        for e in entries
    ]
    print_table("", ["name", "title", "settings"], rows)


@list_app.command("suites")
def list_suites(as_json: JsonOption = False) -> None:
    """List the suites and their datasets; simulated ones are marked."""
    table = registry()
    entries = [
        {
            "name": suite.name,
            "datasets": list(suite.datasets),
            "synthetic": [n for n in suite.datasets if table.dataset(n).spec.synthetic],
        }
        for suite in table.suites.values()
    ]
    if as_json:
        print_json(entries)
        return
    rows = [[str(e["name"]), str(len(e["datasets"])), _members(e)] for e in entries]
    print_table("", ["suite", "datasets", "members"], rows, right=["datasets"])
    if any(e["synthetic"] for e in entries):
        console.print(SYNTHETIC, markup=False, soft_wrap=True)


def _members(entry: dict[str, Any]) -> str:
    made_up = entry["synthetic"]
    return ", ".join(dataset_label(n, synthetic=n in made_up) for n in entry["datasets"])


@list_app.command("splits")
def list_splits(as_json: JsonOption = False) -> None:
    """List the ways to split a dataset."""
    from chmr_bench.splits import methods

    entries = [{"name": name, "title": title} for name, title in methods().items()]
    if as_json:
        print_json(entries)
        return
    print_table("", ["name", "title"], [[e["name"], e["title"]] for e in entries])


@list_app.command("plugins")
def list_plugins(as_json: JsonOption = False) -> None:
    """List the plugins, what each registers, and what is wrong with a broken one."""
    entries = [_plugin_entry(p) for p in registry().plugins]
    if as_json:
        print_json(entries)
        return
    rows = [
        [
            e["name"],
            f"{e['distribution']} {e['version']}",
            f"BROKEN: {e['error']}" if e["error"] else _offers(e),
        ]
        for e in entries
    ]
    print_table("", ["plugin", "distribution", "registers"], rows)


def _plugin_entry(plugin: PluginInfo) -> dict[str, Any]:
    table = registry()

    def names(kind: dict[str, Registered[Any]]) -> list[str]:
        return [n for n, r in kind.items() if r.plugin.name == plugin.name]

    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "error": plugin.error or None,
        "models": [] if plugin.error else names(table.models),
        "datasets": [] if plugin.error else names(table.datasets),
        "features": [] if plugin.error else names(table.features),
        "atlases": [] if plugin.error else names(table.atlases),
    }


def _offers(entry: dict[str, Any]) -> str:
    kinds = ("models", "datasets", "features", "atlases")
    parts = [f"{len(entry[k])} {k}" for k in kinds if entry[k]]
    return ", ".join(parts) or "nothing"


# --------------------------------------------------------------------------------------------- show


def show(
    name: Annotated[str, typer.Argument(help="A dataset, a model or an atlas.")],
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of one dataset, model or atlas."""
    from chmr_bench.errors import UnknownNameError

    table = registry()
    if name in table.datasets:
        details = dataset_details(table.datasets[name])
        if name in table.atlases:
            details["atlas"] = atlas_details(table.atlases[name])
    elif name in table.models:
        details = model_details(table.models[name])
    elif name in table.atlases:
        details = atlas_details(table.atlases[name])
    else:
        known = [*table.datasets, *table.models, *table.atlases]
        raise UnknownNameError("dataset, model or atlas", name, known)
    if as_json:
        print_json(details)
        return
    _print_details(details)


def _print_details(details: dict[str, Any]) -> None:
    told = details.get("settings_help", {})
    shown = {k: v for k, v in details.items() if k != "settings_help"}
    if told:
        shown["settings"] = {k: f"{_cell(v)}: {told[k]}" for k, v in details["settings"].items()}
    rows = [row for k, v in shown.items() if v not in ("", None, [], {}) for row in _detail(k, v)]
    print_table("", ["", ""], rows)


def _detail(key: str, value: Any) -> list[list[str]]:
    """Return the lines that show one detail: one each for what stands in a table or a list."""
    if isinstance(value, dict):
        return [row for k, v in value.items() for row in _detail(f"{key}.{k}", v)]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [[key, "\n".join(f"{k} {v}" for k, v in item.items())] for item in value]
    if isinstance(value, list) and any(" " in str(v) for v in value):
        return [[key if i == 0 else "", f"- {v}"] for i, v in enumerate(value[:LIST_SHOWN])]
    return [[key, _cell(value)]]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        shown = ", ".join(map(str, value[:LIST_SHOWN]))
        return shown + (f", ... ({len(value)} in all)" if len(value) > LIST_SHOWN else "")
    return str(value)

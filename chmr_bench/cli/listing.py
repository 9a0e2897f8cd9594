"""``chmr-bench list ...``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, TypeAlias

import typer

from chmr_bench.cli import options
from chmr_bench.cli.details import (
    atlas_entry,
    dataset_entry,
    feature_entry,
    model_entry,
    plugin_entry,
    suite_entry,
)
from chmr_bench.cli.group import Group
from chmr_bench.contracts import CELL_MODALITIES, AtlasSpec
from chmr_bench.display.console import (
    SYNTHETIC,
    console,
    plural,
    print_json,
    print_lines,
    print_note,
    print_table,
)
from chmr_bench.errors import DataError, UsageError
from chmr_bench.plugins import Registered, registry
from chmr_bench.report.words import dataset_label

list_app = typer.Typer(cls=Group, help="List what is registered.", no_args_is_help=True)
Entry: TypeAlias = dict[str, Any]
Columns: TypeAlias = Mapping[str, Callable[[Entry], str]]
"""Heading -> what stands there of an entry."""
NOT_KNOWN = "not known before it is opened"
"""Stands for the modalities of an atlas whose spec names none."""
KINDS = {"models": "model", "datasets": "dataset", "features": "feature", "atlases": "atlas"}
"""What a plugin registers: many, and one."""
JOINED_ROWS = "\nJoined rows, agreement of repeats: chmr-bench list atlases --dataset NAME"
NUMBERS = ("molecules", "tasks", "datasets", "read-outs", "filled")


def _print_entries(entries: Sequence[Entry], as_json: bool, *tables: Columns) -> bool:
    """Print the entries, as JSON or as tables; return whether as tables."""
    for plugin in registry().broken:
        print_note(
            f"plugin {plugin.name} ({plugin.distribution} {plugin.version}) is left out: "
            f"{plugin.error}"
        )
    if as_json:
        print_json(entries)
        return False
    _print_tables(entries, tables)
    return True


def _print_tables(entries: Sequence[Entry], tables: Sequence[Columns]) -> None:
    """Print the entries as tables, an empty line between two."""
    for number, columns in enumerate(tables):
        if number:
            console.print()
        rows = [[cell(entry) for cell in columns.values()] for entry in entries]
        print_table("", list(columns), rows, right=NUMBERS)


def _field(key: str) -> Callable[[Entry], str]:
    """Return what shows one value of an entry; several with commas between."""
    return lambda e: ", ".join(e[key]) if isinstance(e[key], list) else str(e[key])


def _label(entry: Entry) -> str:
    return dataset_label(str(entry["name"]), synthetic=entry["synthetic"])


@list_app.command("datasets")
def list_datasets(
    suite: Annotated[str | None, typer.Option(help="Only the datasets of this suite.")] = None,
    as_json: options.Json = False,
) -> None:
    """List the datasets: counts, metric, split, modalities, licence, source."""
    table = registry()
    names = table.suite(suite) if suite else list(table.datasets)
    entries = [dataset_entry(table.datasets[name]) for name in names]
    sizes: Columns = {
        "name": _label,
        "kind": lambda e: {"classification": "class.", "regression": "regr."}[e["task_type"]],
        "molecules": _field("n_molecules"),
        "tasks": _field("n_tasks"),
        "metric": _field("metric"),
        "split": _field("split"),
        "train/valid/test": _sizes,
        "modalities": _field("modalities"),
    }
    origins: Columns = {
        "name": _label,
        "licence": _field("licence"),
        "source": lambda e: e["source"].removeprefix("https://"),
    }
    if _print_entries(entries, as_json, sizes, origins):
        real = [e for e in entries if not e["synthetic"]]
        simulated = len(entries) - len(real)
        print_lines(
            f"\n{plural(len(real), 'real dataset')}, "
            + plural(sum(e["n_tasks"] for e in real), "task")
            + (f"; {simulated} simulated, marked *" if simulated else "")
            + ". All of one: chmr-bench show NAME."
        )


def _sizes(entry: Entry) -> str:
    """Return the sizes of the reference split, where they are stated."""
    return "/".join(map(str, entry["split_sizes"])) if any(entry["split_sizes"]) else "-"


@list_app.command("models")
def list_models(as_json: options.Json = False) -> None:
    """List the models: what each needs, and who registered it."""
    columns: Columns = {
        "name": _field("name"),
        "title": _field("title"),
        "reads": _reads,
        "needs": _needs,
        "random": lambda e: "no seed" if e["deterministic"] else "seeded",
        "registered by": _field("distribution"),
    }
    _print_entries([model_entry(r) for _, r in sorted(registry().models.items())], as_json, columns)


def _reads(entry: Entry) -> str:
    """Return what a model reads; all modalities of cells, in two words."""
    reads = entry["reads"]
    if set(CELL_MODALITIES) <= {*reads}:
        reads = [*(name for name in reads if name not in CELL_MODALITIES), "own profiles"]
    return ", ".join(reads)


def _needs(entry: Entry) -> str:
    if entry["missing"]:
        extra = f"; pip install 'chmr-bench[{entry['extra']}]'" if entry["extra"] else ""
        return f"missing: {', '.join(entry['missing'])}{extra}"
    return ", ".join(entry["requires"]) or "nothing more"


@list_app.command("atlases")
def list_atlases(
    atlas: Annotated[
        list[str] | None, typer.Option("--atlas", help="This atlas alone; repeatable.")
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Open the atlases: rows of this dataset with profiles, and how well repeated "
            "measurements agree; repeatable.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the atlases: cell read-outs of molecules, to pretrain on or to attach (`--cells`).

    Labelled assays, which are no cells, stand apart.
    """
    named = [_registered_atlas(n) for n in atlas or ()] or list(registry().atlases.values())
    entries = [atlas_entry(r) for r in named]
    if dataset:
        from chmr_bench.api.profiles import atlas_facts

        facts = atlas_facts([r.spec for r in named], dataset)
        entries = [entry | facts.get(entry["name"], {}) for entry in entries]
    sizes: Columns = {
        "name": _label,
        "molecules": lambda e: str(e["n_molecules"] or "?"),
        "modality": lambda e: _lines(e, "block") or ", ".join(e["modalities"]) or NOT_KNOWN,
        "read-outs": lambda e: _lines(e, "n"),
        "filled": lambda e: "\n".join(_share(block["filled"]) for block in e["readouts"]),
    }
    origins: Columns = {"name": _label, "title": _field("title"), "licence": _field("licence")}
    joins: dict[str, Callable[[Entry], str]] = {"name": _label}
    joins |= {f"in {name}": partial(_joined, name) for name in dataset or ()}
    joins["median agreement of repeats"] = _agreement
    tables = (sizes, joins, origins) if dataset else (sizes, origins)
    assays = [] if as_json else [e for e in entries if e["kind"] == "assays"]
    entries = [e for e in entries if e not in assays]
    if _print_entries(entries, as_json, *(tables if entries else ())):
        if assays:
            print_lines("\nLabelled assays, not cells: no profiles for --cells.\n")
            _print_tables(assays, (sizes, origins))
        simulated = " * simulated." if any(e["synthetic"] for e in entries) else ""
        own = "folder:PATH, of index.csv.gz and *_feature.npz (show DATASET --cells folder:PATH)"
        print_lines(f"\nYour own: {own}.{simulated}{'' if dataset else JOINED_ROWS}")
    if dataset and any("joined" not in e for e in entries if e["kind"] != "assays"):
        raise typer.Exit(DataError.exit_code)


def _registered_atlas(name: str) -> Registered[AtlasSpec]:
    from chmr_bench.cells.sources import FOLDER_PREFIX

    if name.startswith(FOLDER_PREFIX):
        raise UsageError(
            f"--atlas {name}: 'list' is of what is registered; chmr-bench show DATASET --cells "
            f"{name} opens a folder of yours"
        )
    return registry().atlas(name)


def _share(filled: float) -> str:
    """Return a share in percent; a very small one is not 0."""
    return f"{filled:.0%}" if filled >= 0.01 else f"{filled:.1%}"


def _joined(dataset: str, entry: Entry) -> str:
    """Return how many rows of the dataset have profiles in an atlas, "" where that is not known."""
    rows = entry.get("joined", {}).get(dataset)
    return "" if rows is None else f"{rows:,}"


def _agreement(entry: Entry) -> str:
    """Return how well repeated measurements agree, a line a block that has any; or why not."""
    if "agreement" not in entry:
        return "could not be opened"
    what = {"calls": "{:.0%} of calls equal", "numbers": "r {:.2f}"}
    lines = []
    for one in entry.get("agreement", ()):
        counts = f"{one['n_readouts']} read-outs, {one['n_molecules']:,} molecules"
        lines.append(f"{one['block']}: {what[one['kind']].format(one['median'])} ({counts})")
    return "\n".join(lines) or "no repeats: one row a molecule"


def _lines(entry: Entry, key: str) -> str:
    """Return one value of each block of an atlas, a line each."""
    return "\n".join(str(block[key]) for block in entry["readouts"])


@list_app.command("features")
def list_features(as_json: options.Json = False) -> None:
    """List the features and their settings."""
    columns: Columns = {
        "name": _field("name"),
        "title": _field("title"),
        "settings": lambda e: ", ".join(f"{k}={v}" for k, v in e["settings"].items()) or "none",
    }
    entries = [feature_entry(r) for _, r in sorted(registry().features.items())]
    _print_entries(entries, as_json, columns)


@list_app.command("suites")
def list_suites(as_json: options.Json = False) -> None:
    """List the suites and their datasets; simulated ones are marked."""
    entries = [suite_entry(*suite) for suite in registry().suites.items()]
    columns: Columns = {
        "suite": _field("name"),
        "datasets": lambda e: str(len(e["datasets"])),
        "members": lambda e: ", ".join(
            dataset_label(name, synthetic=name in e["synthetic"]) for name in e["datasets"]
        ),
    }
    if _print_entries(entries, as_json, columns) and any(e["synthetic"] for e in entries):
        print_lines(SYNTHETIC)


@list_app.command("splits")
def list_splits(as_json: options.Json = False) -> None:
    """List the ways to split a dataset."""
    from chmr_bench.splits import methods

    entries = [{"name": name, "title": title} for name, title in methods().items()]
    _print_entries(entries, as_json, {"name": _field("name"), "title": _field("title")})


@list_app.command("plugins")
def list_plugins(as_json: options.Json = False) -> None:
    """List the plugins, what each registers, and what is wrong with a broken one."""
    columns: Columns = {
        "plugin": _field("name"),
        "distribution": lambda e: f"{e['distribution']} {e['version']}",
        "registers": lambda e: f"BROKEN: {e['error']}" if e["error"] else _offers(e),
    }
    _print_entries([plugin_entry(p) for p in registry().plugins], as_json, columns)


def _offers(entry: Entry) -> str:
    counts = ((len(entry[kind]), noun, kind) for kind, noun in KINDS.items() if entry[kind])
    return ", ".join(f"{n} {noun if n == 1 else kind}" for n, noun, kind in counts) or "nothing"

"""What a row is called, so that different things never share a row.

A row is a model as it comes, ``fingerprint.forest``, unless its user changed it:
``fingerprint.forest [n_trees=50]``. Where records differ in something the name does not say (a
version, weights, precision, device, a recipe), the name grows by that.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chmr_bench.records import Record, canonical_json
from chmr_bench.records.pretrained import making_of_row, weights_of_row

if TYPE_CHECKING:
    import pandas as pd


def row_key(record: Record) -> str:
    """Return all that can change the numbers of a record on given data, the seed left out."""
    return canonical_json(
        {
            "model": record.model.id,
            "version": record.model.version,
            "weights": making_of_row(record),
            "params": record.model.params,
            "plugin": [record.plugin.name, record.plugin.distribution, record.plugin.version],
            "missing": record.missing,
            "precision": record.precision,
            "device": record.resources.device,
        }
    )


def labels(records: Iterable[Record]) -> dict[tuple[str, str], str]:
    """Return (dataset name, row key) -> label; within a dataset no two rows share one."""
    by_name: dict[tuple[str, bool], dict[tuple[str, str], Record]] = defaultdict(dict)
    for record in records:
        # Simulated and real data never share a table, so their rows need not be told apart.
        kind = (plain_name(record), record.dataset.synthetic)
        by_name[kind][record.dataset.name, row_key(record)] = record
    found: dict[tuple[str, str], str] = {}
    for (name, _), members in by_name.items():
        varying = _varying(members.values())
        for cell, record in members.items():
            suffix = ", ".join(_facts(record)[fact] for fact in varying)
            found[cell] = f"{name} ({suffix})" if suffix else name
    return _told_apart(found)


def plain_name(record: Record) -> str:
    """Return the model's name with what its user changed."""
    name = record.model.id
    if record.model.overrides:
        name += f" [{_listed(record.model.overrides)}]"
    if record.missing:
        name += f" {{{_listed(record.missing)}}}"
    return name


def is_plain(record: Record, model: str) -> bool:
    """Return whether a record is of the model as it comes: nothing set."""
    return record.model.id == model and not record.model.overrides


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_value(value)}" for key, value in sorted(values.items()))


def _value(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return "+".join(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _facts(record: Record) -> dict[str, str]:
    """Return what may tell apart two records of one name, as it is written."""
    weights = weights_of_row(record)
    shown = f"weights {weights[:8]}" if weights else "no weights"
    if record.model.weights and not weights:
        shown = "weights by seed"
    return {
        "plugin": f"from {record.plugin.distribution}/{record.plugin.name}",
        "plugin_version": f"plugin {record.plugin.version}",
        "version": f"v{record.model.version}",
        "weights": shown,
        "precision": record.precision,
        "device": record.resources.device,
    }


def _varying(records: Iterable[Record]) -> list[str]:
    facts = [_facts(r) for r in records]
    return [name for name in facts[0] if len({f[name] for f in facts}) > 1]


def _told_apart(found: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Add a piece of the settings' hash where rows of one dataset still share a label."""
    cells: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for (dataset, key), label in found.items():
        cells[dataset, label].append((dataset, key))
    result = dict(found)
    for (_, label), same in cells.items():
        if len(same) > 1:
            for dataset, key in same:
                digest = hashlib.sha256(key.encode()).hexdigest()[:6]
                result[dataset, key] = f"{label} #{digest}"
    return result


def row_labels(runs: pd.DataFrame) -> list[str]:
    """Return what the row of each run is called; within a dataset no two rows share one."""
    names = _plain_names(runs)
    facts = _fact_columns(runs)
    labels = dict.fromkeys(range(len(names)), "")
    # Simulated and real data never share a table, so their rows need not be told apart.
    for (name, _), places in _groups([names, [*runs["synthetic"]]]).items():
        varying = [column for column in facts if len({column[i] for i in places}) > 1]
        for i in places:
            suffix = ", ".join(column[i] for column in varying)
            labels[i] = f"{name} ({suffix})" if suffix else name
    keys = [*runs["row_key"]]
    for (_, label), places in _groups([[*runs["dataset"]], [*labels.values()]]).items():
        if len({keys[i] for i in places}) > 1:
            for i in places:
                digest = hashlib.sha256(keys[i].encode()).hexdigest()[:6]
                labels[i] = f"{label} #{digest}"
    return [*labels.values()]


def _groups(columns: Sequence[Sequence[Any]]) -> dict[tuple[Any, ...], list[int]]:
    """Return values -> the places where the columns have these."""
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, key in enumerate(zip(*columns, strict=True)):
        places[key].append(i)
    return places


def _plain_names(runs: pd.DataFrame) -> list[str]:
    """Return the model's name with what its user changed, and what was hidden."""
    names = []
    for model, overrides, missing in zip(
        runs["model"], runs["overrides"], runs["missing"], strict=True
    ):
        changed, hidden = json.loads(overrides), json.loads(missing or "{}")
        name = model + (f" [{_listed(changed)}]" if changed else "")
        names.append(name + (f" {{{_listed(hidden)}}}" if hidden else ""))
    return names


def _fact_columns(runs: pd.DataFrame) -> list[list[str]]:
    """Return what may tell apart two rows of one name, as it is written: a list a fact."""
    shown = [
        f"weights {shared[:8]}" if shared else "weights by seed" if own else "no weights"
        for shared, own in zip(runs["row_weights"], runs["weights"], strict=True)
    ]
    registered = zip(runs["plugin_distribution"], runs["plugin"], strict=True)
    return [
        [f"from {distribution}/{name}" for distribution, name in registered],
        [f"plugin {version}" for version in runs["plugin_version"]],
        [f"v{version}" for version in runs["model_version"]],
        shown,
        [*runs["precision"]],
        [*runs["device"]],
    ]

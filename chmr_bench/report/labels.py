"""What a row is called, so that different things never share a row.

A row is a model as it comes, ``fingerprint.forest``, unless its user changed it:
``fingerprint.forest [n_trees=50]``. Where runs differ in something the name does not say (a
version, weights, precision, device, a recipe), the name grows by that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def row_labels(runs: pd.DataFrame) -> list[str]:
    """Return what the row of each run is called: on one split of a dataset no two rows share one.

    Runs on published and on drawn splits never share a table, so they need not be told apart.
    """
    import pandas as pd

    columns = (runs[name] for name in ("model", "overrides", "missing", "own_profiles"))
    labels = [plain_name(*values) for values in zip(*columns, strict=True)]
    # Simulated and real data never share a table, so their rows need not be told apart.
    splits = [*runs["split"]]
    alike = pd.Series(labels).groupby([labels, splits, [*runs["synthetic"]]], sort=False)
    facts = _fact_columns(runs)
    for places in alike.indices.values():
        varying = [column for column in facts if len({column[i] for i in places}) > 1]
        for i in places:
            suffix = ", ".join(column[i] for column in varying)
            labels[i] += f" ({suffix})" if suffix else ""
    keys = [*runs["row_key"]]
    shared = pd.Series(keys).groupby([[*runs["dataset"]], splits, labels], sort=False)
    for places in shared.indices.values():
        if len({keys[i] for i in places}) > 1:
            for i in places:
                labels[i] += f" #{hashlib.sha256(keys[i].encode()).hexdigest()[:6]}"
    return labels


@cache
def plain_name(
    model: str, overrides: str, missing: str | None = None, own_profiles: str = ""
) -> str:
    """Return the model's name with what its user changed, and what was masked, both JSON.

    Atlases whose profiles were attached stand behind it: ``+ own profiles of wong2024``.
    """
    changed, masked = json.loads(overrides), json.loads(missing or "{}")
    name = model + (f" [{_listed(changed)}]" if changed else "")
    name += f" + own profiles of {own_profiles}" if own_profiles else ""
    return name + (f" {{{_listed(masked)}}}" if masked else "")


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


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_value(value)}" for key, value in sorted(values.items()))


def _value(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return "+".join(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)

"""The identity of a run: a hash of everything that can change its numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chmr_bench.types import DeviceKind

FIRST_VERSION = "1"


@dataclass(frozen=True)
class RunKey:
    """All that can change the numbers of a run.

    Attributes
    ----------
    metric :
        Models stop early on it, so the same data judged by another is another run.
    weights :
        Digest of the weights the model starts from, None where it has none.
    params :
        Every setting, resolved and JSON-able.
    seed :
        None where the model is deterministic.
    features :
        Version of each feature the model reads. Version 1 is left out of the hash, so what a
        feature was before it had a second version keeps its identity.
    cells :
        Atlas -> digest of the profiles it has of the dataset's molecules, where they were attached
        and the model reads them; left out of the hash where there are none.
    device :
        Counts only where it is an accelerator, so that a CPU run has one identity.
    """

    model: str
    model_version: str
    params: Mapping[str, Any]
    plugin: str
    plugin_version: str
    dataset: str
    dataset_digest: str
    metric: str
    split_digest: str
    seed: int | None
    features: Mapping[str, str] = field(default_factory=dict)
    weights: str | None = None
    missing: Mapping[str, Any] | None = field(default=None)
    cells: Mapping[str, str] = field(default_factory=dict)
    precision: str = "float32"
    device: DeviceKind = "cpu"

    def identity(self) -> str:
        """Return the sha256 of the canonical JSON of the key."""
        content = {
            "model": self.model,
            "model_version": self.model_version,
            "weights": self.weights,
            "params": dict(self.params),
            "plugin": self.plugin,
            "plugin_version": self.plugin_version,
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "metric": self.metric,
            **self._changed_features(),
            **({"cells": dict(self.cells)} if self.cells else {}),
            "split_digest": self.split_digest,
            "seed": self.seed,
            "missing": None if self.missing is None else dict(self.missing),
            "precision": self.precision,
            "device": None if self.device == "cpu" else self.device,
        }
        return json_digest(content)

    def _changed_features(self) -> dict[str, dict[str, str]]:
        changed = {n: v for n, v in self.features.items() if v != FIRST_VERSION}
        return {"features": changed} if changed else {}


def canonical_json(value: Any) -> str:
    """Return JSON that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def json_digest(value: Any) -> str:
    """Return the sha256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()

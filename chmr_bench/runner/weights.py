"""The pretrained weights a job starts from: found, or made first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from chmr_bench import paths
from chmr_bench.ablation.missing import Missing
from chmr_bench.contracts import (
    ModelSpec,
    PendingWeights,
    Progress,
    Weights,
    WeightsRequest,
    connectivity_hash,
    no_progress,
)
from chmr_bench.errors import DataError, PluginError, SettingError, UsageError
from chmr_bench.lazy import load_object
from chmr_bench.plugins import Registered
from chmr_bench.records import canonical_json
from chmr_bench.runner.logs import stdout_to_stderr
from chmr_bench.runner.workspace import Opened, Workspace
from chmr_bench.settings import require
from chmr_bench.types import DeviceKind, IntArray


@dataclass(frozen=True)
class Asked:
    """All that the weights of a model may depend on, besides the data.

    Attributes
    ----------
    overrides : the settings that the user changed.
    missing : what is hidden on purpose.
    """

    model: Registered[ModelSpec]
    config: BaseModel
    seed: int = 0
    device: DeviceKind = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    overrides: frozenset[str] = frozenset()
    missing: Missing | None = None

    def key(self) -> str:
        """Return what tells it from others."""
        params = self.config.model_dump(mode="json")
        return canonical_json(
            [
                self.model.spec.weights,
                params,
                self.seed,
                self.device,
                self.precision,
                sorted(self.chosen),
                self.missing.of_atlas() if self.missing else None,
            ]
        )

    @property
    def chosen(self) -> frozenset[str]:
        """Return the settings that the user or the variant chose."""
        return self.overrides | set(self.model.spec.preset)


def look_up(asked: Asked, workspace: Workspace) -> Weights | PendingWeights | None:
    """Return the weights, or what would have to be done to have them; None = it needs none.

    Raises
    ------
    UsageError : a setting names what is not there, such as an atlas.
    """
    if not asked.model.spec.weights:
        return None
    try:
        return _told_hidden(asked, _ask(asked, workspace, make=False))
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's code; it fails again, on record
        return PendingWeights(f"weights of {asked.model.spec.name}: {error}")


def _told_hidden(
    asked: Asked, found: Weights | PendingWeights | None
) -> Weights | PendingWeights | None:
    """Return it saying what is hidden of the atlas, where that is still to be learnt from."""
    hidden = asked.missing.of_atlas() if asked.missing else None
    if hidden is None or not isinstance(found, PendingWeights):
        return found
    missing = Missing.of({**hidden, "stages": ["pretrain"]})
    return PendingWeights(f"{found.title}; {missing}, draw {missing.seed}")


def make(
    asked: Asked,
    workspace: Workspace,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
) -> Weights | None:
    """Return the weights, which are made where they are not there.

    Raises
    ------
    PluginError : what came are no weights. Whatever the plugin raises goes through.
    """
    require(asked.model.spec)
    with stdout_to_stderr():
        weights = _ask(asked, workspace, make=True, progress=progress, step=step)
    if isinstance(weights, PendingWeights):
        raise PluginError(f"{asked.model.spec.weights} was told to make weights, and did not")
    return weights


def n_seen(
    seen: Path, opened: Opened, rows: IntArray, workspace: Workspace, progress: Progress
) -> int:
    """Return how many of the dataset's `rows` are molecules that weights learnt from.

    Parameters
    ----------
    seen : `Weights.seen`.

    Raises
    ------
    DataError : the file is damaged.
    """
    try:
        known = np.load(seen, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{seen}: cannot be read: {error}; remove its folder") from error
    keys = workspace.keys(opened, progress)
    hashes = connectivity_hash([keys[row] for row in rows if keys[row]])
    return int(np.isin(hashes, known).sum())


def _ask(
    asked: Asked,
    workspace: Workspace,
    *,
    make: bool,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
) -> Weights | PendingWeights | None:
    spec, key = asked.model.spec, asked.key()
    if key in workspace.weights:
        return workspace.weights[key]
    request = WeightsRequest(
        data=workspace.atlases.heard_by(progress, step).hiding(asked.missing),
        folder=paths.weights_folder() / asked.model.plugin.name,
        seed=asked.seed,
        chosen=asked.chosen,
        make=make,
        n_jobs=workspace.n_jobs,
        device=asked.device,
        precision=asked.precision,
        progress=progress,
        stage=step,
        log=logging.getLogger(f"chmr_bench.weights.{spec.name}"),
    )
    weights = _checked(spec.weights, load_object(spec.weights)(asked.config, request))
    if isinstance(weights, Weights):
        _check_hidden(asked, weights)
        workspace.weights[key] = weights
    return weights


def _check_hidden(asked: Asked, weights: Weights) -> None:
    """Raise where weights that say what they were made from were made of another atlas's whole.

    Raises
    ------
    SettingError : something is hidden of the atlas, and these weights have seen it, or the other
        way round: they come from a file, which hiding does not change.
    """
    inner = weights.info.get("atlas")
    told = inner if isinstance(inner, Mapping) else weights.info
    if "atlases" not in told:
        return
    wanted = asked.missing.of_atlas() if asked.missing else None
    found = told.get("hidden")
    made = {name: found.get(name) for name in wanted or found} if found else None
    if isinstance(made, dict):
        made.pop("counts", None)
    if made != wanted:
        raise SettingError(
            f"{asked.model.spec.name}: the run hides {_words(wanted)} of the atlas, and the "
            f"weights {weights.path.name} were made with {_words(made)} hidden; leave the setting "
            "weights out, so that some are made for what is hidden, or choose another --stage"
        )


def _words(hidden: Mapping[str, Any] | None) -> str:
    return "nothing" if hidden is None else canonical_json(dict(hidden))


def _checked(source: str, weights: object) -> Weights | PendingWeights | None:
    if weights is None or isinstance(weights, PendingWeights):
        return weights
    if not isinstance(weights, Weights):
        raise PluginError(
            f"{source} gave {type(weights).__name__}; expected Weights, PendingWeights or None"
        )
    try:
        canonical_json(dict(weights.info))
    except (TypeError, ValueError) as error:
        raise PluginError(f"{source}: the info of its weights is not JSON: {error}") from error
    return weights

"""The pretrained weights a job starts from: those there are, or made first in a worker process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from threadpoolctl import threadpool_limits

from chmr_bench import foreign, isolation, paths
from chmr_bench.ablation.missing import Missing
from chmr_bench.audit import was_seen
from chmr_bench.contracts import (
    ASSAY,
    ModelSpec,
    PendingWeights,
    Progress,
    Weights,
    WeightsRequest,
)
from chmr_bench.errors import DataError, PluginError, SettingError, UsageError
from chmr_bench.lazy import load_object
from chmr_bench.plugins import Registered, Registry, registry
from chmr_bench.records import ErrorInfo, canonical_json
from chmr_bench.records.pretrained import atlas_entry
from chmr_bench.runner.fitting import Send, speaking, throttled
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.runner.options import RunOptions
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench.settings import require
from chmr_bench.streams import stdout_to_stderr
from chmr_bench.types import DeviceKind, IntArray, Precision

MAKE = "chmr_bench.runner.weights:make_here"
LOOK = "chmr_bench.runner.weights:look_here"


@dataclass(frozen=True)
class WeightsKey:
    """All that the weights of a model may depend on, besides the data.

    Attributes
    ----------
    overrides :
        The settings that the user changed.
    missing :
        What is masked on purpose.
    anew :
        Whether those that came with the plugin do not count.
    """

    model: Registered[ModelSpec]
    config: BaseModel
    seed: int = 0
    device: DeviceKind = "cpu"
    precision: Precision = "float32"
    overrides: frozenset[str] = frozenset()
    missing: Missing | None = None
    anew: bool = False

    def text(self) -> str:
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
                self.masked,
                self.anew,
            ]
        )

    @property
    def chosen(self) -> frozenset[str]:
        """Return the settings that the user or the variant chose."""
        return self.overrides | set(self.model.spec.preset)

    @property
    def reads_assays(self) -> bool:
        """Return whether the model may learn from labelled assays."""
        return ASSAY in self.model.spec.learns

    @property
    def masked(self) -> dict[str, Any] | None:
        """Return what is masked of the atlas; None = nothing."""
        return self.missing.atlas_dict() if self.missing else None


@dataclass
class WeightsCache:
    """The weights that the jobs of one sweep share.

    Attributes
    ----------
    known :
        By `WeightsKey.text`.
    failed :
        Why weights could not be made, by `Job.pending_text`.
    """

    options: RunOptions
    known: dict[str, Weights] = field(default_factory=dict)
    failed: dict[str, ErrorInfo] = field(default_factory=dict)
    _data: dict[str, AtlasData] = field(default_factory=dict)

    def look_up(self, key: WeightsKey) -> Weights | PendingWeights | None:
        """Return the weights, or what would have to be done to have them; None = it needs none.

        Raises
        ------
        UsageError
            A setting names what is not there, such as an atlas.
        """
        if not key.model.spec.weights:
            return None
        if key.text() in self.known:
            return self.known[key.text()]
        try:
            weights = self._looked_up(key)
        except UsageError:
            raise
        except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001 - a stranger's code; it fails again, on record
            return PendingWeights(f"weights of {key.model.spec.name}: {error}")
        if isinstance(weights, Weights):
            self.known[key.text()] = weights
        return _with_missing(key, weights)

    def _looked_up(self, key: WeightsKey) -> Weights | PendingWeights | None:
        data, source = self._atlas_data(key), key.model.spec.weights
        if foreign.is_foreign(source):
            weights: Weights | PendingWeights | None = foreign.isolated(
                source, LOOK, key, data, registry(), seconds=self.options.limits.seconds
            )
            return weights
        with stdout_to_stderr():
            return _weights(key, _request(key, data))

    def _atlas_data(self, key: WeightsKey) -> AtlasData:
        """Return the same object for the same masking: it remembers digests."""
        text = canonical_json([key.masked, key.reads_assays])
        if text not in self._data:
            self._data[text] = self._new_atlas_data(key)
        return self._data[text]

    def _new_atlas_data(self, key: WeightsKey) -> AtlasData:
        options = self.options
        return AtlasData(options.fetch, options.n_jobs, key.missing, assays=key.reads_assays)

    def make(self, key: WeightsKey, receiver: isolation.Receiver) -> Weights | None:
        """Return the weights, which are made in a worker process where they are not there.

        Raises
        ------
        PluginError
            What came are no weights. What the plugin raises comes as `isolation.call` says.
        """
        require(key.model.spec)
        if key.text() in self.known:
            return self.known[key.text()]
        data = self._new_atlas_data(key)
        weights: Weights | None = isolation.call(
            MAKE, key, data, registry(), limits=self.options.limits, receiver=receiver
        )
        if weights is not None:
            self.known[key.text()] = weights
        return weights


def look_here(
    key: WeightsKey, data: AtlasData, known: Registry, send: Send
) -> Weights | PendingWeights | None:
    """Return the weights that are there, or what is pending; runs in a worker process."""
    with speaking(send, known):
        return _weights(key, _request(key, data))


def make_here(key: WeightsKey, data: AtlasData, known: Registry, send: Send) -> Weights | None:
    """Return the weights, made in this process; what `WeightsCache.make` has a worker do."""
    progress = throttled(send)

    def step(name: str) -> None:
        send("step", str(name))

    with speaking(send, known), threadpool_limits(data.n_jobs):
        data = replace(data, progress=progress, stage=step)
        request = replace(_request(key, data), make=True, progress=progress, stage=step)
        request.folder.mkdir(parents=True, exist_ok=True)
        weights = _weights(key, request)
    if isinstance(weights, PendingWeights):
        raise PluginError(f"{key.model.spec.weights} was asked for weights, and made none")
    return weights


def _request(key: WeightsKey, data: AtlasData) -> WeightsRequest:
    return WeightsRequest(
        data=data,
        folder=paths.weights_folder() / key.model.plugin.name,
        seed=key.seed,
        chosen=key.chosen,
        anew=key.anew,
        n_jobs=data.n_jobs,
        device=key.device,
        precision=key.precision,
        log=logging.getLogger(f"chmr_bench.weights.{key.model.spec.name}"),
    )


def _weights(key: WeightsKey, request: WeightsRequest) -> Weights | PendingWeights | None:
    """Return what the plugin's function gives, checked."""
    source = key.model.spec.weights
    weights = load_object(source)(key.config, request)
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
    _check_masked(key, weights)
    return weights


def _with_missing(
    key: WeightsKey, weights: Weights | PendingWeights | None
) -> Weights | PendingWeights | None:
    """Return it saying what is masked of the atlas, where that is still to be learnt from."""
    if key.masked is None or not isinstance(weights, PendingWeights):
        return weights
    missing = Missing.from_dict({**key.masked, "stages": ["pretrain"]})
    return replace(weights, title=f"{weights.title}; {missing}, draw {missing.seed}")


def _check_masked(key: WeightsKey, weights: Weights) -> None:
    """Raise where weights that say what they were made from saw another share of the atlas.

    Raises
    ------
    SettingError
        Something is masked of the atlas, and these weights have seen it, or the other way round:
        they come from a file, which masking does not change.
    """
    card = atlas_entry(weights.info)
    if "atlases" not in card:
        return
    wanted, stored = key.masked, card.get("hidden")
    made = {name: stored.get(name) for name in wanted or stored} if stored else None
    if made is not None:
        made.pop("counts", None)
    if made != wanted:
        raise SettingError(
            f"{key.model.spec.name}: the run masks {_words(wanted)} of the atlas, and the "
            f"weights {weights.path.name} were made with {_words(made)} masked; leave the setting "
            "weights out, so that some are made for what is masked, or choose another --stage"
        )


def _words(masked: Mapping[str, Any] | None) -> str:
    return "nothing" if masked is None else canonical_json(dict(masked))


def n_seen(seen: Path, data: LoadedDataset, rows: IntArray, progress: Progress) -> int:
    """Return how many of the dataset's `rows` are molecules that weights learnt from, in any form.

    Parameters
    ----------
    seen :
        `Weights.seen`.

    Raises
    ------
    DataError
        As `seen_hashes`.
    """
    hashes = seen_hashes(seen)
    return int(was_seen(data.molecules(progress, rows), hashes).sum())


def seen_hashes(path: Path) -> Any:
    """Return what weights learnt from, (k,) uint64 of `connectivity_hash`: see `Weights.seen`.

    Raises
    ------
    DataError
        The file is damaged.
    """
    try:
        hashes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {error}; remove its folder") from error
    if hashes.ndim != 1 or hashes.dtype != np.uint64:
        raise DataError(
            f"{path}: holds {hashes.dtype} {hashes.shape}; expected uint64 (k,), a hash a molecule"
        )
    return hashes

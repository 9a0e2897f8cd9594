"""Making pretrained weights: one process at a time for a key, and nothing lost to a kill."""

from __future__ import annotations

import csv
import io
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import filelock
import numpy as np

from chmr_bench import DataError, WeightsRequest
from chmr_bench.contracts import connectivity_hash
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.pretraining import card, checkpoint, figure
from chmr_bench_chmr.pretraining import place as places
from chmr_bench_chmr.pretraining.loop import Learner, new_network, torch_settings
from chmr_bench_chmr.pretraining.material import Material, check_readouts, prepare
from chmr_bench_chmr.pretraining.state import learn_state
from chmr_bench_chmr.pretraining.usage import tree_usage
from chmr_bench_chmr.weights import (
    WEIGHTS,
    WeightsMetadata,
    feature_requests,
    save_network,
    write_atomically,
)

CHECKPOINT_SECONDS = 120.0
"""How much learning a kill costs at most."""
NAMES_OF_ROW = ("epoch", "part")
PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
"""oneDNN keeps compiled code and work space for its last 1,024 shapes of a layer. Every batch of
molecules has another number of atoms, hence another shape, so that the memory of a process grows by
gigabytes, and none of it is ever of use again."""


def make(config: PretrainConfig, request: WeightsRequest, place: places.Place) -> None:
    """Make the weights in their place; where another process is at it, wait for it.

    Raises
    ------
    DataError, UsageError
        The atlas or the settings are no good.
    PluginError
        A loss is not finite.
    """
    os.environ.setdefault(PRIMITIVES, "16")
    request.folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(place.folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        request.stage("waiting for another process that makes the same weights")
        lock.acquire()
    try:
        if not (place.folder / WEIGHTS).is_file():
            with torch_settings(request):
                _make(config, request, place)
    finally:
        lock.release()


def _make(config: PretrainConfig, request: WeightsRequest, place: places.Place) -> None:
    atlas, atlas_info = request.data.open(config.atlas, config.transductive)
    check_readouts(atlas, config, masked="hidden" in atlas_info)
    material = prepare(atlas, config, request, place.seed)
    learner = learn(config, request, place, material)
    calibration = learn_state(learner.network, material, request)
    history = learner.standing.history
    info = {
        "atlas": dict(atlas_info),
        "key": place.key,
        **place.inputs,
        "material": dict(material.counts),
        "n_learnt": len(material.train),
        "n_held_out": len(material.valid),
        "kept_epoch": learner.standing.best_epoch if learner.best else learner.standing.epoch,
        "losses": _losses(history, learner),
    }
    made = {
        **card.circumstances(learner),
        "tree": tree_usage(learner.network, material, request.device),
        "cell_state": dict(calibration),
    }
    write_atomically(place.folder / places.SEEN, _npy(connectivity_hash(material.keys)))
    figure.draw(place.folder / places.FIGURE, history, f"pretraining on {atlas.name}")
    metadata = WeightsMetadata(
        config=config,
        features=feature_requests(config),
        feature_versions=places.feature_versions(config),
        info=info,
    )
    save_network(
        place.folder / WEIGHTS,
        learner.network,
        metadata,
        lambda sha256: card.write(place.folder, info, made, sha256),
    )
    shutil.rmtree(place.folder / places.CHECKPOINT, ignore_errors=True)


def learn(
    config: PretrainConfig, request: WeightsRequest, place: places.Place, material: Material
) -> Learner:
    """Return the learner at its end: from the start, or on from the last checkpoint."""
    folder = place.folder / places.CHECKPOINT
    epochs = config.epochs if config.encoder == "pretrained" else 0
    learner = Learner(
        material=material,
        config=config.model_copy(update={"epochs": epochs}),
        request=request,
        seed=place.seed,
        network=new_network(material, config, place.seed),
        standing=checkpoint.Standing(place.key),
        keep=lambda kept: checkpoint.write(folder, kept),
        keep_seconds=CHECKPOINT_SECONDS,
    )
    stored = _stored(folder, place, request)
    if stored is not None:
        learner.resume(stored)
        at = learner.standing
        request.log.info("taken up again at epoch %d, step %d", at.epoch + 1, at.step + 1)
    request.stage("learning")
    started = time.monotonic()

    def each_epoch(standing: checkpoint.Standing) -> None:
        content = losses_csv(standing.history).encode()
        write_atomically(place.folder / places.LOSSES, content)
        last = standing.history[-1]
        seconds = time.monotonic() - started
        request.log.info(
            "epoch %d: %s loss %.4f, %.0f s", last["epoch"], last["part"], last["total"], seconds
        )

    learner.learn(each_epoch)
    return learner


def _stored(
    folder: Any, place: places.Place, request: WeightsRequest
) -> checkpoint.Checkpoint | None:
    try:
        return checkpoint.read(folder, place.key)
    except DataError as error:
        request.log.warning("the checkpoint is of no use, so it starts anew: %s", error)
        return None


def losses_csv(history: Sequence[Mapping[str, Any]]) -> str:
    """Return the loss terms as a table: a row an epoch and part."""
    terms = figure.terms_of(history)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*NAMES_OF_ROW, *terms])
    for row in history:
        writer.writerow([*(row[k] for k in NAMES_OF_ROW), *(f"{row[t]:.6g}" for t in terms)])
    return out.getvalue()


def _losses(history: Sequence[Mapping[str, Any]], learner: Learner) -> dict[str, Any]:
    """Return the loss terms of the epoch that is kept, by part."""
    kept = learner.standing.best_epoch if learner.best else learner.standing.epoch
    rows = [row for row in history if row["epoch"] == kept]
    return {
        row["part"]: {k: round(v, 6) for k, v in row.items() if k not in NAMES_OF_ROW}
        for row in rows
    }


def _npy(hashes: Any) -> bytes:
    """Return the hashes, sorted, as the content of a ``.npy`` file."""
    out = io.BytesIO()
    np.save(out, np.sort(hashes), allow_pickle=False)
    return out.getvalue()

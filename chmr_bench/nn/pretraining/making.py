"""Making pretrained weights: one process at a time for a key, and nothing lost to a kill."""

from __future__ import annotations

import csv
import io
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import filelock
import numpy as np
from torch import nn

from chmr_bench import DataError, FeatureRequest, WeightsRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.nn.pretraining import card, checkpoint, figure, files
from chmr_bench.nn.pretraining.learner import Keep, Learner, torch_settings
from chmr_bench.nn.pretraining.material import AtlasMaterial, check_readouts
from chmr_bench.nn.pretraining.network_file import NetworkFile, WeightsMetadata
from chmr_bench.nn.pretraining.place import Place
from chmr_bench.nn.pretraining.settings import AtlasSettings, StepSettings
from chmr_bench.types import IntArray

AnyMaterial = TypeVar("AnyMaterial", bound=AtlasMaterial)
AnyLearner = TypeVar("AnyLearner", bound=Learner)

CHECKPOINT_SECONDS = 120.0
"""How much learning a kill costs at most."""
NAMES_OF_ROW = ("epoch", "part")
PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
"""oneDNN keeps compiled code and work space for its last 1,024 shapes of a layer. Every batch of
molecules has another number of atoms, hence another shape, so that the memory of a process grows by
gigabytes, and none of it is ever of use again."""


@dataclass(frozen=True)
class PretrainingPlan(ABC, Generic[AnyMaterial, AnyLearner]):
    """One model's pretraining with these settings: what `make` puts together.

    Attributes
    ----------
    title, about : str
        For the card: the model's name, and a sentence on what trained weights are.
    kind : type[Learner]
        The model's learner.
    file : NetworkFile
        How its networks are stored.
    config : AtlasSettings
        The model's settings, with the seed of the place: whoever chose it, the bytes are the same.
    place : Place
        Where the weights belong.
    """

    title: ClassVar[str]
    about: ClassVar[str]
    kind: ClassVar[type[Learner]]
    file: ClassVar[NetworkFile[Any, Any]]
    config: AtlasSettings
    request: WeightsRequest
    place: Place

    def __post_init__(self) -> None:
        settled = self.config.model_copy(update={"pretrain_seed": self.place.seed})
        object.__setattr__(self, "config", settled)

    @abstractmethod
    def inputs(self) -> Mapping[str, FeatureRequest]:
        """Return what the network reads of a molecule: name -> feature."""

    @abstractmethod
    def prepare(self, atlas: Atlas) -> AnyMaterial:
        """Return everything that is read while learning."""

    @abstractmethod
    def network(self, material: AnyMaterial) -> nn.Module:
        """Return the network as initialised by the seed."""

    def learner(self, material: AnyMaterial, keep: Keep, keep_seconds: float) -> AnyLearner:
        """Return the learner at its start; an encoder that stays random learns for 0 epochs."""
        epochs = {} if self.config.encoder == "pretrained" else {"epochs": 0}
        started = self.kind(
            material=material,
            config=cast(StepSettings, self.config.model_copy(update=epochs)),
            request=self.request,
            seed=self.place.seed,
            network=self.network(material),
            standing=checkpoint.Standing(self.place.key),
            keep=keep,
            keep_seconds=keep_seconds,
        )
        return cast(AnyLearner, started)

    @abstractmethod
    def finish(self, learner: AnyLearner) -> Mapping[str, Any]:
        """Do what is left to do after learning; return what the card says of it, JSON-able."""

    def also_seen(self) -> IntArray:
        """Return hashes of molecules that the network had learnt from before, as `write_seen`."""
        return np.zeros(0, dtype=np.uint64)

    @abstractmethod
    def card_lines(self, info: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
        """Return the lines of the card's list that are this model's own."""

    def note(self) -> str:
        """Return what boards say where they say what the weights learnt from; often nothing."""
        return ""

    def save(
        self, learner: AnyLearner, info: Mapping[str, Any], write_card: Callable[[str], None]
    ) -> None:
        """Write the weights; `write_card` is called with their sha256 before they are there."""
        noted = {**info, "note": self.note()} if self.note() else info
        metadata = WeightsMetadata.now(self.config, self.inputs(), noted)
        self.file.save(self.place.folder / files.WEIGHTS, learner.network, metadata, write_card)


def make(pretraining: PretrainingPlan[Any, Any]) -> None:
    """Make the weights in their place; where another process is at it, wait for it.

    Raises
    ------
    DataError, UsageError
        The atlas or the settings are no good.
    PluginError
        A loss is not finite.
    """
    request, folder = pretraining.request, pretraining.place.folder
    os.environ.setdefault(PRIMITIVES, "16")
    request.folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        request.stage("waiting for another process that makes the same weights")
        lock.acquire()
    try:
        if not (folder / files.WEIGHTS).is_file():
            with torch_settings(request):
                _make(pretraining)
    finally:
        lock.release()


def _make(pretraining: PretrainingPlan[Any, Any]) -> None:
    config, place = pretraining.config, pretraining.place
    atlas, atlas_info = pretraining.request.data.open(config.atlas, config.transductive)
    check_readouts(atlas, config, masked="hidden" in atlas_info)
    material = pretraining.prepare(atlas)
    learner = learn(pretraining, material)
    more = pretraining.finish(learner)
    history = learner.standing.history
    info = {
        "atlas": dict(atlas_info),
        "key": place.key,
        **place.inputs,
        **({"recipe": place.recipe} if place.recipe else {}),
        "material": dict(material.counts),
        "n_learnt": len(material.train),
        "n_held_out": len(material.valid),
        "kept_epoch": learner.kept_epoch,
        "losses": _losses(history, learner),
    }
    made = {**card.circumstances(learner), **more}
    files.write_seen(place.folder, material.keys, pretraining.also_seen())
    figure.draw(place.folder / files.FIGURE, history, f"pretraining on {atlas.name}")
    lines = pretraining.card_lines(info, made)
    readme = card.readme(pretraining.title, pretraining.about, info, made, lines)
    pretraining.save(
        learner, info, lambda sha256: card.write(place.folder, info, made, sha256, readme)
    )
    shutil.rmtree(place.folder / files.CHECKPOINT, ignore_errors=True)


def learn(
    pretraining: PretrainingPlan[AnyMaterial, AnyLearner], material: AnyMaterial
) -> AnyLearner:
    """Return the learner at its end: from the start, or on from the last checkpoint."""
    request, place = pretraining.request, pretraining.place
    folder = place.folder / files.CHECKPOINT
    learner = pretraining.learner(
        material, lambda kept: checkpoint.write(folder, kept), CHECKPOINT_SECONDS
    )
    stored = _stored(pretraining)
    if stored is not None:
        learner.resume(stored)
        at = learner.standing
        request.log.info("taken up again at epoch %d, step %d", at.epoch + 1, at.step + 1)
    request.stage("learning")
    started = time.monotonic()

    def each_epoch(standing: checkpoint.Standing) -> None:
        content = losses_csv(standing.history).encode()
        files.write_atomically(place.folder / files.LOSSES, content)
        last = standing.history[-1]
        seconds = time.monotonic() - started
        request.log.info(
            "epoch %d: %s loss %.4f, %.0f s", last["epoch"], last["part"], last["total"], seconds
        )

    learner.learn(each_epoch)
    return learner


def _stored(pretraining: PretrainingPlan[Any, Any]) -> checkpoint.Checkpoint | None:
    place = pretraining.place
    try:
        return checkpoint.read(place.folder / files.CHECKPOINT, place.key)
    except DataError as error:
        pretraining.request.log.warning("the checkpoint is of no use, so it starts anew: %s", error)
        return None


def losses_csv(history: Sequence[Mapping[str, Any]]) -> str:
    """Return the loss terms as a table: a row an epoch and part, blank where it has no such one."""
    terms = figure.terms_of(history)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*NAMES_OF_ROW, *terms])
    for row in history:
        numbers = (f"{row[t]:.6g}" if t in row else "" for t in terms)
        writer.writerow([*(row[k] for k in NAMES_OF_ROW), *numbers])
    return out.getvalue()


def _losses(history: Sequence[Mapping[str, Any]], learner: Learner) -> dict[str, Any]:
    """Return the loss terms of the epoch that is kept, by part."""
    rows = [row for row in history if row["epoch"] == learner.kept_epoch]
    return {
        row["part"]: {k: round(v, 6) for k, v in row.items() if k not in NAMES_OF_ROW}
        for row in rows
    }

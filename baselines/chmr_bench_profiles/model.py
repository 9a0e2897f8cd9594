"""What the models on cell profiles share: reading, early and late fusion, what is missing.

Early: one member reads the structure and every profile. Late: one member reads the structure, and
one each modality, fitted on the molecules that have it. Without any profile both are the one member
on the structure. Of that they read bits, or what a subclass does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from pydantic import Field

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import FingerprintConfig, bits_of, requests
from chmr_bench.features.profiles import ProfileView, learn, read
from chmr_bench.tasks import LabelScale, learnable
from chmr_bench.types import BoolArray, FloatArray
from chmr_bench_profiles.fusion import Fusion

Batch = TypeVar("Batch")
Masking: TypeAlias = Callable[[Batch], Batch]


class CellsConfig(FingerprintConfig):
    """The settings of every model on cell profiles."""

    fusion: Literal["early", "late"] = Field(
        "early",
        description="early: one model reads structure and profiles side by side; late: one for the "
        "structure and one a modality, averaged over what a molecule has",
    )
    components: int = Field(
        0,
        ge=0,
        le=4096,
        description="principal components a profile is reduced to, fitted on the training "
        "molecules that have it; 0 = the profile itself",
    )
    modality_dropout: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="early fusion: share of the training molecules that a modality is masked in, "
        "drawn anew in every step of a network and for every 50 trees of a forest",
    )


@dataclass(frozen=True)
class LabelledTable:
    """What one member is fitted on.

    Attributes
    ----------
    x, x_valid : FloatArray
        (n, d) float32; NaN where a profile has no number.
    y, y_valid : FloatArray
        (n, t) labels, NaN = not measured.
    modalities : tuple[slice, ...]
        The columns of each modality that may be masked while learning.
    """

    x: FloatArray
    y: FloatArray
    x_valid: FloatArray
    y_valid: FloatArray
    modalities: tuple[slice, ...] = ()


class Member(Protocol):
    """A fitted part of a model."""

    def predict(self, x: FloatArray) -> FloatArray:
        """Return finite predictions (n, t) of rows laid out as it was fitted on."""
        ...


@dataclass(frozen=True)
class EnsembleMember:
    """A fitted part of the ensemble, what it reads, and the tasks it predicts.

    Attributes
    ----------
    fitted : Member
        The model itself.
    reads : str
        The modality it reads; "" = the structure and, in early fusion, all that there is.
    learnt : BoolArray
        (t,) False where it could learn nothing of a task.
    """

    fitted: Member
    reads: str
    learnt: BoolArray


class CellModel(ABC):
    """Bits and profiles to every task; a subclass says what a member is."""

    on_logits = False
    """Late fusion averages logits, and not probabilities."""

    def __init__(self, config: CellsConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: CellsConfig) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads; the profiles come with the data."""
        return requests(config)

    @abstractmethod
    def _fit_member(self, table: LabelledTable, context: FitContext) -> Member:
        """Return a member fitted on a table; `context.seed` is its own."""

    @abstractmethod
    def _columns(self, view: ProfileView) -> FloatArray:
        """Return a modality as the member's columns, (n, d) float32."""

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit the members on the training rows, and weigh them on the validation rows."""
        self._scales = learn(train, self.config.components)
        self._n_tasks = y_train.shape[1]
        self._scale = LabelScale.of(y_train, context.tasks.task_type)
        y_train, y_valid = self._scale.scaled(y_train), self._scale.scaled(y_valid)
        views, views_valid = read(train, self._scales), read(valid, self._scales)
        early = self.config.fusion == "early"
        base = self._base(train, views), self._base(valid, views_valid)
        first = LabelledTable(
            base[0], y_train, base[1], y_valid, self._maskable(base[0], views) if early else ()
        )
        everything = np.ones(self._n_tasks, dtype=np.bool_)
        structure = self._fit_member(first, _of_member(context, 0))
        self._members = [EnsembleMember(structure, "", everything)]
        if not early:
            for k, name in enumerate(views, start=1):
                own = self._own_table(views[name], y_train, views_valid[name], y_valid)
                self._add_member(name, own, _of_member(context, k))
        self._fusion = Fusion(context.tasks, self.on_logits)
        self._weights = self._fusion.weights(self._predictions(valid, views_valid), y_valid)
        names = (member.reads or "structure" for member in self._members)
        weights = [f"{n} {w:.3f}" for n, w in zip(names, self._weights, strict=True)]
        context.log.info("%s fusion: %s", self.config.fusion, ", ".join(weights))

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        if not len(inputs):
            return np.zeros((0, self._n_tasks))
        predictions = self._predictions(inputs, read(inputs, self._scales))
        return self._scale.restored(self._fusion.mean(predictions, self._weights))

    def _add_member(self, name: str, table: LabelledTable, context: FitContext) -> None:
        """Fit a modality's member, if its molecules have anything to teach."""
        learnt = np.zeros(self._n_tasks, dtype=np.bool_)
        learnt[[task.task for task in learnable(table.y)]] = True
        if learnt.any():
            self._members.append(EnsembleMember(self._fit_member(table, context), name, learnt))

    def _predictions(self, inputs: Inputs, views: Mapping[str, ProfileView]) -> list[FloatArray]:
        """Return what each member predicts, (n, t); NaN where it predicts nothing."""
        predictions = []
        for member in self._members:
            if not member.reads:
                x, rows = self._base(inputs, views), np.arange(len(inputs))
            else:
                view = views[member.reads]
                rows = np.flatnonzero(view.observed)
                x = self._columns(view)[rows]
            y_pred = np.full((len(inputs), self._n_tasks), np.nan)
            if len(rows):
                y_pred[rows] = np.where(member.learnt, member.fitted.predict(x), np.nan)
            predictions.append(y_pred)
        return predictions

    def _base(self, inputs: Inputs, views: Mapping[str, ProfileView]) -> FloatArray:
        """Return the columns of the first member: structure and, in early fusion, the profiles."""
        parts = [self._structure(inputs)]
        if self.config.fusion == "early":
            parts += [self._columns(view) for view in views.values()]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _structure(self, inputs: Inputs) -> FloatArray:
        """Return what is read of the structure, (n, d): the bits."""
        bits: FloatArray = bits_of(inputs, self.config).toarray()
        return bits

    def _masking(self, table: LabelledTable, mask: Callable[..., Batch]) -> Masking[Batch] | None:
        """Return what masks modalities of a batch while learning; None = nothing does."""
        share = self.config.modality_dropout
        if not table.modalities or not share:
            return None
        return partial(mask, modalities=table.modalities, share=share)

    def _maskable(self, x: FloatArray, views: Mapping[str, ProfileView]) -> tuple[slice, ...]:
        """Return the columns of each modality; they stand at the end of x, in order."""
        widths = [self._columns(view).shape[1] for view in views.values()]
        ends = x.shape[1] - sum(widths) + np.cumsum([0, *widths])
        return tuple(slice(a, b) for a, b in pairwise(ends.tolist()))

    def _own_table(
        self, train: ProfileView, y_train: FloatArray, valid: ProfileView, y_valid: FloatArray
    ) -> LabelledTable:
        """Return one modality of the molecules that have it."""
        rows, rows_valid = np.flatnonzero(train.observed), np.flatnonzero(valid.observed)
        x, x_valid = self._columns(train), self._columns(valid)
        return LabelledTable(x[rows], y_train[rows], x_valid[rows_valid], y_valid[rows_valid])


def _of_member(context: FitContext, k: int) -> FitContext:
    """Return the surroundings of the k-th member; its seed follows from the run's and k."""
    (seed,) = np.random.SeedSequence((context.seed, k)).generate_state(1)
    return replace(context, seed=int(seed))

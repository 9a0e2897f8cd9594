"""A pretraining on pairs of molecule and profile in memory, for matching: nothing is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chmr_bench import FitContext, UsageError, WeightsRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.nn.pretraining.learner import torch_settings
from chmr_bench.nn.pretraining.making import AnyLearner, PretrainingPlan
from chmr_bench.nn.pretraining.place import Place
from chmr_bench.nn.pretraining.settings import AtlasSettings


@dataclass(frozen=True)
class PairsData:
    """The training pairs, as a pretraining opens its atlas; satisfies `PretrainingData`."""

    pairs: Atlas

    def digest(self, atlases: Sequence[str], transductive: bool, packages: bool = True) -> str:
        """Return the sha256 of the pairs."""
        return self.pairs.digest()

    def open(self, atlases: Sequence[str], transductive: bool) -> tuple[Atlas, Mapping[str, Any]]:
        """Return the pairs, whatever is named."""
        return self.pairs, {}


def learnt_on_pairs(
    plan: type[PretrainingPlan[Any, AnyLearner]],
    config: AtlasSettings,
    pairs: Atlas,
    context: FitContext,
) -> AnyLearner:
    """Return a pretraining on the pairs at its end, its network in eval mode.

    Raises
    ------
    UsageError
        The settings name weights: those may have learnt from held-out pairs.
    """
    if getattr(config, "weights", ""):
        raise UsageError("matching learns from the training pairs alone: leave weights= out")
    request = WeightsRequest(
        data=PairsData(pairs),
        folder=Path(),
        seed=context.seed,
        make=True,
        n_jobs=context.n_jobs,
        device=context.device,
        precision=context.precision,
        log=context.log,
    )
    own = plan(config, request, Place(Path(), "", context.seed, {}))
    with torch_settings(request):
        learner = own.learner(own.prepare(pairs), lambda _: None, math.inf)
        learner.learn(lambda _: None)
    return learner

"""Pretrainings on a small atlas, for the tests of every model that has one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chmr_bench import WeightsRequest
from chmr_bench.cells import Atlas
from chmr_bench.nn.pretraining import checkpoint
from chmr_bench.nn.pretraining.learner import Learner
from chmr_bench.nn.pretraining.making import PretrainingPlan
from chmr_bench.nn.pretraining.place import Place

KEY = "key"


def learner_of(
    plan: type[PretrainingPlan[Any, Any]], config: Any, request: WeightsRequest, atlas: Atlas
) -> Any:
    """Return a model's learner of an atlas at its start, which keeps no checkpoint."""
    own = plan(config, request, Place(request.folder, KEY, 0, {}))
    return own.learner(own.prepare(atlas), lambda _: None, 1e9)


def stop(learner: Learner, folder: Path, at: int) -> None:
    """Learn up to the checkpoint of that number, write it, and stop as Ctrl-C does."""
    kept = 0

    def keep(made: checkpoint.Checkpoint) -> None:
        nonlocal kept
        kept += 1
        if kept == at:
            checkpoint.write(folder, made)
            raise KeyboardInterrupt

    learner.keep, learner.keep_seconds = keep, 0.0
    with pytest.raises(KeyboardInterrupt):
        learner.learn(lambda _: None)


def check_resumed(started: Callable[[], Learner], folder: Path, at: int) -> None:
    """Stop a pretraining at a checkpoint, and check that the resumed is the undisturbed one."""
    whole = started()
    whole.learn(lambda _: None)
    stop(started(), folder, at)
    torch.manual_seed(at)  # another process has another generator
    resumed, stored = started(), checkpoint.read(folder, KEY)
    assert stored is not None
    resumed.resume(stored)
    resumed.learn(lambda _: None)
    expected, found = whole.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert resumed.standing.history == whole.standing.history
    assert resumed.standing.sittings == 2

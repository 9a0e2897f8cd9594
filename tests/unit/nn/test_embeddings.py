"""Stored embeddings save time and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from chmr_bench import FitContext, Inputs, TaskInfo  # noqa: E402
from chmr_bench.nn import embeddings  # noqa: E402
from chmr_bench.paths import embedding_folder, embeddings_below  # noqa: E402
from chmr_bench.types import FloatArray  # noqa: E402

INPUTS = Inputs(("CCO", "CCN", "CCC"), {}, ())
CONTEXT = FitContext(tasks=TaskInfo("classification", ("a",), "roc_auc"), seed=0)


def encoder() -> Callable[[Inputs], FloatArray]:
    """Build a network, which draws its weights."""
    layer = torch.nn.Linear(2, 2)
    sizes = [[1.0, 2.0]]
    return lambda inputs: layer(torch.tensor(sizes * len(inputs))).detach().numpy()


def test_what_is_drawn_afterwards_is_the_same_with_a_cold_and_a_warm_cache(home: Path) -> None:
    path = embeddings.cache_file(INPUTS, (), "0" * 64, "1", CONTEXT)
    torch.manual_seed(5)
    cold = embeddings.cached(path, INPUTS, 2, CONTEXT, encoder)
    after_cold = torch.rand(3)
    assert path.is_file()
    torch.manual_seed(5)
    warm = embeddings.cached(path, INPUTS, 2, CONTEXT, encoder)
    assert np.array_equal(cold, warm)
    assert torch.equal(after_cold, torch.rand(3))


def test_they_may_lie_elsewhere(home: Path, tmp_path: Path) -> None:
    with embeddings_below(tmp_path / "other"):
        inside = embeddings.cache_file(INPUTS, (), "0" * 64, "1", CONTEXT)
    assert inside.is_relative_to(tmp_path / "other")
    assert embedding_folder() == home / "embeddings"

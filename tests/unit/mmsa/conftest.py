"""What the tests of MMSA share: one thread, small settings, and a learner of the tiny atlas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.nn import trainer

SETTINGS: dict[str, Any] = {
    "atlas": ("tiny",),
    "hidden": 16,
    "layers": 2,
    "image_size": 32,
    "image_width": 4,
    "conformer_hidden": 8,
    "conformer_layers": 1,
    "code_hidden": 16,
    "code": 16,
    "anchors": 16,
    "neighbours": 4,
    "epochs": 1,
    "batch_size": 32,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Such small networks are slower on many threads."""
    pytest.importorskip("torch")
    with trainer.one_thread():
        yield


@pytest.fixture
def settings() -> Callable[..., Any]:
    """Make small settings with some changes."""
    from chmr_bench_mmsa.config import MmsaConfig

    return lambda **changes: MmsaConfig(**{**SETTINGS, **changes})


@pytest.fixture
def learner(tiny: Any, home: Path, tmp_path: Path, settings: Callable[..., Any]) -> Any:
    """Make a learner of the tiny atlas, or of another."""
    from chmr_bench_mmsa.pretraining.making import MmsaPretraining
    from tests.unit.learners import learner_of

    def made(atlas: Any = None, **changes: Any) -> Any:
        opened = tiny.atlas() if atlas is None else atlas
        return learner_of(MmsaPretraining, settings(**changes), tiny.request(tmp_path), opened)

    return made

"""Where a gain is planted, CHMR's own recipe finds it, and its whole tree is in use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chmr_bench.records import RecordStore

pytestmark = pytest.mark.slow
GAIN = 0.05
"""ROC-AUC; the board has a gain of more than this, with an interval, on five seeds."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run CHMR and two of its variants on the planted data, from nothing."""
    folder = tmp_path_factory.mktemp("planted")
    names = ("chmr", "chmr.molecule-only", "chmr.cell-input")
    models = [part for name in names for part in ("--model", name)]
    asked = ["run", *models, "--dataset", "planted", "--seeds", "1", "--jobs", "1", "-q"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHMR_BENCH_HOME", str(folder / "home"))
        subprocess.run(
            [sys.executable, "-m", "chmr_bench", *asked, "--out", str(folder / "board")],
            check=True,
            timeout=900,
        )
    return folder


def test_cells_add_to_structure(ran: Path) -> None:
    records = RecordStore(ran / "board").records()
    score = {r.model.id: r.metrics.macro for r in records if r.metrics}
    assert score["chmr"] > score["chmr.molecule-only"] + GAIN
    assert score["chmr.cell-input"] > score["chmr"]


def test_every_code_of_the_tree_is_used(ran: Path) -> None:
    cards = [json.loads(path.read_text()) for path in (ran / "home").rglob("card.json")]
    (card,) = (card for card in cards if card["material"]["cells"])
    levels = card["made"]["tree"]
    assert [at["codes"] for at in levels] == [2, 4, 8, 16, 32, 64]
    assert [at["used"] for at in levels] == [at["codes"] for at in levels]
    perplexities = [at["perplexity"] for at in levels]
    assert perplexities == sorted(perplexities)
    assert all(at["perplexity"] > at["codes"] / 4 for at in levels)

"""Where a gain is planted, CHMR's own recipe finds it, and its whole tree is in use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chmr_bench.records import RecordStore
from chmr_bench_chmr.weights import SHIPPED

pytestmark = pytest.mark.slow
GAIN = 0.05
"""ROC-AUC; the board has a gain of more than this, with an interval, on five seeds."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pretrain, and run CHMR and two of its variants on the planted data, from nothing."""
    folder = tmp_path_factory.mktemp("planted")
    names = ("chmr", "chmr.molecule-only", "chmr.cell-input")
    models = [part for name in names for part in ("--model", name)]
    where = ["--dataset", "planted", "--jobs", "1", "-q"]
    made = [["pretrain", name, *where] for name in names[:2]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHMR_BENCH_HOME", str(folder / "home"))
        for asked in (*made, ["run", *models, *where, "--out", str(folder / "board")]):
            command = [sys.executable, "-m", "chmr_bench", *asked]
            subprocess.run(command, check=True, timeout=900)
    return folder


def test_cells_add_to_structure(ran: Path) -> None:
    records = RecordStore(ran / "board").records()
    score = {r.model.id: r.metrics.macro for r in records if r.metrics}
    assert score["chmr"] > score["chmr.molecule-only"] + GAIN
    assert score["chmr.cell-input"] > score["chmr"]


def test_weights_that_come_with_it_are_those_that_pretraining_makes(ran: Path) -> None:
    """To the byte on a like processor; elsewhere the losses are as near as makes no odds."""
    shipped = [json.loads(path.read_text()) for path in SHIPPED.glob("*/card.json")]
    made = [json.loads(path.read_text()) for path in (ran / "home").rglob("card.json")]
    assert len(made) == 2
    for card in made:
        (same,) = (other for other in shipped if other["recipe"] == card["recipe"])
        losses = [c["losses"]["valid"]["total"] for c in (card, same)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_every_code_of_the_tree_is_used(ran: Path) -> None:
    cards = [json.loads(path.read_text()) for path in (ran / "home").rglob("card.json")]
    (card,) = (card for card in cards if card["material"]["cells"])
    levels = card["made"]["tree"]
    assert [at["codes"] for at in levels] == [2, 4, 8, 16, 32, 64]
    assert [at["used"] for at in levels] == [at["codes"] for at in levels]
    perplexities = [at["perplexity"] for at in levels]
    assert perplexities == sorted(perplexities)
    assert all(at["perplexity"] > at["codes"] / 4 for at in levels)

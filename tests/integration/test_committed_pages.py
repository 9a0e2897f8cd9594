"""The committed comparison is what the command makes of the committed records."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMMITTED = REPOSITORY / "docs" / "compare"

pytestmark = pytest.mark.slow


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_comparison_is_up_to_date(mirror: Path, tmp_path: Path) -> None:
    models = ["chmr", "infoalign", "mmsa", "chemprop", "fingerprint.forest"]
    words = ["compare", *models, "--suite", "all"]
    subprocess.run(
        [sys.executable, "-m", "chmr_bench", *words, "--to", str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | {"CHMR_BENCH_HOME": str(tmp_path), "CHMR_BENCH_MIRROR": str(mirror)},
        check=True,
        capture_output=True,
    )
    made, committed = rows(tmp_path), rows(COMMITTED)
    assert len(made) == (len(models) - 1) * 9
    assert made == committed, "mend with: make compare"
    page = (COMMITTED / "comparison.md").read_text(encoding="utf-8")
    assert (tmp_path / "comparison.md").read_text(encoding="utf-8") == page

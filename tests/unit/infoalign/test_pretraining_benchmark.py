"""`benchmarks/pretraining.py` on a CPU: the same losses, and others from moved weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "pretraining.py"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("moved", "code"), [("0", 0), ("0.1", 1)])
def test_losses_differ_where_weights_do(tmp_path: Path, moved: str, code: int) -> None:
    written = tmp_path / "table.md"
    words = ["--device", "cpu", "--model", "infoalign", "--molecules", "64", "--batch", "32"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words, "--moved", moved, "--table", str(written)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CHMR_BENCH_HOME": str(tmp_path)},
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    (row,) = [
        line for line in written.read_text(encoding="utf-8").splitlines() if "infoalign" in line
    ]
    assert float(row.split("|")[2]) > 0
    assert (float(row.split("|")[3]) == 0) == (code == 0)

"""What a job may use where nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from chmr_bench.api import options
from chmr_bench.api.options import group_limits, run_options


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def test_limits_of_control_groups_of_both_versions(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "9:cpu,memory:/job/step\n8:pids:/job\n0::/slurm/job\n")
    groups = tmp_path / "sys/fs/cgroup"
    write(groups / "memory/job/step/memory.limit_in_bytes", "4000000000\n")
    write(groups / "memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(groups / "slurm/job/memory.max", "max\n")
    write(groups / "slurm/memory.max", "8000000000\n")
    assert sorted(group_limits(tmp_path)) == [4_000_000_000, 8_000_000_000, 9223372036854771712]
    assert list(group_limits(tmp_path / "elsewhere")) == []


def test_a_job_may_use_what_the_scheduler_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = psutil.virtual_memory().total

    def memory(*limits: int) -> Any:
        monkeypatch.setattr(options, "group_limits", lambda: iter(limits))
        return run_options({}).limits.memory_gb

    assert memory(4_000_000_000, machine * 2) == 3.6
    assert memory() == round(0.9 * machine / 1e9, 1)

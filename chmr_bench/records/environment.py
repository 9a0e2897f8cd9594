"""Where a run happens: versions, commit, processor, memory."""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

from chmr_bench.records.schema import Environment

PACKAGES = (
    "chmr-bench",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "lightgbm",
    "numba",
    "rdkit",
    "torch",
    "torch-geometric",
    "deepchem",
)
"""Packages whose version can change a number."""

MemoryScope = Literal["run", "process", "unknown"]


@functools.cache
def environment() -> Environment:
    """Return versions, platform and commit; found out once a process."""
    commit, dirty = _checkout(Path(__file__).resolve())
    return Environment(
        python=platform.python_version(),
        platform=_platform(),
        cpu=_cpu(),
        packages=_versions(),
        commit=commit,
        dirty=dirty,
    )


def _platform() -> str:
    """Return system, machine and C library; a kernel's build name changes no number."""
    libc = "".join(platform.libc_ver())
    return " ".join(filter(None, [platform.system(), platform.machine(), libc]))


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _cpu() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _checkout(file: Path) -> tuple[str | None, bool | None]:
    """Return the commit that holds `file` and whether code differs from it; None outside git."""
    folder = file.parent
    if _git(folder, "ls-files", "--error-unmatch", file.name) is None:
        return None, None
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(
        folder,
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ":/",
        ":(top,exclude)leaderboards",
    )
    return commit, None if changes is None else bool(changes)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


# ------------------------------------------------------------------------------------------ memory


def reset_peak_memory() -> MemoryScope:
    """Start the peak count anew; return what `peak_memory_mb` will speak of from now on."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return "process" if sys.platform != "win32" else "unknown"
    return "run"


def peak_memory_of_children_mb() -> float:
    """Return the highest resident memory in MB of a child process that has ended; 0 = unknown."""
    return _peak_mb("RUSAGE_CHILDREN") or 0.0


def peak_memory_mb() -> float | None:
    """Return the highest resident memory of this process in MB, None where unknown."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    except (OSError, ValueError):
        pass
    return _peak_mb("RUSAGE_SELF")


def _peak_mb(of: Literal["RUSAGE_SELF", "RUSAGE_CHILDREN"]) -> float | None:
    """Return what the operating system counted, None where it counts nothing (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(getattr(resource, of)).ru_maxrss / unit, 1)

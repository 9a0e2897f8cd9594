"""Where a model runs: on a GPU where there is one, or as the user says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from chmr_bench.contracts import ModelSpec
from chmr_bench.errors import UsageError
from chmr_bench.types import DeviceKind


def device_for(wanted: Literal["auto", "cpu", "cuda"], spec: ModelSpec) -> DeviceKind:
    """Return where a model will run.

    Raises
    ------
    UsageError
        ``cuda`` was asked for and there is none.
    """
    if wanted == "cpu" or not spec.accelerator:
        return "cpu"
    check_device(wanted)
    return "cuda" if wanted == "cuda" or _has_cuda(thorough=False) else "cpu"


def check_device(wanted: str) -> None:
    """Raise UsageError where CUDA was asked for and there is none."""
    if wanted == "cuda" and not _has_cuda(thorough=True):
        raise UsageError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")


def _has_cuda(thorough: bool) -> bool:
    """Ask torch, which takes seconds to import; not where Linux has no such device file."""
    has_file = any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/dxg"))
    if not thorough and Path("/dev").is_dir() and not has_file:
        return False
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())

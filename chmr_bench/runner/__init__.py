"""One run: dataset x split x model x seed -> record."""

from __future__ import annotations

from chmr_bench.runner.checking import check_predictions
from chmr_bench.runner.job import Job
from chmr_bench.runner.run import Finished, Listener, Silent, run_job, settle
from chmr_bench.runner.workspace import DatasetRequest, Opened, SplitRequest, Workspace

__all__ = [
    "DatasetRequest",
    "Finished",
    "Job",
    "Listener",
    "Opened",
    "Silent",
    "SplitRequest",
    "Workspace",
    "check_predictions",
    "run_job",
    "settle",
]

"""One run: dataset x split x model x seed -> record."""

from __future__ import annotations

from chmr_bench.data.requests import DatasetRequest
from chmr_bench.runner.clock import Listener
from chmr_bench.runner.job import Job
from chmr_bench.runner.loading import LoadedDataset, SplitRequest
from chmr_bench.runner.opening import Datasets
from chmr_bench.runner.options import RunOptions
from chmr_bench.runner.run import Finished, run_jobs, settle
from chmr_bench.runner.weights import WeightsCache, WeightsKey

__all__ = [
    "DatasetRequest",
    "Datasets",
    "Finished",
    "Job",
    "Listener",
    "LoadedDataset",
    "RunOptions",
    "SplitRequest",
    "WeightsCache",
    "WeightsKey",
    "run_jobs",
    "settle",
]

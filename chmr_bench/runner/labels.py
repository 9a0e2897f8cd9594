"""Which test cells of a stored run have a label: no other prediction need be kept."""

from __future__ import annotations

import numpy as np

from chmr_bench.errors import ChmrBenchError
from chmr_bench.records import Record
from chmr_bench.runner.opening import Datasets
from chmr_bench.runner.recorded import open_split
from chmr_bench.types import BoolArray


class LabelledCells:
    """Looks up the labels of runs.

    Attributes
    ----------
    missing
        names of datasets whose labels could not be had, or are of another content.
    """

    def __init__(self, datasets: Datasets) -> None:
        self.datasets = datasets
        self.missing: set[str] = set()

    def __call__(self, record: Record) -> BoolArray | None:
        """Return (n_test, t) which cells have a label, None where that is not known."""
        try:
            loaded, split = open_split(record, self.datasets)
        except ChmrBenchError:
            self.missing.add(record.dataset.name)
            return None
        known: BoolArray = ~np.isnan(loaded.dataset.y[split.test])
        return known

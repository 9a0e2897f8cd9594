"""The Python door: what the command line does, from a script or a notebook, with frames returned.

Options are those of the command line, with the same names and defaults (``--split-seeds 5`` is
``split_seeds=5``); what can be given repeatedly there is a name or a list of names here.

Examples
--------
>>> from chmr_bench import run, compare
>>> run("fingerprint.knn", suite="demo", out="runs")  # doctest: +SKIP
>>> compare("mean", "fingerprint.knn", out="runs")  # doctest: +SKIP
"""

from __future__ import annotations

from chmr_bench.api.data import evaluate, load_dataset
from chmr_bench.api.reading import compare, load_runs
from chmr_bench.api.running import ablate, match, run

__all__ = ["ablate", "compare", "evaluate", "load_dataset", "load_runs", "match", "run"]

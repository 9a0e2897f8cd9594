"""What atlases have of datasets, as the command line shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from chmr_bench.api.options import datasets_of, fetch_options
from chmr_bench.api.requests import cell_atlases, data_requests
from chmr_bench.contracts import AtlasSpec
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.display.console import print_note
from chmr_bench.display.progress import fetching
from chmr_bench.errors import ChmrBenchError, DataError
from chmr_bench.plugins import registry
from chmr_bench.types import PARTS

EVERY = "all"
"""Stands for every registered atlas of the dataset's kind whose files are pinned."""


def own_profiles(dataset: str, cells: Sequence[str]) -> list[dict[str, Any]]:
    """Return what each atlas has of a dataset's molecules; one of all that cannot be had is noted.

    Raises
    ------
    ChmrBenchError
        A named atlas is not there, or cannot be had.
    """
    from chmr_bench.runner.joins import joined

    every = [text.strip() for text in cells] == [EVERY]
    named = () if every else cell_atlases(cells)  # what is wrong is told before data are fetched
    joins, request = [], DatasetRequest(name=dataset)
    with fetching(quiet=False) as opening:
        data, fetch = datasets_of({}).load(request, opening(request)), fetch_options({})
        for name in _pinned(data.spec.synthetic) if every else named:
            try:
                joins.append(joined(data, name, fetch, opening(DatasetRequest(name=name))))
            except ChmrBenchError as error:
                if not every:
                    raise
                print_note(f"{name}: {error}")
    return joins


def measured(dataset: str) -> dict[str, Any]:
    """Return what ``show`` says of measured molecules in place of all; see `own_profiles`."""
    from chmr_bench.runner import SplitRequest

    (request,) = data_requests({"dataset": dataset})
    with fetching(quiet=False) as opening:
        data = datasets_of({}).load(request, opening(request))
    sizes: list[int] = []
    if data.spec.split == "reference":
        with contextlib.suppress(DataError):  # a part would be empty: a run says so
            parts = data.split(SplitRequest("reference"))
            sizes = [len(parts.part(part)) for part in PARTS]
    spec = data.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "n_molecules": spec.n_molecules,
        "split_sizes": sizes,
        "split_digests": [],
        "modalities": list(spec.modalities),
        "suites": [],
    }


def _pinned(synthetic: bool) -> list[str]:
    specs = [registered.spec for registered in registry().atlases.values()]
    cells = [s for s in specs if s.kind == "cells" and s.synthetic == synthetic]
    return [s.name for s in cells if s.sources or s.synthetic]


def atlas_facts(specs: Sequence[AtlasSpec], datasets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return atlas -> ``joined`` (dataset -> rows) and ``agreement`` (of each block's repeats).

    An atlas that cannot be had is noted, and has neither; datasets of the other kind, simulated or
    real, are left out.
    """
    from chmr_bench.runner.joins import joined, replicate_agreement

    loader, fetch = datasets_of({}), fetch_options({})
    facts = {}
    with fetching(quiet=False) as opening:
        requests = data_requests({"dataset": list(datasets)})
        data = [loader.load(request, opening(request)) for request in requests]
        for spec in (spec for spec in specs if spec.kind != "assays"):  # which are no profiles
            alike = [one for one in data if one.spec.synthetic == spec.synthetic]
            reading = opening(DatasetRequest(name=spec.name))
            try:
                rows = {d.spec.name: joined(d, spec.name, fetch, reading)["rows"] for d in alike}
                agreement = replicate_agreement(spec, fetch, reading)
                facts[spec.name] = {"joined": rows, "agreement": agreement}
            except ChmrBenchError as error:
                print_note(f"{spec.name}: {error}")
    return facts

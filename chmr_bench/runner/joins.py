"""How many of a dataset's molecules an atlas has measured, and how well it repeats itself.

Both take an atlas to be opened, which takes up to minutes: what was found is kept, by content.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from chmr_bench import foreign, paths
from chmr_bench.cells import ProfileTable, sources
from chmr_bench.cells.linking import LINK_VERSION
from chmr_bench.cells.replicates import agreements
from chmr_bench.cells.sources.keys import keys_where_readable
from chmr_bench.contracts import AtlasSpec, Progress, no_progress
from chmr_bench.data.fetch import FetchOptions, SourceFiles
from chmr_bench.lazy import load_object
from chmr_bench.records import canonical_json, json_digest
from chmr_bench.runner.loading import LoadedDataset, SplitRequest
from chmr_bench.runner.own_profiles import profiles
from chmr_bench.runner.pretraining import atlas_specs, public_name


def joined(
    data: LoadedDataset, atlas: str, options: FetchOptions, progress: Progress = no_progress
) -> dict[str, Any]:
    """Return how many rows of a dataset, and of its own split's test part, have profiles.

    Returns
    -------
    dict of str to Any
        ``rows`` and ``test_rows`` that have any, ``n`` and ``n_test`` there are, ``conflicts``,
        and ``blocks``: name -> the same of each.
    """
    split = SplitRequest.of(data.spec.split)
    specs = atlas_specs([atlas])
    content = ["join", LINK_VERSION, sources.digest(specs), data.digest, data.split_digest(split)]

    def compute() -> dict[str, Any]:
        part, test = profiles(data, atlas, options, progress), data.split(split).test
        seen = {name: block.observed_rows for name, block in part.full().items()}
        return {
            "atlas": public_name(atlas),
            "n": part.n,
            "n_test": len(test),
            "rows": int(part.observed.sum()),
            "test_rows": int(part.observed[test].sum()),
            "conflicts": part.conflicts,
            "blocks": {
                name: {"rows": int(rows.sum()), "test_rows": int(rows[test].sum())}
                for name, rows in seen.items()
            },
        }

    rows: dict[str, Any] = _kept(content, compute)
    return rows


def replicate_agreement(
    spec: AtlasSpec, options: FetchOptions, progress: Progress = no_progress
) -> list[dict[str, Any]]:
    """Return the agreement of each block's repeats, see `cells.replicates`; none of an `Atlas`."""

    def compute() -> list[dict[str, Any]]:
        shown = no_progress if foreign.is_foreign(spec.load) else progress  # none from a worker
        rows: list[dict[str, Any]] = foreign.call(
            spec.load,
            *(spec, options, shown),
            by=f"{__name__}:block_agreements",
            seconds=options.load_limit,
        )
        return rows

    kept: list[dict[str, Any]] = _kept(["agreement", sources.digest([spec])], compute)
    return kept


def block_agreements(
    spec: AtlasSpec, options: FetchOptions, progress: Progress
) -> list[dict[str, Any]]:
    """Return the same, computed in this process."""
    table = load_object(spec.load)(spec, SourceFiles(spec, options, progress))
    if not isinstance(table, ProfileTable):  # an Atlas has one row a molecule
        return []
    keys = table.keys or keys_where_readable(table.smiles, progress, strict=table.strict).keys
    return [asdict(one) for one in agreements(table, keys)]


def _kept(content: list[Any], compute: Callable[[], Any]) -> Any:
    """Return what was computed for this content before, else compute it; a lost file costs time."""
    file = paths.home() / "joins" / f"{json_digest(content)[:32]}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        answer = compute()
    paths.keep(file, canonical_json(answer))
    return answer

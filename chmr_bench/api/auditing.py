"""Audits of datasets and their splits, as the command line asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chmr_bench import audit, splits
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.display.console import print_note
from chmr_bench.display.progress import display, fetching
from chmr_bench.display.remarks import unused_seeds
from chmr_bench.report.audits import Audits, key_of
from chmr_bench.runner import Datasets, SplitRequest
from chmr_bench.runner.auditing import Seen, examine, seen_by_weights, subject


def audits_of(
    datasets: Datasets,
    requests: Sequence[DatasetRequest],
    method: str,
    seed: int,
    weights: Sequence[Path],
    quiet: bool,
) -> Audits:
    """Return the audits of datasets on a split; where no `method` is named, on each one's own.

    Test molecules are looked for in what `weights` learnt from; none named = all made here.
    """
    if method:
        splits.check_method(method)
        splits.check_seed(method, seed)
    seen = seen_by_weights(weights)
    with fetching(quiet=quiet) as opening:
        for request in requests:
            datasets.load(request, opening(request))
    methods = {method or datasets.load(request).spec.split for request in requests}
    for remark in unused_seeds(methods, (seed,)):
        print_note(f"note: {remark}")
    return _together([_audit(datasets, r, method, seed, quiet) for r in requests], seen)


def _audit(
    datasets: Datasets, request: DatasetRequest, method: str, seed: int, quiet: bool
) -> audit.Audit:
    data = datasets.load(request)
    split = SplitRequest.of(method or data.spec.split, seed)
    with display(1, quiet=quiet) as shown:
        shown.begun(data.spec.name)
        one = subject(data, split, shown.progress, shown.step)
        return examine(one, datasets.n_jobs, shown.progress, shown.step)


def _together(audits: Sequence[audit.Audit], seen: Sequence[Seen]) -> Audits:
    """Return the audits with what they share: with each other, and with pretraining."""
    subjects = {key_of(one): one.subject for one in audits}
    test = {name: one.molecules.take(one.split.test) for name, one in subjects.items()}
    train = {name: one.molecules.take(one.split.train) for name, one in subjects.items()}
    pretrained = [
        row
        for weights in seen
        for row in audit.pretraining(weights.title, weights.hashes, weights.n, test)
    ]
    return Audits(tuple(audits), audit.overlaps(test, train), tuple(pretrained))

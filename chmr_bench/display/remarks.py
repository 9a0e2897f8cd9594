"""What is said before work begins: what was inferred, what has no effect, what comes first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from chmr_bench import splits
from chmr_bench.contracts import PendingWeights
from chmr_bench.data.counts import plural
from chmr_bench.display.console import duration, print_note
from chmr_bench.display.progress import label
from chmr_bench.plugins import registry
from chmr_bench.runner import Datasets
from chmr_bench.runner.estimate import making_seconds
from chmr_bench.splits.grouped import FOLDS, REPEATS
from chmr_bench.sweep import Plan, Request

FEW = 10
"""Test molecules; with fewer a score says little."""


def show(request: Request, plan: Plan, datasets: Datasets, *, plan_shown: bool) -> None:
    """Print the remarks on a plan; why jobs cannot run only where the plan does not say so."""
    for remark in (*_inferred(request, datasets), *_unused(request, plan), *plan.notes):
        print_note(f"note: {remark}")
    if not plan_shown:
        for reason in dict.fromkeys(i.reason for i in plan.items if i.state == "impossible"):
            print_note(f"cannot run: {reason}")
    for item in plan.items if plan.keep_failed else ():
        if item.state == "failed":
            print_note(f"{label(item)}  failed before, left as it is: {item.reason}")


def announcement(pending: PendingWeights, n_jobs: int) -> str:
    """Return which weights would be made, how long that takes here, and how to do without."""
    seconds = making_seconds(pending, n_jobs)
    time = "" if seconds is None else f"about {duration(seconds)} on this machine, once"
    return "; ".join(filter(None, [pending.title, time, pending.without]))


def _inferred(request: Request, datasets: Datasets) -> Iterator[str]:
    """Yield what was seen in each file rather than said by its user."""
    for one in request.datasets:
        if one.file:
            yield from (f"{one.file}: {note}" for note in datasets.load(one).spec.notes)


def _unused(request: Request, plan: Plan) -> Iterator[str]:
    """Yield the options that change nothing in this plan."""
    yield from unused_seeds({item.split for item in plan.items}, request.split_seeds)
    yield from _few_folds(plan)
    yield from _names_kept_before(plan)
    yield from dict.fromkeys(_few_tested(plan))
    specs = [registry().model(name).spec for name in request.models]
    if request.device == "cuda" and not any(spec.accelerator for spec in specs):
        yield f"--device cuda changes nothing: {', '.join(request.models)} can use the CPU only"


def _names_kept_before(plan: Plan) -> Iterator[str]:
    """Yield that runs are on record with other names of molecules than are asked for."""
    for item in plan.items:
        if item.state == "cached" and item.before and item.job:
            asked, kept = item.job.data.request.id, item.before.dataset.origin.id
            if asked and asked != kept:
                yield (
                    f"--id {asked} changes nothing in what is on record: runs of {item.dataset} "
                    f"were stored with {f'the names of {kept!r}' if kept else 'no names'}"
                )
                return


def _few_tested(plan: Plan) -> Iterator[str]:
    """Yield which tables of a user have hardly a molecule to test on."""
    for job in (item.job for item in plan.items if item.job and item.job.data.request.file):
        n = len(job.data.split(job.split).test)
        if n < FEW:
            split = job.split.method
            yield (
                f"{job.data.spec.name}: {plural(n, 'molecule')} in the test part of split {split}; "
                "a score of so few says little"
            )


def _few_folds(plan: Plan) -> Iterator[str]:
    """Yield that a repeated cross-validation is planned in part."""
    seeds = {item.split_seed for item in plan.items if item.split == "cv5x5"}
    every = REPEATS * FOLDS
    if 0 < len(seeds) < every:
        yield f"{len(seeds)} of the {every} folds of cv5x5; --split-seeds {every} runs all"


def unused_seeds(methods: Collection[str], wanted: Sequence[int]) -> Iterator[str]:
    """Yield that split seeds were given where no split method draws anything."""
    if tuple(wanted) != (0,) and not any(splits.depends_on_seed(method) for method in methods):
        n, several = len(wanted), tuple(wanted) == tuple(range(len(wanted)))
        option = f"--split-seeds {n}" if several else f"--split-seed {', '.join(map(str, wanted))}"
        yield f"{option} changes nothing: the split {' or '.join(sorted(methods))} draws nothing"

"""``chmr-bench audit``: what a dataset and its split let a model know beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.errors import INTERRUPTED, DataError, UsageError

if TYPE_CHECKING:
    from chmr_bench.audit import Audit
    from chmr_bench.data.requests import DatasetRequest
    from chmr_bench.records.audited import AuditFile
    from chmr_bench.report.audits import Audits
    from chmr_bench.runner.auditing import Seen
    from chmr_bench.runner.clean_scores import Skipped
    from chmr_bench.runner.loading import SplitRequest
    from chmr_bench.runner.opening import Datasets

OUT = Path("leaderboards")
PAGE, JSON, PICTURE = "audit.md", "audit.json", "similarity.png"
WeightsOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Pretrained weights that lie beside their seen.npy; repeatable. Else all that "
        "chmr-bench made here."
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=f"Also write {PAGE}, {JSON} and {PICTURE} there. With --records: the folder of "
        "records and tables, else leaderboards.",
    ),
]
RecordsOption = Annotated[
    bool,
    typer.Option(
        "--records",
        help="Score every record on clean test rows instead, into DIR/audit; "
        "'leaderboard build' then shows them.",
    ),
]


@options.takes(options.DatasetGroup, options.TableGroup, options.FetchGroup)
def audit(
    given: dict[str, Any],
    split: options.Split = "",
    split_seed: Annotated[int, typer.Option(help="Seed of a drawn split.")] = 0,
    weights: WeightsOption = None,
    jobs: options.Jobs = 0,
    out: OutOption = None,
    records: RecordsOption = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Count test molecules that training has seen.

    The tables: test rows shared with training, at five levels; similarity to the nearest training
    row; duplicates with differing labels; labels by task and part; test rows that other datasets
    train on, or that pretrained weights have seen.
    """
    from chmr_bench.api.options import datasets_of, table_options
    from chmr_bench.api.requests import data_requests, valid_seed
    from chmr_bench.report.render import write_files

    datasets = datasets_of({**given, "jobs": jobs})
    if records:
        data_named = given["suite"] or given["dataset"] or table_options(given).given
        if data_named or split or split_seed or weights:
            raise UsageError(
                "--records audits every record, on its own dataset and split; leave --dataset, "
                "--suite, --split and --weights out"
            )
        return _records(datasets, out or OUT, as_json, quiet)
    chosen, seed = data_requests(given), valid_seed("--split-seed", split_seed)
    if out is not None:
        write_files(out, {})  # before the work, not after it
    audits = _audited(datasets, chosen, split, seed, weights or [], quiet)
    if audits is None:
        return INTERRUPTED
    _show(audits, as_json)
    if out is not None:
        _write(audits, out)
    return 0


def _audited(
    datasets: Datasets,
    requests: tuple[DatasetRequest, ...],
    method: str,
    seed: int,
    weights: list[Path],
    quiet: bool,
) -> Audits | None:
    """Return the audits; None where the user stopped it."""
    from chmr_bench.display import remarks
    from chmr_bench.display.console import print_note
    from chmr_bench.display.progress import fetching
    from chmr_bench.runner.auditing import seen_by_weights
    from chmr_bench.sweep.interrupt import stoppable

    _check_split(method, seed)
    seen = seen_by_weights(weights)
    with fetching(quiet=quiet) as opening:
        for request in requests:
            datasets.load(request, opening(request))
    methods = {method or datasets.load(request).spec.split for request in requests}
    for remark in remarks.unused_seeds(methods, (seed,)):
        print_note(f"note: {remark}")
    with stoppable():
        try:
            audits = [_one(datasets, r, method, seed, quiet) for r in requests]
        except KeyboardInterrupt:
            print_note("interrupted; what was computed is kept, the same command goes on from here")
            return None
    return _together(audits, seen)


def _check_split(method: str, seed: int) -> None:
    from chmr_bench import splits

    if method:
        splits.check_method(method)
        splits.check_seed(method, seed)


def _one(datasets: Datasets, request: DatasetRequest, method: str, seed: int, quiet: bool) -> Audit:
    from chmr_bench.display.progress import display
    from chmr_bench.runner.auditing import examine, subject

    data = datasets.load(request)
    split = _split(method or data.spec.split, seed)
    with display(1, quiet=quiet) as shown:
        shown.begun(data.spec.name)
        one = subject(data, split, shown.progress, shown.step)
        return examine(one, datasets.n_jobs, shown.progress, shown.step)


def _split(method: str, seed: int) -> SplitRequest:
    from chmr_bench import splits
    from chmr_bench.runner.loading import SplitRequest

    return SplitRequest(method, seed if splits.depends_on_seed(method) else None)


def _together(audits: list[Audit], seen: list[Seen]) -> Audits:
    """Return the audits with what they share: with each other, and with pretraining."""
    from chmr_bench import audit as auditing
    from chmr_bench.report.audits import Audits, key_of

    subjects = {key_of(one): one.subject for one in audits}
    test = {name: one.molecules.take(one.split.test) for name, one in subjects.items()}
    train = {name: one.molecules.take(one.split.train) for name, one in subjects.items()}
    pretrained = [
        row
        for weights in seen
        for row in auditing.pretraining(weights.title, weights.hashes, weights.n, test)
    ]
    return Audits(tuple(audits), auditing.overlaps(test, train), tuple(pretrained))


def _show(audits: Audits, as_json: bool) -> None:
    from chmr_bench.cli.leaderboard import print_grid
    from chmr_bench.display.console import print_json
    from chmr_bench.report.audits import audit_grids, audits_json

    if as_json:
        print_json(audits_json(audits))
        return
    for grid in audit_grids(audits, whole=False):
        print_grid(grid)


def _write(audits: Audits, out: Path) -> None:
    from chmr_bench.display.console import print_note
    from chmr_bench.records.rounding import as_json
    from chmr_bench.report.audits import audit_page, audits_json
    from chmr_bench.report.figures import draw_similarity
    from chmr_bench.report.render import write_files

    page, content = audit_page(audits, PICTURE), as_json(audits_json(audits))
    write_files(out, {PAGE: page, JSON: content, PICTURE: draw_similarity(audits.audits)})
    print_note(f"{out / PAGE}, {JSON}, {PICTURE}")


def _records(datasets: Datasets, out: Path, as_json: bool, quiet: bool) -> int:
    """Write the clean scores of every record.

    Exit code 3 where registered data cannot be had, or where nothing could be audited.
    """
    from chmr_bench.api.options import store_of
    from chmr_bench.display.console import print_note
    from chmr_bench.display.progress import display
    from chmr_bench.records.audited import write_all
    from chmr_bench.runner.clean_scores import Skipped, audit_records
    from chmr_bench.sweep.interrupt import stoppable

    store = store_of(out)
    with stoppable(), display(1, quiet=quiet) as shown:
        shown.begun("clean scores")
        try:
            results = list(audit_records(store, datasets, shown.progress, shown.step))
        except KeyboardInterrupt:
            print_note("interrupted; nothing was written")
            return INTERRUPTED
    audits = [one for one in results if not isinstance(one, Skipped)]
    skipped = [one for one in results if isinstance(one, Skipped)]
    written = write_all(out, audits, {record.identity for record in store.records()})
    _show_clean(audits, skipped, as_json)
    if written:
        more = f" and {len(written) - 1} more" if len(written) > 1 else ""
        print_note(f"{written[0]}{more}; now: chmr-bench leaderboard build")
    failed = any(one.blocking for one in skipped) or (skipped and not audits)
    return DataError.exit_code if failed else 0


def _show_clean(audits: list[AuditFile], skipped: list[Skipped], as_json: bool) -> None:
    from chmr_bench.display.console import plural, print_json, print_note, print_table

    for one in skipped:
        print_note(f"not audited: {one.what} ({plural(one.n_records, 'record')}): {one.reason}")
    if as_json:
        print_json([one.model_dump(mode="json", by_alias=True) for one in audits])
        return
    rows = []
    for audit in audits:
        seed = "" if audit.split_seed is None else f" {audit.split_seed}"
        counts = (f"{audit.n_test:,}", f"{audit.n_clean:,}", f"{100 * audit.leaked_share:.1f} %")
        rows.append([audit.dataset, audit.split + seed, *counts, f"{len(audit.scores)}"])
    columns = ["dataset", "split", "test rows", "clean", "leaked", "records"]
    print_table("Records audited", columns, rows, right=columns[2:])

"""``chmr-bench audit``: what a dataset and its split let a model know beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.cli.group import stopping
from chmr_bench.display.console import plural, print_grids, print_json, print_note, print_table
from chmr_bench.errors import DataError, UsageError
from chmr_bench.report.words import split_words

if TYPE_CHECKING:
    from chmr_bench.records.audited import AuditFile
    from chmr_bench.report.audits import Audits
    from chmr_bench.runner.clean_scores import Skipped
    from chmr_bench.runner.opening import Datasets

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
        parser=options.folder,
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
    from chmr_bench.api.auditing import audits_of
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
        return _records(datasets, out or options.OUT_FOLDER, as_json, quiet)
    chosen, seed = data_requests(given), valid_seed("--split-seed", split_seed)
    if out is not None:
        write_files(out, {})  # before the work, not after it
    with stopping("interrupted; what was computed is kept, the same command goes on from here"):
        audits = audits_of(datasets, chosen, split, seed, weights or [], quiet)
    _show(audits, as_json)
    if out is not None:
        _write(audits, out)
    return 0


def _show(audits: Audits, as_json: bool) -> None:
    from chmr_bench.report.audits import audit_grids, audits_json

    if as_json:
        print_json(audits_json(audits))
    else:
        print_grids(audit_grids(audits, whole=False))


def _write(audits: Audits, out: Path) -> None:
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
    from chmr_bench.display.progress import display
    from chmr_bench.records.audited import write_all
    from chmr_bench.runner.clean_scores import Skipped, audit_records

    store = store_of(out)
    with stopping("interrupted; nothing was written"), display(1, quiet=quiet) as shown:
        shown.begun("clean scores")
        results = list(audit_records(store, datasets, shown.progress, shown.step))
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
    for one in skipped:
        print_note(f"not audited: {one.what} ({plural(one.n_records, 'record')}): {one.reason}")
    if as_json:
        print_json([one.model_dump(mode="json", by_alias=True) for one in audits])
        return
    rows = []
    for audit in audits:
        counts = (f"{audit.n_test:,}", f"{audit.n_clean:,}", f"{100 * audit.leaked_share:.1f} %")
        rows.append(
            [
                audit.dataset,
                split_words(audit.split, audit.split_seed),
                *counts,
                f"{len(audit.scores)}",
            ]
        )
    columns = ["dataset", "split", "test rows", "clean", "leaked", "records"]
    print_table("Records audited", columns, rows, right=columns[2:])

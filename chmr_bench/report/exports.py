"""The tables as CSV and JSON: full precision, every row, nothing that changes without a record.

The tables of one dataset, whatever its splits, share a page, a CSV and a JSON file.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chmr_bench.records import json_digest
from chmr_bench.records.audited import AuditFile
from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.boards import MAIN, BoardRow, Cell, FilledBoard
from chmr_bench.report.published import Published
from chmr_bench.report.runs import Run

TABLES_SCHEMA = "chmr-bench tables 4"
SETTINGS_SCHEMA = "chmr-bench settings 1"
BOARD_SCHEMA = "chmr-bench board 1"
TABLES = "tables"
SETTINGS = ("version", "plugin", "weights", "overrides", "params", "precision", "device")
"""What rows of several tables and datasets have alike: it stands once, in a file of its own."""
ELSEWHERE = ("n_tasks", "n_test_rows", "n_clean_rows", "leaked_share", "missing", "pretraining")
"""What a row of a file leaves out: its table says it, or the packed runs do."""


def documents(
    tables: Sequence[Table], boards: Iterable[FilledBoard], papers: Iterable[Published]
) -> dict[str, Any]:
    """Return the files of several datasets: name -> rows of a CSV, or content of a JSON file."""
    contents: dict[str, Any] = {}
    for board in boards:
        stem = "overall" if board.board.name == MAIN else f"overall-{board.board.name}"
        contents[f"{stem}.csv"] = [flat(board_row(board, row)) for row in board.rows]
        contents[f"{stem}.json"] = board_json(board)
    if tables:
        contents["timing.csv"] = timing(tables)
        contents["printed.csv"] = printed(papers)
    return contents


def settings_json(of_datasets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the JSON file of the settings that rows of several datasets share."""
    settings = {name: own for of in of_datasets for name, own in of.items()}
    return {"schema": SETTINGS_SCHEMA, "settings": dict(sorted(settings.items()))}


def by_file(tables: Sequence[Table]) -> dict[str, list[Table]]:
    """Return file stem -> the tables in it: those of datasets whose names make one file name."""
    stems: dict[str, str] = {}
    by_stem: dict[str, list[Table]] = {}
    for table in tables:
        stem = re.sub(r"[^A-Za-z0-9._+]+", "-", table.name).strip("-.") or "unnamed"
        by_stem.setdefault(stems.setdefault(stem.lower(), stem), []).append(table)
    return by_stem


def digest_of(tables: Sequence[Table]) -> str:
    """Return a hash of all that tables say."""
    import orjson

    def other(value: Any) -> Any:
        if isinstance(value, Row | Table):  # a row's replicates are read or not: no words of it
            return {name: own for name, own in vars(value).items() if name != "runs"}
        return repr(value)

    try:
        said = orjson.dumps(tables, default=other, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:  # a whole number of more than 64 bits, or half a character: made anew
        said = secrets.token_bytes()
    return hashlib.sha256(said).hexdigest()


# --------------------------------------------------------------------------------------- one table


def dataset_json(tables: Sequence[Table]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON file of a dataset, and what its rows are set to, by hash."""
    contents, settings = [table_json(table) for table in tables], {}
    for row in (row for content in contents for row in content["rows"]):
        own = {name: row.pop(name) for name in SETTINGS}
        row["settings"] = json_digest(own)[:16]
        settings[row["settings"]] = own
        for name in ELSEWHERE:
            row.pop(name, None)
    return {"schema": TABLES_SCHEMA, "tables": contents}, settings


def table_json(table: Table) -> dict[str, Any]:
    """Return everything about one table."""
    facts = table.facts
    return {
        "kind": table.kind,
        "synthetic": facts["synthetic"],
        "dataset": {
            "name": table.name,
            **{n: facts[f"dataset_{n}"] for n in ("title", "digest", "version")},
            "task_type": facts["task_type"],
            "metric": facts["dataset_metric"],
            "unit": facts["unit"],
            **{n: facts[n] for n in ("n_molecules", "n_tasks")},
            "dropped": facts["n_dropped"],
            "synthetic": facts["synthetic"],
            "dropped_rows": json.loads(facts["dropped_rows"]),
        },
        "split": split_json(facts),
        "metric": table.metric,
        "greater_is_better": table.greater_is_better,
        "not_evaluable": list(table.not_evaluable),
        **({"audit": _audit(table.audited)} if table.audited else {}),
        "rows": [_row_json(table, row) for row in table.rows],
    }


def split_json(facts: Run) -> dict[str, Any]:
    """Return the split of a run."""
    return {
        "name": facts["split"],
        **{name: facts[f"split_{name}"] for name in ("seed", "digest")},
        **{name: facts[name] for name in ("n_train", "n_valid", "n_test")},
    }


def _audit(audit: AuditFile) -> dict[str, Any]:
    """Return the counts of an audit; its scores stand in the rows."""
    counts = {"levels", "levels_with_valid", "n_test", "n_clean"}
    return {**audit.model_dump(mode="json", include=counts), "leaked_share": audit.leaked_share}


def _row_json(table: Table, row: Row) -> dict[str, Any]:
    first = row.first
    of_table = ("dataset", "synthetic", "split", "metric", "n_dropped")
    numbers = {k: v for k, v in row_numbers(table, row).items() if k not in of_table}
    pretraining = [json.loads(r["pretraining"]) for r in row.lines if r["pretraining"]]
    return {
        **numbers,
        "version": first["model_version"],
        "plugin": {
            "name": first["plugin"],
            **{name: first[f"plugin_{name}"] for name in ("distribution", "version")},
        },
        "weights": first["row_weights"],
        **({"pretraining": pretraining} if pretraining else {}),
        **{name: json.loads(first[name]) for name in ("overrides", "params")},
        "missing": None,
        **({"cells": json.loads(first["cells"])} if first["cells"] else {}),
        **{name: first[name] for name in ("precision", "device")},
        "seeds": row.seeds,
        "failures": row.failures,
        "records": [line["identity"] for line in row.lines],
    }


def row_numbers(table: Table, row: Row) -> dict[str, Any]:
    """Return a row's numbers, by the names they have in CSV and JSON."""
    behind = row.behind or (None, None, None)
    return {
        "dataset": table.label,
        "synthetic": table.facts["synthetic"],
        "split": table.split_name,
        "metric": table.metric,
        "row": row.label,
        "model": row.first["model"],
        "score": row.score,
        "low": row.low,
        "high": row.high,
        "sd_over_seeds": row.sd,
        "n_runs": len(row.good),
        "deterministic": row.first["deterministic"],
        "behind_best": behind[0],
        "behind_best_low": behind[1],
        "behind_best_high": behind[2],
        "n_tasks": table.facts["n_tasks"],
        "n_evaluable": row.n_evaluable,
        "share_080": row.share_080,
        "n_failed": len(row.failures),
        **_clean_numbers(table, row),
        "n_dropped": table.n_dropped,
    }


def _clean_numbers(table: Table, row: Row) -> dict[str, Any]:
    """Return the numbers on clean test rows; none where the table was not audited."""
    audit = table.audited
    if audit is None:
        return {}
    return {
        "score_clean": row.clean_score,
        "n_evaluable_clean": row.clean[0].n_evaluable if row.clean else None,
        "n_test_rows": audit.n_test,
        "n_clean_rows": audit.n_clean,
        "leaked_share": audit.leaked_share,
        "audited": row.clean is not None,
    }


# ----------------------------------------------------------------------------------------- a board


def board_json(board: FilledBoard) -> dict[str, Any]:
    """Return everything about one board."""
    spec = board.board
    content = {
        "schema": BOARD_SCHEMA,
        "name": spec.name,
        **spec.model_dump(mode="json"),
        "metrics": {name: board.metric(name) for name in board.tables},
    }
    if spec.is_drawn:
        content["split_seeds"] = board.split_seeds
    return {**content, "rows": [board_row(board, row) for row in board.rows]}


def board_row(board: FilledBoard, row: BoardRow) -> dict[str, Any]:
    """Return a row's numbers."""
    names, drawn = board.board.datasets, board.board.is_drawn
    cells = {name: row.cells.get(name) for name in names}
    if drawn:
        scores: dict[str, Any] = {name: _drawn_cell(cell) for name, cell in cells.items()}
        around = {"classification_sd_over_splits": row.sd}
    else:
        scores = {name: cell.mean if cell else None for name, cell in cells.items()}
        around = {"classification_low": row.low, "classification_high": row.high}
    return {
        "row": row.label,
        "scores": scores,
        "classification_mean": row.classification,
        **around,
        "average_rank": row.average_rank,
        **({} if drawn else {"ranks": {name: row.ranks.get(name) for name in names}}),
        "n_covered": len(row.cells),
        "n_datasets": len(names),
        "n_failed": row.n_failed,
    }


def _drawn_cell(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    return {
        "mean": cell.mean,
        "sd_over_splits": cell.sd,
        "low": cell.low,
        "high": cell.high,
        "n_splits": len(cell.rows),
        "n_splits_on_record": len(cell.wanted),
        "by_split_seed": {str(seed): score for seed, score in sorted(cell.scores.items())},
    }


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of `board_row` with columns a dataset."""
    columns: dict[str, Any] = {}
    for key, value in row.items():
        if key == "ranks":
            columns |= {f"rank_{name}": rank for name, rank in value.items()}
        elif key != "scores":
            columns[key] = value
        elif "ranks" in row:
            columns |= value
        else:
            for name, cell in value.items():
                entry = cell or {}
                columns[name] = entry.get("mean")
                columns[f"{name}_sd_over_splits"] = entry.get("sd_over_splits")
                columns[f"{name}_n_splits"] = entry.get("n_splits", 0)
    return columns


# ------------------------------------------------------------------------------- time, and papers


def timing(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Return a line a row: what varies from run to run is kept out of the other tables."""
    return [
        {
            "dataset": table.label,
            "split": table.split_name,
            "row": row.label,
            "n_runs": len(good),
            "fit_and_predict_seconds": row.fit_and_predict,
            "total_seconds": sum(run["seconds"] for run in good) / len(good),
            "peak_memory_mb": max(run["peak_memory_mb"] or 0.0 for run in good) or None,
            "n_jobs": max(run["n_jobs"] for run in good),
            "device": row.first["device_name"] or row.first["device"],
        }
        for table in tables
        for row in table.rows
        if (good := row.good)
    ]


def printed(papers: Iterable[Published]) -> list[dict[str, Any]]:
    """Return a line a figure that papers print."""
    return [
        {"paper": paper.paper.key, "table": table.name, **figure.model_dump(mode="json")}
        for paper in papers
        for table in paper.table
        for figure in table.figures
    ]

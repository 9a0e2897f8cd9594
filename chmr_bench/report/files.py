"""The tables as CSV and JSON: full precision, every row, nothing that changes without a record."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chmr_bench.records.audited import AuditFile
from chmr_bench.records.pretrained import weights_of_row
from chmr_bench.report.boards import MAIN, Overall, OverallRow
from chmr_bench.report.clean import clean_numbers
from chmr_bench.report.grids import fit_and_predict
from chmr_bench.report.over_splits import OverSplits, splits_flat, splits_json, splits_row
from chmr_bench.report.published import Published
from chmr_bench.report.rows import Collected, Row, Table

TABLE_SCHEMA = "chmr-bench table 1"
BOARD_SCHEMA = "chmr-bench board 1"
TABLES = "tables"
DIGITS = 12
"""Significant digits: all that single-precision replicates hold, and the same on every machine."""


def files(
    collected: Collected, boards: Sequence[Overall | OverSplits], papers: Sequence[Published]
) -> dict[str, str]:
    """Return relative path -> text of every CSV and JSON file."""
    found: dict[str, str] = {}
    for overall in boards:
        stem = "overall" if overall.board.name == MAIN else f"overall-{overall.board.name}"
        found[f"{stem}.csv"] = as_csv(_board_csv(overall))
        found[f"{stem}.json"] = as_json(board_json(overall))
    for name, table in table_names(collected.tables).items():
        found[f"{TABLES}/{name}.csv"] = as_csv([_row_csv(table, r) for r in table.rows])
        found[f"{TABLES}/{name}.json"] = as_json(table_json(table))
    found["timing.csv"] = as_csv(_timing(collected.tables))
    found["printed.csv"] = as_csv(_printed(papers))
    return found


def table_names(tables: Sequence[Table]) -> dict[str, Table]:
    """Return file stem -> table: the dataset's name, and what is needed to tell two apart."""
    plain = [_plain_name(table) for table in tables]
    counts = Counter(name.lower() for name in plain)
    result = {}
    for name, table in zip(plain, tables, strict=True):
        if counts[name.lower()] > 1:
            name = f"{name}-{table.dataset.digest[:6]}{table.split.digest[:6]}-{table.metric}"
        result[name] = table
    return result


def _plain_name(table: Table) -> str:
    parts = [table.dataset.name]
    if table.split_name != "reference":
        seed = "" if table.split.seed is None else str(table.split.seed)
        parts.append(f"{table.split.name}{seed}")
    return "-".join(re.sub(r"[^A-Za-z0-9._+]+", "-", p).strip("-.") or "unnamed" for p in parts)


# --------------------------------------------------------------------------------------- one table


def table_json(table: Table) -> dict[str, Any]:
    """Return everything about one table."""
    return {
        "schema": TABLE_SCHEMA,
        "kind": table.kind,
        "synthetic": table.dataset.synthetic,
        "dataset": table.dataset.model_dump(mode="json", exclude={"origin"}),
        "split": table.split.model_dump(mode="json"),
        "metric": table.metric,
        "greater_is_better": table.greater_is_better,
        "not_evaluable": [
            {"task": t.task, "n": t.n, "n_minority": t.n_minority, "reason": t.reason}
            for t in table.not_evaluable
        ],
        **({"audit": _audit(table.audited)} if table.audited else {}),
        "rows": [_row_json(table, row) for row in table.rows],
    }


def _audit(audit: AuditFile) -> dict[str, Any]:
    """Return the counts of an audit; its scores stand in the rows."""
    told = audit.model_dump(
        mode="json", include={"levels", "levels_with_valid", "n_test", "n_clean"}
    )
    return {**told, "leaked_share": audit.leaked_share}


def _row_json(table: Table, row: Row) -> dict[str, Any]:
    first = row.first
    return {
        **_numbers(table, row),
        "version": first.model.version,
        "plugin": first.plugin.model_dump(mode="json"),
        "weights": weights_of_row(first),
        **_pretraining(row),
        "overrides": first.model.overrides,
        "params": first.model.params,
        "missing": first.missing,
        "precision": first.precision,
        "device": first.resources.device,
        "seeds": row.seeds,
        "failures": [{"seed": f.seed, "phase": f.phase, "error": f.error} for f in row.failures],
        "records": [r.identity for r in row.records],
    }


def _pretraining(row: Row) -> dict[str, Any]:
    """Return what the weights were made from, a run each; nothing where there are none."""
    told = [r.model.pretraining for r in row.records if r.model.pretraining is not None]
    return {"pretraining": told} if told else {}


def _row_csv(table: Table, row: Row) -> dict[str, Any]:
    return {
        "dataset": table.dataset.name,
        "synthetic": table.dataset.synthetic,
        "split": table.split_name,
        "metric": table.metric,
        **_numbers(table, row),
        "n_dropped": table.n_dropped,
    }


def _numbers(table: Table, row: Row) -> dict[str, Any]:
    behind = row.behind or (None, None, None)
    return {
        "row": row.label,
        "model": row.first.model.id,
        "score": row.score,
        "low": row.low,
        "high": row.high,
        "sd_over_seeds": row.sd,
        "n_runs": len(row.good),
        "deterministic": row.first.model.deterministic,
        "behind_best": behind[0],
        "behind_best_low": behind[1],
        "behind_best_high": behind[2],
        "n_tasks": table.dataset.n_tasks,
        "n_evaluable": row.n_evaluable,
        "share_080": row.share_080,
        "n_failed": len(row.failures),
        **clean_numbers(table, row),
    }


# ----------------------------------------------------------------------------------------- a board


def _board_csv(overall: Overall | OverSplits) -> list[dict[str, Any]]:
    if isinstance(overall, OverSplits):
        return [splits_flat(splits_row(overall, row)) for row in overall.rows]
    return [_flat(_overall_row(overall, row)) for row in overall.rows]


def board_json(overall: Overall | OverSplits) -> dict[str, Any]:
    """Return everything about one board."""
    if isinstance(overall, OverSplits):
        return {"schema": BOARD_SCHEMA, **splits_json(overall)}
    return {
        "schema": BOARD_SCHEMA,
        "name": overall.board.name,
        **overall.board.model_dump(mode="json"),
        "metrics": {name: table.metric for name, table in overall.tables.items()},
        "rows": [_overall_row(overall, row) for row in overall.rows],
    }


def _overall_row(overall: Overall, row: OverallRow) -> dict[str, Any]:
    datasets = overall.board.datasets
    ranks: Mapping[str, float] = row.ranks or {}
    return {
        "row": row.label,
        "scores": {n: row.rows[n].score if n in row.rows else None for n in datasets},
        "classification_mean": row.classification,
        "classification_low": row.low,
        "classification_high": row.high,
        "average_rank": row.average_rank,
        "ranks": {n: ranks.get(n) for n in datasets},
        "n_covered": len(row.rows),
        "n_datasets": len(datasets),
        "n_failed": row.n_failed,
    }


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a board's row with a column a dataset."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key == "scores":
            flat |= value
        elif key == "ranks":
            flat |= {f"rank_{name}": rank for name, rank in value.items()}
        else:
            flat[key] = value
    return flat


# ------------------------------------------------------------------------------- time, and papers


def _timing(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Return a line a row: what varies from run to run is kept out of the other tables."""
    return [
        {
            "dataset": table.dataset.name,
            "split": table.split_name,
            "row": row.label,
            "n_runs": len(row.good),
            "fit_and_predict_seconds": fit_and_predict(row),
            "total_seconds": sum(r.timing.total for r in row.good) / len(row.good),
            "peak_memory_mb": max((r.resources.peak_memory_mb or 0.0) for r in row.good) or None,
            "n_jobs": max(r.resources.n_jobs for r in row.good),
            "device": row.first.resources.device_name or row.first.resources.device,
        }
        for table in tables
        for row in table.rows
        if row.good
    ]


def _printed(papers: Iterable[Published]) -> list[dict[str, Any]]:
    return [
        {"paper": paper.paper.key, "table": table.name, **figure.model_dump(mode="json")}
        for paper in papers
        for table in paper.table
        for figure in table.figures
    ]


# ------------------------------------------------------------------------------------------- text


def as_json(value: Any) -> str:
    """Return JSON with rounded numbers and a line end."""
    return json.dumps(_rounded(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return CSV; an unknown value is an empty cell."""
    import pandas as pd

    columns = list(rows[0]) if rows else []
    frame = pd.DataFrame([_rounded(dict(row)) for row in rows], columns=columns, dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value

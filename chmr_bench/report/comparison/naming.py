"""Which records are meant by the name of a model, or of a row of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chmr_bench.errors import UnknownNameError
from chmr_bench.records import Record
from chmr_bench.report.labels import is_plain, labels, row_key
from chmr_bench.report.sources import data_key, splits_shown


@dataclass(frozen=True)
class Row:
    """A record, what the tables call its row, and its split as it is shown."""

    label: str
    record: Record
    method: str
    split_seed: int | None

    @property
    def dataset(self) -> str:
        """Return the dataset's name."""
        return self.record.dataset.name


@dataclass(frozen=True)
class Found:
    """A row, and the name it was asked for by."""

    model: str
    row: Row


def rows_of(records: Sequence[Record]) -> list[Row]:
    """Return every record with what the tables call it."""
    names, shown = labels(records), splits_shown(records)
    found = []
    for record in records:
        split = shown[data_key(record)][0]
        label = names[record.dataset.name, row_key(record)]
        found.append(Row(label, record, split.name, split.seed))
    return found


def named(rows: Sequence[Row], models: Sequence[str]) -> list[Found]:
    """Return the rows of the named models, each once a name.

    A label stands for its row; where no row of a dataset is called so, a model's name stands for
    the model as it comes, nothing set.

    Raises
    ------
    UnknownNameError : no record of such a model or label.
    """
    by_label = {(row.dataset, row.label) for row in rows}
    known = {row.label for row in rows} | {row.record.model.id for row in rows}
    for model in models:
        if model not in known:
            raise UnknownNameError("model", model, known, "among the records")
    found = []
    for row in rows:
        for model in models:
            other = (row.dataset, model) not in by_label and is_plain(row.record, model)
            if row.label == model or other:
                found.append(Found(model, row))
    return found


def instead(rows: Sequence[Row], model: str) -> list[Row]:
    """Return the rows of the same model that `model` does not stand for, by label."""
    ids = {model, *(row.record.model.id for row in rows if row.label == model)}
    found = [row for row in rows if row.record.model.id in ids and row.label != model]
    return sorted((r for r in found if not is_plain(r.record, model)), key=lambda r: r.label)

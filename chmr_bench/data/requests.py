"""Requests for data: a registered name, ``molnet:NAME``, or a user's table and how to read it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from chmr_bench.errors import UnknownNameError, UsageError, nearest
from chmr_bench.paths import is_utf8
from chmr_bench.types import MetricName, TaskType

MOLNET_PREFIX = "molnet:"
MEASURED_IN = "+"
"""Stands in a dataset's name before each atlas that its molecules are to be measured in."""
FILE_ENDINGS = (
    *(".csv", ".tsv", ".txt", ".smi", ".sdf", ".xlsx", ".xls", ".parquet"),
    *(".gz", ".zip"),
)
"""What a user's table may be called."""
STRUCTURE_ENDINGS = (".smi", ".sdf")
"""Formats that say themselves where the molecule stands."""

OnInvalid: TypeAlias = Literal["stop", "drop"]
Censored: TypeAlias = Literal["stop", "drop", "bound"]


class Origin(BaseModel):
    """Where the data of a record came from, enough to open them again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["registered", "file", "molnet"] = "registered"
    file: str = Field(
        default="", description="a table, or molnet:NAME, as given on the command line"
    )
    smiles: str = Field(default="", description="SMILES column of a user's table")
    tasks: list[str] = Field(default_factory=list, description="task columns of a user's table")
    on_invalid: OnInvalid = "stop"
    delimiter: str = Field(default="", description="of a user's table; empty = seen from the file")
    decimal: str = Field(default="", description="decimal mark; empty = seen from the file")
    encoding: str = Field(default="", description="of the text; empty = seen from the file")
    censored: Censored = Field(
        default="stop",
        description="what became of values such as >10: an error, not measured, or the bound",
    )
    id: str = Field(default="", description="column of the molecules' names in a user's table")
    parts: str = Field(default="", description="column of train, valid or test in a user's table")
    sha256: str = Field(default="", description="of the user's file; empty in older records")


@dataclass(frozen=True)
class TableOptions:
    """How a user's table is to be read.

    Attributes
    ----------
    smiles : str
        Column of SMILES.
    tasks : tuple of str
        Columns of labels; a text that is no column is split at its commas.
    task_type : TaskType or None
        None = classification where all labels are 0 or 1, else regression.
    metric : MetricName or None
        None = roc_auc for classification, mae for regression.
    on_invalid : "stop" or "drop"
        What becomes of rows that cannot be used.
    delimiter, decimal, encoding : str
        Of the text; empty = seen from the file.
    censored : "stop", "drop" or "bound"
        What becomes of a value such as ``>10``: an error, not measured, or 10.
    id : str
        Column of the molecules' names; empty = none.
    parts : str
        Column that says of each row whether it is of train, valid or test; empty = none.
    """

    smiles: str = ""
    tasks: tuple[str, ...] = ()
    task_type: TaskType | None = None
    metric: MetricName | None = None
    on_invalid: OnInvalid = "stop"
    delimiter: str = ""
    decimal: str = ""
    encoding: str = ""
    censored: Censored = "stop"
    id: str = ""
    parts: str = ""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value and value not in choices:
                raise UnknownNameError(f"value of --{name.replace('_', '-')}", value, choices)

    @classmethod
    def of_words(cls, tasks: str | Collection[str] | None = (), **words: str) -> TableOptions:
        """Return the options as a command line gives them, an empty text where one is not given.

        Raises
        ------
        UnknownNameError
            A word is none of those that the option takes; the nearest is offered.
        """
        listed = (tasks,) if isinstance(tasks, str) else tuple(tasks or ())
        given: dict[str, Any] = {name: word for name, word in words.items() if word}
        return cls(tasks=tuple(text for text in listed if text.strip()), **given)

    @property
    def given(self) -> bool:
        """Return whether any option differs from its default."""
        return any(getattr(self, f.name) != f.default for f in dataclasses.fields(TableOptions))

    def request(self, file: str) -> DatasetRequest:
        """Return the request for a file; UsageError where its columns are not named."""
        smiles = self.smiles
        if not smiles and any(ending in file.lower() for ending in STRUCTURE_ENDINGS):
            smiles = "smiles"
        if not smiles or not self.tasks:
            raise UsageError(
                f"--dataset {file}: "
                + (unusable_path(file) or "a table needs --smiles COLUMN and --tasks COLUMN")
            )
        return DatasetRequest(file=file, **(self.options() | {"smiles": smiles}))

    def options(self) -> dict[str, Any]:
        """Return name -> value of the options."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(TableOptions)}


_CHOICES: dict[str, tuple[str, ...]] = {
    "task_type": get_args(TaskType),
    "metric": get_args(MetricName),
    "on_invalid": get_args(OnInvalid),
    "censored": get_args(Censored),
    "decimal": (".", ","),
}


@dataclass(frozen=True)
class DatasetRequest(TableOptions):
    """A dataset as it is asked for: a registered name, ``molnet:NAME``, or a user's table.

    Attributes
    ----------
    name : str
        Registered name or ``molnet:NAME``, and ``+ATLAS`` for each atlas that its molecules are to
        be measured in; empty for a file.
    file : str
        Path of a user's table; empty for a name.
    """

    name: str = ""
    file: str = ""

    @property
    def whole(self) -> DatasetRequest:
        """Return the request for the dataset with all its molecules, measured or not."""
        return dataclasses.replace(self, name=whole_name(self.name))

    @property
    def atlases(self) -> tuple[str, ...]:
        """Return the atlases that its molecules are to be measured in; none of a whole dataset."""
        return tuple(self.name.split(MEASURED_IN)[1:])

    @classmethod
    def of_record(cls, record: Any) -> Self:
        """Return the request that opens the dataset of a `Record` again."""
        origin: Origin = record.dataset.origin
        if origin.kind == "molnet":
            return cls(name=origin.file, on_invalid=origin.on_invalid)
        if origin.kind == "registered":
            return cls(name=record.dataset.name)
        options = origin.model_dump(exclude={"kind", "sha256", "tasks"})
        return cls(
            tasks=tuple(origin.tasks),
            task_type=record.dataset.task_type,
            metric=record.dataset.metric,
            **options,
        )

    def origin(self, sha256: str = "") -> Origin:
        """Return what the record keeps of the request, and of the file's content."""
        if self.name and not self.name.startswith(MOLNET_PREFIX):
            return Origin(kind="registered")
        options = {n: v for n, v in self.options().items() if n in Origin.model_fields}
        kind = "file" if self.file else "molnet"
        return Origin.model_validate(
            {"kind": kind, "file": self.file or self.name, "sha256": sha256, **options}
        )


def whole_name(name: str) -> str:
    """Return the name of a dataset without the atlases that its molecules are measured in.

    >>> whole_name("toxcast+nci60+wong2024")
    'toxcast'
    """
    return name.partition(MEASURED_IN)[0]


def settled_name(name: str) -> str:
    """Return a dataset's name with its atlases sorted, each once: their order is nothing to it.

    >>> settled_name("toxcast+wong2024+nci60+wong2024")
    'toxcast+nci60+wong2024'
    """
    whole, *atlases = name.split(MEASURED_IN)
    return MEASURED_IN.join([whole, *sorted(set(atlases))])


def unusable_path(file: Path | str) -> str | None:
    """Return why there is no file to read at that path, and what to do; None where there is one."""
    if not is_utf8(str(file)):
        return "its path is not UTF-8; give it another name"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(file)):  # one letter is a drive of Windows
        return "this is an address; download the file, then name it here"
    path = Path(file)
    try:
        if path.is_dir():
            inside = [p.name for p in sorted(path.iterdir()) if p.suffix in FILE_ENDINGS]
            held = f"it holds {', '.join(inside[:5])}" if inside else "it holds no table"
            return f"this is a folder; name a file ({held})"
        if path.exists():
            return None if path.is_file() else "this is no ordinary file; save it as one"
        if path.is_symlink():
            return "this is a link to nowhere"
        near = nearest(path.name, [p.name for p in path.parent.iterdir()])
    except (OSError, ValueError):
        near = []
    offer = f"; did you mean {' or '.join(repr(str(path.parent / n)) for n in near)}?"
    return "there is no such file" + (offer if near else "")

"""What a stored result says: the documented schema of a record, version 2."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chmr_bench.data.requests import Origin
from chmr_bench.types import DeviceKind, MetricName, Precision, TaskType

SCHEMA_VERSION: Literal["2"] = "2"

Phase = Literal["weights", "load", "features", "fit", "predict", "score"]


def _writable(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values; ValueError where a number is not finite or a text is no Unicode."""
    json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
    return values


Free = Annotated[dict[str, Any], AfterValidator(_writable)]
"""Anything that JSON can hold; the values are of no fixed type, so writing them is the check."""


class _Part(BaseModel):
    """Strict, frozen, and without NaN: an unknown number is null."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="null", allow_inf_nan=False
    )


class ErrorInfo(_Part):
    """Why a run failed."""

    type: str = Field(description="class of the exception")
    message: str
    phase: Phase = Field(description="what the run was doing")
    traceback: str = Field(default="", description="the last frames, shortened")


class ModelInfo(_Part):
    """The model and its settings, fully resolved."""

    id: str
    version: str
    weights: str | None = Field(
        default=None, description="sha256 of loaded weights; null = none loaded"
    )
    pretraining: Free | None = Field(
        default=None,
        description="how the weights were made: atlas, molecules left out, settings, hardware; "
        "n_test_seen = test molecules of this run that they learnt from (without labels)",
    )
    params: Free = Field(
        description="every setting after recipe and overrides; one that came after records only "
        "where it is not at its default"
    )
    overrides: Free = Field(
        default_factory=dict,
        description="settings whose value the user changed from what the model has by itself",
    )
    features: dict[str, str] = Field(
        default_factory=dict, description="version of each feature it read; 1 where not named"
    )
    deterministic: bool = Field(description="the seed changes nothing; run once")


class PluginRef(_Part):
    """Who registered the model."""

    name: str
    distribution: str
    version: str


class Dropped(_Part):
    """A source row left out on the user's order; `row` counts from 1, the header being row 1."""

    row: int
    reason: str


class DatasetInfo(_Part):
    """The dataset as it was used."""

    name: str
    title: str
    digest: str = Field(description="sha256 of molecules, labels and blocks")
    version: str
    task_type: TaskType
    metric: MetricName = Field(description="what the model was judged by")
    unit: str = ""
    n_molecules: int
    n_tasks: int
    dropped: int = Field(default=0, description="source rows left out on the user's order")
    dropped_rows: list[Dropped] = Field(default_factory=list, description="at most the first 100")
    synthetic: bool = Field(
        default=False, description="simulated labels; never mixed with real ones"
    )
    origin: Origin = Origin()


class AttachedAtlas(_Part):
    """An atlas whose profiles of the dataset's own molecules the model was given."""

    name: str
    digest: str = Field(description="sha256 of these profiles and of how they were linked")
    n_rows: int = Field(description="molecules of the dataset that have any")
    n_test: int | None = Field(description="of these in the test part; null in a failed run")


class SplitInfo(_Part):
    """Which rows were train, valid and test."""

    name: str
    seed: int | None = Field(default=None, description="null where the method draws nothing")
    digest: str
    n_train: int
    n_valid: int
    n_test: int


class TaskResult(_Part):
    """The score of one task on the test rows."""

    task: str
    score: float | None = Field(description="null where the task cannot be evaluated")
    low: float | None = Field(
        description="lower end of the 95 % interval; null where one or two molecules are of the "
        "rarer class, or labelled"
    )
    high: float | None = Field(description="upper end")
    n: int = Field(description="labelled test molecules")
    n_minority: int | None = Field(description="of the rarer class; null for regression")
    evaluable: bool
    reason: str = Field(default="", description="why it cannot be evaluated")


class Metrics(_Part):
    """The scores of a run."""

    metric: MetricName
    greater_is_better: bool
    macro: float | None = Field(description="unweighted mean over evaluable tasks")
    low: float | None = Field(
        description="lower end of the 95 % interval over resampled test molecules; below an "
        "effective size of 30 see docs/statistics.md; null where there is none"
    )
    high: float | None = Field(description="upper end")
    n_effective: float | None = Field(
        default=None,
        description="effective sample size: on how many test molecules (of the rarer class, or "
        "labelled) the score rests; null in records written before it was stored",
    )
    n_tasks: int
    n_evaluable: int
    share_080: float | None = Field(
        default=None,
        description="share of evaluable tasks with ROC-AUC >= 0.80; null for other metrics",
    )
    per_task: list[TaskResult]

    @property
    def counts(self) -> list[int]:
        """Return the effective sample size of every evaluable task: its rarer class, or labels."""
        tasks = [task for task in self.per_task if task.evaluable]
        return [task.n if task.n_minority is None else task.n_minority for task in tasks]


class Timing(_Part):
    """Seconds a phase took in this run; data and features already at hand cost nothing.

    Runs that differ in what is masked at test alone share a fit: each has all of its seconds.
    """

    weights: float = 0.0
    load: float = 0.0
    features: float = 0.0
    fit: float = 0.0
    predict: float = 0.0
    score: float = 0.0
    total: float = 0.0


class Resources(_Part):
    """What the run used."""

    n_jobs: int
    device: DeviceKind
    device_name: str = ""
    peak_memory_mb: float | None = Field(
        default=None,
        description="highest resident memory of the process; worker processes not counted",
    )
    peak_memory_of: Literal["run", "process", "unknown"] = "unknown"


class Environment(_Part):
    """Where it ran."""

    python: str
    platform: str
    cpu: str
    packages: dict[str, str]
    commit: str | None = Field(
        default=None, description="of the chmr-bench checkout; null = installed"
    )
    dirty: bool | None = Field(default=None, description="tracked files differed from the commit")


class Rescored(_Part):
    """By what the scores were computed again from the stored predictions, and when."""

    version: str = Field(description="of chmr-bench")
    commit: str | None = Field(description="of the chmr-bench checkout; null = installed")
    dirty: bool | None = Field(description="tracked files differed from the commit")
    created: str = Field(description="UTC, ISO 8601")


class PredictionsInfo(_Part):
    """The stored predictions and replicates: their hashes, whatever file they lie in."""

    dtype: Literal["float16", "float32", "float64"]
    n_rows: int = Field(description="test molecules")
    n_valid: int = Field(default=0, description="validation molecules; 0 = not kept")
    cells: Literal["all", "labelled"] = Field(
        default="all", description="labelled = predictions without a label were not kept"
    )
    values_sha256: str = Field(description="of rows, task names and values")
    replicates_dtype: Literal["float32", "float64"] = "float32"
    replicates_sha256: str | None = Field(
        default=None, description="of the bootstrap replicates; null in version 1"
    )
    sha256: str | None = Field(
        default=None, description="of the file predictions.parquet of version 1; null = none"
    )


class Record(_Part):
    """One result: a model on a dataset with a split and a seed."""

    schema_version: Literal["1", "2"] = Field(default=SCHEMA_VERSION, description="of this schema")
    identity: str = Field(description="sha256 of all that can change the numbers")
    status: Literal["ok", "failed"] = Field(description="failed runs have an error and no score")
    error: ErrorInfo | None = Field(default=None, description="null where the run did not fail")
    model: ModelInfo = Field(description="the model, its settings and what it learnt from")
    plugin: PluginRef = Field(description="the package that brought the model")
    dataset: DatasetInfo = Field(description="the data, by digest")
    split: SplitInfo = Field(description="which rows were train, valid and test, by digest")
    seed: int | None = Field(description="null where the model is deterministic")
    missing: Free | None = Field(default=None, description="what was masked; null = nothing")
    hidden: Free | None = Field(
        default=None,
        description="part -> modality -> entries observed before, of these masked (hidden), of "
        "these imputed (filled); what was masked of the atlas stands in model.pretraining",
    )
    replaced: Free | None = Field(
        default=None,
        description="the frozen control: draws, rows whose profile was another's, how far their "
        "predictions moved (in s.d. of a task's), their score with own profiles and in each draw, "
        "p; predictions and metrics are those with own profiles",
    )
    cells: list[AttachedAtlas] | None = Field(
        default=None,
        description="atlases attached with --cells that the model reads; null = none",
    )
    precision: Precision = Field(default="float32", description="of the model's arithmetic")
    metrics: Metrics | None = Field(default=None, description="the scores; null of a failed run")
    remarks: list[str] = Field(
        default_factory=list,
        description="what a reader of the scores should know, such as predictions that depend on "
        "which molecules are predicted together",
    )
    rescored: Rescored | None = Field(
        default=None, description="null = the scores are those that the run computed"
    )
    timing: Timing = Field(description="seconds a phase took")
    resources: Resources = Field(description="memory and cores that the run used")
    environment: Environment = Field(description="machine, Python and packages of the run")
    predictions: PredictionsInfo | None = Field(
        default=None, description="the stored predictions, by hash; null of a failed run"
    )
    command: list[str] = Field(description="what was typed, without the user's folders")
    created: str = Field(description="UTC, ISO 8601")
    seal: str | None = Field(
        default=None,
        description="sha256 of every other field (chmr_bench.records.seal); null in version 1",
    )

    @property
    def predictions_sha256(self) -> str | None:
        """Return what tells these predictions from others, None where there are none."""
        info = self.predictions
        return None if info is None else info.sha256 or info.values_sha256


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a record, as kept in ``docs/result.schema.json``."""
    schema = Record.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A record of chmr-bench",
    }

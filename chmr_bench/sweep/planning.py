"""What is to be done: every job, whether it is on record already, and how long it may take."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from chmr_bench import splits
from chmr_bench.ablation.missing import Missing
from chmr_bench.contracts import ModelSpec, PendingWeights, Progress, no_progress
from chmr_bench.errors import MissingDependencyError, PluginError
from chmr_bench.lazy import load_object
from chmr_bench.plugins import Registered, registry
from chmr_bench.records import Phase, Record, RecordStore
from chmr_bench.runner import (
    DatasetRequest,
    Datasets,
    Job,
    LoadedDataset,
    RunOptions,
    SplitRequest,
    WeightsCache,
)
from chmr_bench.runner.own_profiles import attached, join_notes, unread_notes
from chmr_bench.settings import build_config, require
from chmr_bench.streams import stdout_to_stderr
from chmr_bench.sweep.devices import check_device, device_for
from chmr_bench.sweep.draws import draws
from chmr_bench.sweep.model_settings import ModelSetting, changed, check_settings, overrides_for
from chmr_bench.sweep.obstacles import obstacle, unlearnt
from chmr_bench.types import Precision

WORK: tuple[Phase, ...] = ("fit", "predict", "score")
"""What a run does anew where its data and features are there."""
State = Literal["new", "cached", "damaged", "failed", "impossible"]

Opening: TypeAlias = Callable[[DatasetRequest], Progress]
"""Called when a dataset is about to be loaded; what it returns takes the progress of fetching."""


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Attributes
    ----------
    split :
        A method, or "" for each dataset's own.
    split_seeds :
        A split each, where the method draws; else they change nothing.
    keep_failed :
        Leave jobs that failed before as they are, instead of trying again.
    missing :
        What is masked on purpose, each in turn; None = nothing. The seed of the draw is that of
        the run, so that seeds lose different molecules, unless `hide_seed` is one for all.
    cells :
        Atlases whose profiles of the datasets' own molecules are attached.
    """

    models: tuple[str, ...]
    datasets: tuple[DatasetRequest, ...]
    seeds: tuple[int, ...] = (0,)
    split: str = ""
    split_seeds: tuple[int, ...] = (0,)
    settings: tuple[ModelSetting, ...] = ()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "float32"
    keep_failed: bool = False
    missing: tuple[Missing | None, ...] = (None,)
    hide_seed: int | None = None
    cells: tuple[str, ...] = ()


@dataclass
class Session:
    """What the jobs of one sweep share: options, loaded datasets, pretrained weights."""

    options: RunOptions

    def __post_init__(self) -> None:
        self.datasets = Datasets(self.options.fetch, self.options.n_jobs)
        self.weights = WeightsCache(self.options)
        self.imports: dict[str, str] = {}

    def load(
        self, request: DatasetRequest, cells: Sequence[str], progress: Progress
    ) -> LoadedDataset:
        """Return a dataset, with its molecules' own profiles from the named atlases."""
        data = self.datasets.load(request, progress)
        return attached(data, cells, self.options.fetch, progress) if cells else data

    def import_obstacle(self, model: Registered[ModelSpec]) -> str:
        """Return why the model's modules cannot be imported, "" where they can.

        Those of another distribution are tried in a process of their own first.
        """
        name = model.spec.name
        if name not in self.imports:
            self.imports[name] = ""
            try:
                with stdout_to_stderr():
                    load_object(model.spec.config)
                    load_object(model.spec.factory)
            except PluginError as error:
                self.imports[name] = f"{name}: {error}"
        return self.imports[name]


@dataclass(frozen=True)
class Item:
    """One job of a plan.

    Attributes
    ----------
    job :
        None where the model cannot run at all.
    state :
        ``damaged`` = there is a record, but its files are not whole; it is computed again.
    before :
        The record there is, of a cached or a failed job.
    seconds :
        Expected, from earlier records of the same model and dataset; None = unknown.
    synthetic :
        The dataset is simulated.
    origin :
        The dataset's file, where another dataset of the plan has the same name.
    missing :
        What is masked on purpose.
    inapplicable :
        Why the model does not read it; the job shows that its predictions do not move.
    """

    model: str
    dataset: str
    split: str
    seed: int | None
    state: State
    split_seed: int | None = None
    job: Job | None = None
    before: Record | None = None
    reason: str = ""
    seconds: float | None = None
    synthetic: bool = False
    origin: str = ""
    missing: Missing | None = None
    inapplicable: str = ""

    @property
    def fit(self) -> str:
        """Return what tells its fit from those of other jobs, "" where the model cannot run."""
        return self.job.fit_name() if self.job else ""

    @property
    def pretraining(self) -> str:
        """Return what has to be done before the job to have its weights, "" where nothing."""
        weights = self.job.weights if self.job else None
        return weights.title if isinstance(weights, PendingWeights) else ""


@dataclass(frozen=True)
class Plan:
    """Every job, in the order they will run: the cheapest datasets first.

    Attributes
    ----------
    notes :
        What the user should know of the data.
    """

    items: tuple[Item, ...]
    keep_failed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def todo(self) -> list[Item]:
        """Return the jobs to be computed."""
        wanted = {"new", "damaged"} | (set() if self.keep_failed else {"failed"})
        return [item for item in self.items if item.state in wanted]

    def fits(self) -> list[list[Item]]:
        """Return the jobs to be computed, those together that share a fit."""
        groups: dict[str, list[Item]] = {}
        for item in self.todo:
            groups.setdefault(item.fit, []).append(item)
        return list(groups.values())

    def count(self, state: State) -> int:
        """Return how many jobs are in a state."""
        return sum(item.state == state for item in self.items)

    def pending(self) -> list[PendingWeights]:
        """Return the weights that have to be made first, each once."""
        weights = (item.job.weights for item in self.todo if item.job)
        titles = {one.title: one for one in weights if isinstance(one, PendingWeights)}
        return list(titles.values())

    def seconds(self) -> tuple[float, int]:
        """Return the expected seconds of the jobs to do, and of how many nothing is known."""
        known = [group[0].seconds for group in self.fits() if group[0].seconds is not None]
        return sum(known), sum(item.seconds is None for item in self.todo)


def plan(
    request: Request,
    store: RecordStore,
    session: Session,
    opening: Opening = lambda _: no_progress,
) -> Plan:
    """Load the datasets, settle every job, and look up which are on record.

    Raises
    ------
    UnknownNameError, SettingError
        A model, dataset, split or setting that is not there, or a value that does not fit: told
        before anything is fetched.
    UsageError
        ``cuda`` was asked for and there is none.
    DataError
        A dataset cannot be had.
    PluginError
        A plugin does not keep its contract.
    """
    models = [registry().model(name) for name in _unique(request.models)]
    check_settings(request.settings, request.models)
    if request.split:
        splits.check_method(request.split)
    check_device(request.device)
    _check_values(request, models)
    loaded = {}
    for one in request.datasets:
        data = session.load(one, request.cells, opening(one))
        loaded[data.spec.name, data.digest, data.spec.metric] = data
    shared = Counter(data.spec.name for data in loaded.values())
    seconds = expected_seconds(store)
    items: list[Item] = []
    for data in sorted(loaded.values(), key=_cost):
        origin = data.request.origin().file if shared[data.spec.name] > 1 else ""
        for model, split in itertools.product(models, _splits_of(request, data)):
            new = _items(request, model, data, split, store, session)
            expected = seconds.get((model.spec.name, data.spec.name))
            items += (
                dataclasses.replace(item, origin=origin, seconds=expected if item.job else None)
                for item in new
            )
    specs = [model.spec for model in models]
    notes = [
        note for data in loaded.values() for note in (*join_notes(data), *unread_notes(data, specs))
    ]
    return Plan(tuple(items), request.keep_failed, tuple(notes))


def _check_values(request: Request, models: Sequence[Registered[ModelSpec]]) -> None:
    """Raise what is wrong with the settings given, before data are fetched for them."""
    for model, one in itertools.product(models, request.datasets):
        given = overrides_for(request.settings, model.spec.name)
        with contextlib.suppress(PluginError, MissingDependencyError):  # said by the plan
            if given:
                require(model.spec)
                build_config(model.spec, given, one.name)


def _items(
    request: Request,
    model: Registered[ModelSpec],
    data: LoadedDataset,
    split: SplitRequest,
    store: RecordStore,
    session: Session,
) -> Iterator[Item]:
    """Yield a job a seed; one alone where the model is deterministic."""
    spec, dataset = model.spec, data.spec.name
    blank = Item(
        spec.name,
        dataset,
        split.method,
        seed=None,
        state="impossible",
        split_seed=split.seed,
        synthetic=data.spec.synthetic,
    )
    wanted = draws(request.missing, _unique(request.seeds), request.hide_seed, spec, data)
    base = _base(request, model, data, split, session)
    if isinstance(base, str):
        for draw in wanted:
            yield dataclasses.replace(blank, reason=base, seed=draw.seed, missing=draw.missing)
        return
    for draw in wanted:
        job = dataclasses.replace(base, seed=draw.seed, missing=draw.missing)
        job = dataclasses.replace(job, weights=session.weights.look_up(job.weights_key()))
        before = store.find(job.identity)
        yield dataclasses.replace(
            blank,
            seed=draw.seed,
            state=_state(before, store, job.identity),
            job=job,
            before=before,
            reason=before.error.message if before and before.error else "",
            missing=draw.missing,
            inapplicable=draw.inapplicable,
        )


def _base(
    request: Request,
    model: Registered[ModelSpec],
    data: LoadedDataset,
    split: SplitRequest,
    session: Session,
) -> Job | str:
    """Return the job without a seed, or why the model cannot run."""
    reason = obstacle(model.spec, data) or session.import_obstacle(model)
    if reason:
        return reason
    try:
        job = _job(request, model, data, split)
    except PluginError as error:
        return f"{model.spec.name}: {error}"
    return unlearnt(job) or job


def _job(
    request: Request, model: Registered[ModelSpec], data: LoadedDataset, split: SplitRequest
) -> Job:
    """Return the job of the model on the data, without a seed."""
    spec, dataset = model.spec, data.spec.name
    config = build_config(spec, overrides_for(request.settings, spec.name), dataset)
    return Job(
        model,
        config,
        data,
        split,
        seed=None,
        precision=request.precision,
        device=device_for(request.device, spec),
        overrides=changed(config, build_config(spec, {}, dataset)),
    )


def _state(before: Record | None, store: RecordStore, identity: str) -> State:
    if before is None:
        return "damaged" if store.is_damaged(identity) else "new"
    return "cached" if before.status == "ok" else "failed"


def expected_seconds(store: RecordStore) -> dict[tuple[str, str], float]:
    """Return (model, dataset) -> median seconds of its runs, without loading and featurising.

    Of runs with nothing masked, where there are any.
    """
    plain: dict[tuple[str, str], list[float]] = defaultdict(list)
    masked: dict[tuple[str, str], list[float]] = defaultdict(list)
    for content in (run.content for run in store.stored()):
        if content["status"] == "ok":
            seconds = sum(content["timing"].get(phase, 0.0) for phase in WORK)
            group = plain if content.get("missing") is None else masked
            group[content["model"]["id"], content["dataset"]["name"]].append(seconds)
    return {place: statistics.median(of) for place, of in (masked | plain).items()}


def _splits_of(request: Request, data: LoadedDataset) -> list[SplitRequest]:
    """Return a split a split seed; one alone where the method draws nothing."""
    method = request.split or data.spec.split
    return list(dict.fromkeys(SplitRequest.of(method, seed) for seed in request.split_seeds))


def _cost(data: LoadedDataset) -> tuple[int, str]:
    """Order datasets by their number of labels to be learnt."""
    return data.spec.n_molecules * data.spec.n_tasks, data.spec.name


def _unique(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))

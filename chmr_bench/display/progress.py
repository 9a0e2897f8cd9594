"""How a sweep is shown while it runs: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from chmr_bench.contracts import Progress as Report
from chmr_bench.contracts import no_progress
from chmr_bench.display.console import notes, print_note
from chmr_bench.paths import data_folder
from chmr_bench.plugins import registry
from chmr_bench.records import Phase, Record
from chmr_bench.report.digits import decimals_needed, fixed
from chmr_bench.report.words import dataset_label
from chmr_bench.runner import DatasetRequest
from chmr_bench.streams import as_printed, visible
from chmr_bench.sweep import Item, Opening, Outcome, SweepListener

PHASE_WORDS: dict[Phase, str] = {
    "weights": "pretraining",
    "load": "loading",
    "features": "features",
    "fit": "fitting",
    "predict": "predicting",
    "score": "scoring",
}
WIDTH = 42
SECONDS_TO_FIRST_LINE = 3.0
SECONDS_A_LINE = 60.0
"""Where there is no terminal: seconds between two lines on how far long work is."""


def display(total: int, *, quiet: bool) -> Quiet:
    """Return the display that fits where standard error goes."""
    if quiet or total == 0:
        return Quiet()
    return Bars(notes, total) if notes.is_terminal else Lines(notes)


class Amount(DownloadColumn):
    """How much of a task is done, of bytes or of what else it counts."""

    def render(self, task: Task) -> Text:
        """Return ``3/10 MB``, or ``3,000/10,000 molecules``."""
        unit = task.fields["unit"]
        if unit == "bytes":
            return super().render(task)
        return Text(f"{task.completed:,.0f}/{task.total or 0:,.0f} {unit}")


@contextmanager
def fetching(*, quiet: bool) -> Iterator[Opening]:
    """Give what says on standard error which data are being fetched or read, if it takes long.

    On a terminal with a bar, elsewhere by a line once a minute.
    """
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        Amount(),
        console=notes,
        transient=True,
        disable=quiet or not notes.is_terminal,
    )

    def opening(request: DatasetRequest) -> Report:
        if quiet:
            return no_progress
        name = request.name or Path(request.file).name
        if n_bytes := _missing(name):
            print_note(f"fetching {name} ({n_bytes / 1e6:,.2f} MB) ...")
        return _Reading(name, bars).report

    with bars:
        yield opening


class _Reading:
    """Says how far the reading of one dataset or atlas is."""

    def __init__(self, name: str, bars: Progress) -> None:
        self.name, self.bars = name, bars
        self.task: TaskID | None = None
        self.next_line = time.monotonic() + SECONDS_TO_FIRST_LINE

    def report(self, done: int, total: int, unit: str) -> None:
        if not self.bars.disable:
            if self.task is None:
                self.task = self.bars.add_task(self.name, total=None, unit=unit)
            self.bars.update(
                self.task, completed=done, total=total, unit=unit, visible=done < total
            )
        elif unit != "bytes" and done < total and time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + SECONDS_A_LINE
            print_note(f"reading {self.name}: {done:,} of {total:,} {unit}")


def _missing(name: str) -> int:
    """Return the size of the registered dataset's files that the cache lacks, without hashing."""
    registered = registry().datasets.get(name)
    sources = registered.spec.sources if registered else ()
    return sum(s.n_bytes for s in sources if not (data_folder() / s.path).exists())


def outcome_line(outcome: Outcome) -> str:
    """Return what became of a job, in one line."""
    item, record = outcome.item, outcome.record
    if record.error is not None:
        message = " ".join(record.error.message.splitlines())
        what = f"FAILED in {record.error.phase}: {record.error.type}: {message}"
    else:
        what = _score(item, record)
    how = f"{record.timing.total:.1f} s" if outcome.computed else "by another run"
    how += f"; log: {outcome.log}" if outcome.log else ""
    return f"{label(item)}  {what}  ({how})"


def _score(item: Item, record: Record) -> str:
    """Return the score; with the profiles of others where the job is about those."""
    score = record.metrics.macro if record.metrics else None
    if item.missing and item.missing.replaced:
        scores = [one for one in (record.replaced or {}).get("scores", ()) if one is not None]
        score = sum(scores) / len(scores) if scores else None
    if record.metrics is None or score is None:
        return "no task can be evaluated"
    return f"{record.metrics.metric} {fixed(score, 4, decimals_needed([score], []))}"


def label(item: Item) -> str:
    """Return a job's short name; that of a simulated dataset is marked."""
    seed = "" if item.seed is None else f" seed {item.seed}"
    if item.split_seed is not None:
        seed = f" {item.split} {item.split_seed}{seed}"
    name = dataset_label(item.dataset, synthetic=item.synthetic, origin=item.origin)
    masked = f", {100 * item.missing.rate:g} % masked" if item.missing else ""
    if item.missing and item.missing.replaced:
        masked = ", profiles of others"
    masked += ", shuffled" if item.missing and item.missing.shuffled else ""
    return f"{name} {item.model}{seed}{masked}"


class Quiet(SweepListener):
    """Shows nothing but why a job failed."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begun(self, name: str) -> None:
        """Take that work of that name begins, which is no job of a sweep."""

    def printed(self, text: str) -> None:
        """Pass on what a model printed."""
        notes.print(as_printed(text), markup=False, soft_wrap=True, end="")

    def finished(self, outcome: Outcome) -> None:
        """Write a failed job's line: an exit code alone does not help."""
        if outcome.record.error is not None:
            print_note(outcome_line(outcome))


class Lines(Quiet):
    """A line a job, without control characters: for logs and pipes.

    Pretraining, which may take hours, says what it is at. Once a minute a phase says how far it is.
    """

    def __init__(self, out: Console) -> None:
        self.out = out
        self.place = ""
        self.phase = ""
        self.at = ""
        self.said = 0.0

    def begun(self, name: str) -> None:
        """Remember what it is."""
        self.place, self.at, self.phase = f"{name}: ", "", ""

    def started(self, item: Item, position: int, total: int) -> None:
        """Remember which job it is."""
        self.place, self.at, self.phase = f"[{position}/{total}] ", "", ""

    def stage(self, phase: Phase) -> None:
        """Remember it; pretraining whose weights are kept has no step, other phases are short."""
        self.at = self.phase = PHASE_WORDS[phase]
        self.said = time.monotonic()

    def step(self, name: str) -> None:
        """Say what pretraining, or other long work, is at."""
        self.at = ": ".join(filter(None, [self.phase, name]))
        self.said = time.monotonic()
        self._write(f"{self.place}{self.at}")

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far it is, once a minute."""
        if self.at and time.monotonic() - self.said >= SECONDS_A_LINE:
            self.said = time.monotonic()
            self._write(f"{self.place}{self.at}: {done} of {total} {unit}")

    def finished(self, outcome: Outcome) -> None:
        """Write the job's line."""
        self._write(self.place + outcome_line(outcome))
        self.place = ""

    def waiting(self, item: Item) -> None:
        """Say that another run has the job."""
        self._write(f"waiting for another run that is at work on {label(item)}")

    def _write(self, line: str) -> None:
        self.out.print(visible(line), markup=False, soft_wrap=True)


class Bars(Quiet):
    """Two bars: all jobs, and the stage of the current one."""

    def __init__(self, out: Console, total: int) -> None:
        self.out = out
        self.bars = Progress(
            TextColumn(f"{{task.description:<{WIDTH}}}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
            TimeElapsedColumn(),
            console=out,
            transient=True,
        )
        self.all = self.bars.add_task("all jobs", total=total, unit="jobs")
        self.job: TaskID | None = None
        self.name = ""
        self.updated = 0.0

    def __enter__(self) -> Bars:
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def begun(self, name: str) -> None:
        """Show what it is."""
        self.name = name
        self._show(name)

    def started(self, item: Item, position: int, total: int) -> None:
        """Show the job."""
        self.begun(label(item))

    def stage(self, phase: Phase) -> None:
        """Show the phase; how long it takes is not known yet."""
        words = f": {PHASE_WORDS[phase]}"
        self._show(self.name[: WIDTH - len(words)] + words)

    def step(self, name: str) -> None:
        """Show what pretraining is at."""
        words = f": {name}"
        self._show(self.name[: max(0, WIDTH - len(words))] + words[:WIDTH])

    def progress(self, done: int, total: int, unit: str) -> None:
        """Move the job's bar, at most ten times a second."""
        now = time.monotonic()
        if done < total and now - self.updated < 0.1:
            return
        self.updated = now
        if self.job is not None:
            self.bars.update(self.job, completed=done, total=total, unit=visible(unit))

    def finished(self, outcome: Outcome) -> None:
        """Write the job's line above the bars and count it."""
        colour = "red" if outcome.record.error else "default"
        self.out.print(f"[{colour}]{escape(visible(outcome_line(outcome)))}[/]", soft_wrap=True)
        self.bars.advance(self.all)
        self._hide()

    def waiting(self, item: Item) -> None:
        """Show whom the run waits for."""
        self._show(f"waiting for another run: {label(item)}"[:WIDTH])

    def _show(self, text: str) -> None:
        """Put up a fresh bar: rich cannot make a known total unknown again."""
        self._hide()
        self.updated = 0.0
        self.job = self.bars.add_task(visible(text), total=None, unit="")

    def _hide(self) -> None:
        if self.job is not None:
            self.bars.remove_task(self.job)
            self.job = None

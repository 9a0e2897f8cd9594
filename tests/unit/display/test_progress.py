"""What a sweep shows while it runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from chmr_bench.ablation.missing import Missing
from chmr_bench.display import progress
from chmr_bench.display.console import duration, plural
from chmr_bench.display.progress import Bars, Lines, Quiet, display, fetching, label, outcome_line
from chmr_bench.paths import data_folder
from chmr_bench.runner import DatasetRequest
from chmr_bench.sweep import Item, Outcome

ITEM = Item("a.model", "data", "reference", 3, "new")


def outcome(error: str = "", macro: float | None = 0.75, computed: bool = True) -> Outcome:
    failure = SimpleNamespace(phase="fit", type="ValueError", message=error) if error else None
    metrics = None if error else SimpleNamespace(metric="roc_auc", macro=macro)
    timing = SimpleNamespace(total=1.25)
    record: Any = SimpleNamespace(error=failure, metrics=metrics, timing=timing)
    return Outcome(ITEM, record, computed)


def test_a_line_says_what_became_of_a_job() -> None:
    assert outcome_line(outcome()) == "data a.model seed 3  roc_auc 0.7500  (1.2 s)"
    assert "FAILED in fit: ValueError: no [good]" in outcome_line(outcome("no [good]"))
    assert "no task can be evaluated" in outcome_line(outcome(macro=None))
    assert outcome_line(outcome(computed=False)).endswith("(by another run)")


def test_the_frozen_control_shows_the_score_with_the_profiles_of_others() -> None:
    control = Missing(0.0, ("test",), replaced=2)
    own = outcome(macro=0.9)
    given: Any = SimpleNamespace(**vars(own.record), replaced={"scores": [0.5, None, 0.6]})
    line = outcome_line(replace(own, item=replace(ITEM, missing=control), record=given))
    assert line.startswith("data a.model seed 3, profiles of others  roc_auc 0.5500")
    given.replaced = {"scores": [None]}
    line = outcome_line(replace(own, item=replace(ITEM, missing=control), record=given))
    assert "no task can be evaluated" in line


def test_a_simulated_dataset_is_marked_and_a_file_named() -> None:
    assert label(replace(ITEM, synthetic=True)) == "data* a.model seed 3"
    assert label(replace(ITEM, origin="a/data.csv")) == "data (a/data.csv) a.model seed 3"
    simulated = replace(outcome(), item=replace(ITEM, synthetic=True))
    assert outcome_line(simulated).startswith("data* a.model")


def test_lines_hold_no_control_character() -> None:
    out = io.StringIO()
    with Lines(Console(file=out)) as shown:
        shown.started(ITEM, 2, 7)
        shown.stage("fit")
        shown.progress(1, 2, "trees")
        shown.finished(outcome("no\n[good] \x1b[2J"))
        shown.waiting(ITEM)
    first, second = out.getvalue().splitlines()
    assert first.startswith("[2/7] data a.model seed 3  FAILED")
    assert r"no [good] \x1b[2J" in first
    assert second == "waiting for another run that is at work on data a.model seed 3"
    assert "\x1b" not in out.getvalue()


def test_lines_say_how_far_whatever_lasts_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_A_LINE", 0.0)
    out = io.StringIO()
    with Lines(Console(file=out)) as shown:
        shown.started(ITEM, 2, 7)
        shown.stage("features")
        shown.progress(30, 90, "molecules")
        shown.stage("weights")
        shown.step("learning")
    lines = ["[2/7] features: 30 of 90 molecules", "[2/7] pretraining: learning"]
    assert out.getvalue().splitlines() == lines


def test_quiet_shows_only_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Quiet()
    shown.finished(outcome())
    assert capsys.readouterr().err == ""
    shown.finished(outcome("no [good]"))
    assert "FAILED in fit: ValueError: no [good]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "unit", "shown"),
    [("quick-remote", "bytes", "3.0/10.0 kB"), ("nci60", "molecules", "3,000/10,000 molecules")],
)
def test_fetching_and_reading_have_a_bar_on_a_terminal(
    name: str, unit: str, shown: str, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "notes", terminal)
    with fetching(quiet=False) as opening:
        opening(DatasetRequest(name=name))(3000, 10_000, unit)
    assert shown in out.getvalue()


def test_long_reading_is_told_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with fetching(quiet=False) as opening:
        report = opening(DatasetRequest(file="folder/mine.csv"))
        for second in range(0, 100, 2):
            now[0] = float(second)
            report(second * 100, 10_000, "molecules")
    assert capsys.readouterr().err.splitlines() == [
        "reading mine.csv: 400 of 10,000 molecules",
        "reading mine.csv: 6,400 of 10,000 molecules",
    ]


def test_what_the_cache_holds_is_not_fetched(
    quick: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with fetching(quiet=False) as opening:
        opening(DatasetRequest(name="quick-remote"))
        assert "fetching quick-remote" in capsys.readouterr().err
        file = data_folder() / "nowhere" / "x.csv"
        file.parent.mkdir(parents=True)
        file.touch()
        opening(DatasetRequest(name="quick-remote"))
        opening(DatasetRequest(file="mine.csv"))
    assert capsys.readouterr().err == ""


def test_bars_show_the_stage_and_forget_the_last_one() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, force_terminal=True, width=120, highlight=False), 7) as shown:
        shown.started(ITEM, 1, 7)
        shown.stage("fit")
        shown.progress(5, 10, "trees")
        (_, job) = shown.bars.tasks
        assert (job.description, job.completed, job.total) == (
            "data a.model seed 3: fitting",
            5,
            10,
        )
        shown.stage("predict")
        (_, job) = shown.bars.tasks
        assert (job.completed, job.total) == (0, None)
        shown.finished(outcome("no [good] \x1b[2J"))
        (everything,) = shown.bars.tasks
        assert (everything.completed, everything.total) == (1, 7)
    assert r"no [good] \x1b[2J" in out.getvalue()


def test_progress_beyond_the_redraw_rate_is_passed_over() -> None:
    with Bars(Console(file=io.StringIO(), force_terminal=True), 1) as shown:
        shown.started(ITEM, 1, 1)
        shown.stage("fit")
        for done in range(1000):
            shown.progress(done, 1000, "steps")
        (_, job) = shown.bars.tasks
        assert job.completed < 999
        shown.progress(1000, 1000, "steps")
        assert job.completed == 1000


def test_the_display_fits_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(progress, "notes", terminal)
    assert isinstance(display(3, quiet=False), Bars)
    assert type(display(3, quiet=True)) is Quiet
    assert type(display(0, quiet=False)) is Quiet
    monkeypatch.setattr(progress, "notes", Console(file=io.StringIO()))
    assert type(display(3, quiet=False)) is Lines


def test_one_is_not_many() -> None:
    assert [plural(n, "job") for n in range(3)] == ["0 jobs", "1 job", "2 jobs"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.01, "1 s"), (42.4, "42 s"), (90, "2 min"), (3000, "50 min"), (5400, "1.5 h")],
)
def test_durations_are_in_a_persons_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_a_model_says_steers_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Quiet().printed("\x1b]0;title\x07 10 %\r 20 %\r\nnot utf-8: \ufffd\x9b2J [bold]\n")
    shown = r"\x1b]0;title\x07 10 %" + "\n 20 %\nnot utf-8: \ufffd" + r"\x9b2J [bold]" + "\n"
    assert capsys.readouterr().err == shown
    out = io.StringIO()
    with Bars(Console(file=out, force_terminal=True, width=160), 1) as bars:
        bars.started(ITEM, 1, 1)
        bars.step("\x1b[2J")
        bars.progress(1, 1, "\x1b[5m trees")
    assert "\x1b[2J" not in out.getvalue()
    assert "\x1b[5m" not in out.getvalue()

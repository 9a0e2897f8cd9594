"""The Python door takes no argument of another type: it says which, what it was, what it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chmr_bench
from chmr_bench import ChmrBenchError, UsageError, ablate, compare, evaluate, load_runs, match, run
from chmr_bench.api.arguments import KINDS, checked
from chmr_bench.api.options import DataOptions, MaskingOptions, MatchOptions

MASKED = np.ma.masked_less(np.full((600, 12), 0.5), 1)

WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: run("mean", "planted", seeds="3"), r"run: seeds='3': expected a whole number"),
    (lambda: run("mean", "planted", seeds=2.5), r"run: seeds=2\.5: expected a whole number"),
    (lambda: run("mean", "planted", seed="3"), r"run: seed='3': expected a whole number"),
    (lambda: run("mean", "planted", jobs="2"), r"run: jobs='2': expected a whole number"),
    (lambda: run("mean", "planted", jobs=True), r"run: jobs=True: expected a whole number"),
    (lambda: run("mean", "planted", time_limit="8"), r"run: time_limit='8': expected a number"),
    (lambda: run("mean", "planted", offline=1), r"run: offline=1: expected True or False"),
    (lambda: run("mean", "planted", split=3), r"run: split=3: expected a text"),
    (lambda: run("mean", "planted", settings="k=7"), r"run: settings='k=7': expected a dict"),
    (lambda: run("mean", "planted", settings={"k": {1}}), r"settings=.*: expected numbers, texts"),
    (lambda: run(3, "planted"), r"run: model=3: expected a name, or a list of names"),
    (lambda: run(None, "planted"), r"run: model=None: expected a name"),
    (lambda: run("mean", 3), r"run: dataset=3: expected a name"),
    (lambda: run("mean", ["planted", 3]), r"run: dataset=\['planted', 3\]: expected a name"),
    (lambda: run("mean", "planted", out=3), r"run: out=3: expected a text or a path"),
    (lambda: ablate("0.5"), r"ablate: missing='0\.5': expected a number"),
    (lambda: ablate(0.5, hide_seed="1"), r"ablate: hide_seed='1': expected a whole number"),
    (lambda: compare("mean", ["cells.mlp"]), r"compare: models=\['cells\.mlp'\]: expected a text"),
    (lambda: compare("mean", "cells.mlp", smiles="s"), "no option is called 'smiles'"),
    (lambda: compare("mean", "cells.mlp", metric="s"), "no option is called 'metric'"),
    (lambda: compare("mean", "cells.mlp", tasks=3), r"compare: tasks=3: expected a name"),
    (lambda: match("infoalign", "planted", seed=[1]), r"match: seed=\[1\]: expected a whole"),
    (lambda: evaluate(None, "planted"), r"evaluate: y_pred=None: expected numbers"),
    (lambda: evaluate("foo", "planted"), r"evaluate: y_pred='foo': expected numbers"),
    (
        lambda: evaluate(np.full((600, 12), "1"), "planted"),
        r"evaluate: y_pred=array.*: expected num",
    ),
    (
        lambda: evaluate(np.full((600, 12), 1j), "planted"),
        r"evaluate: y_pred=array.*: expected number",
    ),
    (lambda: evaluate(MASKED, "planted"), r"evaluate: y_pred=masked.*: expected numbers"),
    (lambda: evaluate("planted", np.zeros(3)), r"evaluate: dataset=array\(\[.*: expected a text"),
    (lambda: evaluate([0.5], "planted", split_seed="3"), r"evaluate: split_seed='3': expected"),
    (lambda: load_runs(3), r"load_runs: out=3: expected a text or a path"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_another_type_is_said(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def received(kind: type, *args: Any, **options: Any) -> dict[str, Any]:
    """Return what a function gets of a call."""

    @checked(kind)
    def function(model: Names, out: str | Path = "runs", **options: Any) -> dict[str, Any]:  # noqa: F821
        return {"model": model, "out": out, **options}

    return function(*args, **options)


def test_what_fits_is_taken_as_the_command_line_gives_it() -> None:
    given = received(MaskingOptions, "mean", Path("a"), seed=3, split_seed=np.arange(2), jobs=None)
    assert given == {"model": ["mean"], "out": "a", "seed": [3], "split_seed": [0, 1]}
    assert type(given["split_seed"][0]) is int  # a record is written as JSON
    given = received(MaskingOptions, ("a", Path("b.csv")), None, seeds=np.int64(2), time_limit=8)
    assert given == {"model": ["a", "b.csv"], "out": "runs", "seeds": 2, "time_limit": 8}
    assert received(MatchOptions, "mean", seed=3)["seed"] == 3


def test_every_annotation_of_the_door_has_its_kind() -> None:
    names = ("run", "ablate", "evaluate", "load_dataset", "compare", "match", "load_runs")
    for name in names:
        hints = getattr(chmr_bench, name).__annotations__.items()
        own = {h for n, h in hints if n not in ("return", "options")}
        assert own - {"Any"} <= set(KINDS), name
    for options in (MaskingOptions, MatchOptions, DataOptions):
        assert {h.__forward_arg__ for h in options.__annotations__.values()} <= set(KINDS)


def test_a_lacking_argument_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="dataset"):
        evaluate([0.5])  # type: ignore[call-arg]


def test_a_split_seed_without_effect_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ChmrBenchError, match="shape"):
        evaluate([0.5], "planted", split_seed=3)
    assert "--split-seed 3 changes nothing" in capsys.readouterr().err

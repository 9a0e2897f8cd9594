"""``match`` as a user meets it: tables, JSON, files, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.api.matching import _alone
from chmr_bench.errors import UsageError
from tests.integration.conftest import Run

ASKED = ("match", "-m", "quick.match-sizes", "--atlas", "quick-made-atlas")


def test_a_table_with_chance_and_plain_words(inside: Run) -> None:
    done = inside(*ASKED, "-m", "quick.match-diagonal", "-m", "mean")
    assert done.returncode == 0, done.stderr
    assert "quick-made-atlas*, size: 40 pairs" in done.stdout
    assert "by chance" in done.stdout
    words = " ".join(done.stdout.split())
    assert "quick.match-sizes finds the profile of a molecule more often than chance" in words
    assert "quick.match-diagonal is not shown to find the molecule of a profile: the " in words
    assert "simulated read-outs" in words
    assert "not applicable: mean: it learns from no cells" in done.stderr


def test_json_and_files_hold_every_rank(inside: Run, tmp_path: Path) -> None:
    done = inside(*ASKED, "--json", "--out", "found", "--seed", "2", "-q")
    printed: dict[str, Any] = json.loads(done.stdout)
    (one,) = printed["matchings"]
    assert (one["model"], one["seed"], one["n_pairs"]) == ("quick.match-sizes", 2, 40)
    score = one["blocks"][0]["profiles"]["scores"]["mrr"]
    assert score["score"] == 1.0 > score["chance"]
    stored = json.loads((tmp_path / "found" / "match.json").read_text())
    assert stored["matchings"][0]["blocks"][0]["profiles"]["first"] == [1] * 40
    assert "size: 40 pairs" in (tmp_path / "found" / "match.md").read_text()
    assert "match.json" in done.stderr


def test_the_control_is_fitted_on_permuted_profiles_and_stands_beside(
    inside: Run, tmp_path: Path
) -> None:
    """`match-sizes` knows the answer without a fit, so it gains nothing over its control."""
    done = inside(*ASKED, "--control", "shuffled", "--json", "--out", "found", "-q")
    own, control = json.loads(done.stdout)["matchings"]
    assert (own["shuffled"], control["shuffled"]) == (False, True)
    gain = own["blocks"][0]["profiles"]["over_shuffled"]
    assert gain == {"gain": 0.0, "low": 0.0, "high": 0.0}
    assert control["blocks"][0]["profiles"]["over_shuffled"] is None
    page = (tmp_path / "found" / "match.md").read_text()
    assert "quick.match-sizes, permuted profiles" in page
    assert "+0.000, +0.000 to +0.000, over permuted profiles" in page


def test_python_gives_a_row_a_measure(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chmr_bench import UsageError, match

    frame = match("quick.match-sizes", "quick-made-atlas", seed=1, offline=True)
    assert len(frame) == 10
    assert set(frame["verdict"]) <= {"above", "chance"}
    assert set(frame["score"]) == {1.0}
    with pytest.raises(UsageError, match="no option is called 'sed'"):
        match("quick.match-sizes", "quick-made-atlas", sed=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--atlas", "cmea"), 2, "these models can match: "),
        (("-m", "infoalign"), 2, "name a model and an atlas"),
        (("-m", "infoalign", "--atlas", "cmae"), 2, "did you mean 'cmea'"),
        (("-m", "infoaling", "--atlas", "cmea"), 2, "did you mean 'infoalign'"),
        (("-m", "mean", "--atlas", "cmea"), 2, "not applicable: mean: it learns from no cells"),
        (("-m", "mmsa", "-m", "cells.forest", "--atlas", "cmea"), 2, "offers no matching"),
        (("-m", "infoalign", "--atlas", "cmea", "--seed", "5"), 2, "repeats 0 to 4"),
        (("-m", "infoalign", "--atlas", "cmea", "--control", "shufled"), 2, "shuffled"),
        (("-m", "infoalign", "--atlas", "cmea", "--set", "epoch=1"), 2, "did you mean 'epochs'"),
        (("-m", "infoalign", "--atlas", "cmea", "--set", "chmr:epochs=1"), 2, "is not among"),
        (
            ("-m", "quick.match-raises", "--atlas", "quick-made-atlas"),
            4,
            "matching by quick.match-raises on quick-made-atlas failed: RuntimeError: no pair fits",
        ),
    ],
)
def test_what_cannot_be_is_named(
    inside: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = inside("match", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_what_a_folder_holds_is_not_matched_again(inside: Run, tmp_path: Path) -> None:
    """Its seconds and what it ran with stay those of the time it was made."""
    assert inside(*ASKED, "--control", "shuffled", "--out", "found", "-q").returncode == 0
    file = tmp_path / "found" / "match.json"
    content = json.loads(file.read_text())
    content["matchings"][0]["seconds"] = 12345.0
    file.write_text(json.dumps(content))
    more = (*ASKED, "-m", "quick.match-diagonal", "--control", "shuffled", "--out", "found", "-q")
    done = inside(*more, "--json")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "not matched again: quick.match-sizes, quick.match-sizes, permuted profiles" in said
    first, control, *added = json.loads(file.read_text())["matchings"]
    assert (first["seconds"], first["shuffled"], control["shuffled"]) == (12345.0, False, True)
    assert first["blocks"] == content["matchings"][0]["blocks"]
    assert {one["model"] for one in added} == {"quick.match-diagonal"}
    assert len(json.loads(done.stdout)["matchings"]) == 4


def test_two_commands_do_not_write_over_each_other(tmp_path: Path) -> None:
    with _alone(tmp_path), pytest.raises(UsageError, match="another 'match' is writing there"):
        _alone(tmp_path).__enter__()
    with _alone(tmp_path), _alone(tmp_path / "other"), _alone(None), _alone(None):
        pass


def test_a_model_that_fails_takes_no_other_down(inside: Run, tmp_path: Path) -> None:
    done = inside(*ASKED, "-m", "quick.match-raises", "--out", "found", "--json", "-q")
    assert done.returncode == 4
    assert "matching by quick.match-raises on quick-made-atlas failed: Runt" in done.stderr
    printed = json.loads(done.stdout)
    assert [one["model"] for one in printed["matchings"]] == ["quick.match-sizes"]
    assert list(printed["failed"]) == ["quick.match-raises on quick-made-atlas"]
    assert json.loads((tmp_path / "found" / "match.json").read_text())["failed"]


@pytest.mark.parametrize(
    "other",
    [
        ("-m", "quick.match-diagonal", "--atlas", "quick-made-atlas"),
        ("-m", "quick.match-sizes", "--atlas", "quick-made-atlas", "--seed", "1"),
    ],
)
def test_what_was_not_asked_for_is_not_written_over(
    inside: Run, tmp_path: Path, other: tuple[str, ...]
) -> None:
    assert inside(*ASKED, "--out", "found", "-q").returncode == 0
    before = (tmp_path / "found" / "match.json").read_bytes()
    done = inside("match", *other, "--out", "found", "-q")
    assert done.returncode == 2
    assert "would be written over: quick.match-sizes" in " ".join(done.stderr.split())
    assert (tmp_path / "found" / "match.json").read_bytes() == before


def test_where_every_model_fails_no_file_is_named(inside: Run, tmp_path: Path) -> None:
    asked = ("-m", "quick.match-raises", "--atlas", "quick-made-atlas")
    done = inside("match", *asked, "--out", "found", "-q")
    assert done.returncode == 4
    assert "match.json" not in done.stderr
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2, "matchings": []}'])
def test_a_file_of_something_else_is_left_alone(inside: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "match.json").write_text(text)
    done = inside(*ASKED, "--out", "found", "-q")
    assert done.returncode == 2
    assert "move it away" in " ".join(done.stderr.split())
    assert (tmp_path / "found" / "match.json").read_text() == text


@pytest.mark.slow
def test_the_plain_control_ranks_every_pair_of_simulated_cells(
    inside: Run, known_features: Path
) -> None:
    """Tiny settings learn next to nothing: what counts is that every pair is ranked once."""
    pytest.importorskip("torch")
    settings = ("hidden=16", "embedding=4", "epochs=1", "n_bits=256")
    words = [word for setting in settings for word in ("--set", setting)]
    done = inside("match", "-m", "cells.regressor", "--atlas", "planted", "--json", "-q", *words)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)["matchings"]
    assert {block["block"] for block in one["blocks"]} == {"morphology", "expression"}
    for block in one["blocks"]:
        for way in ("profiles", "molecules"):
            for score in block[way]["scores"].values():
                assert 0 <= score["low"] <= score["score"] <= score["high"] <= 1

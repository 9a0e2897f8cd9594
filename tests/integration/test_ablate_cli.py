"""``chmr-bench ablate`` from the command line: what is planned, run, shown, kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chmr_bench.records import RecordStore
from tests.integration.conftest import Run

CELLS = ("ablate", "--dataset", "quick-cells", "-m", "quick.reader", "-j", "1")


def test_one_command_gives_table_picture_and_records(inside: Run, tmp_path: Path) -> None:
    done = inside(*CELLS, "--missing", "0.5,1")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "leaderboards"
    assert "50 % masked" in done.stdout
    assert "100 % masked" in done.stdout
    assert (out / "missing-cells-hidden-world.png").is_file()
    assert len(RecordStore(out).records()) == 5
    again = inside(*CELLS, "--missing", "0.5,1")
    assert "Nothing to compute" in again.stdout
    assert "50 % masked" in again.stdout


def test_half_and_three_seeds_are_what_is_meant_by_nothing(inside: Run) -> None:
    plan = json.loads(inside(*CELLS, "--plan", "--json").stdout)
    hidden = [job["missing"] for job in plan["jobs"]]
    assert hidden[0] is None
    assert [(h["rate"], h["seed"]) for h in hidden[1:]] == [(0.5, 0), (0.5, 1), (0.5, 2)]
    assert hidden[1]["stages"] == ["pretrain", "finetune", "test"]
    assert hidden[1]["mechanism"] == "random"


def test_without_names_it_is_chmr_on_the_datasets_with_cells(inside: Run) -> None:
    failed = inside("ablate", "--offline", "--plan")
    assert failed.returncode == 3
    assert "chembl2k" in failed.stderr  # the first of the suite; its files are not here


def test_the_plain_run_is_shared(inside: Run) -> None:
    inside("run", "--dataset", "quick-cells", "-m", "quick.reader", "-j", "1", "-q")
    plan = json.loads(inside(*CELLS, "--plan", "--json").stdout)
    assert [job["state"] for job in plan["jobs"]] == ["cached", "new", "new", "new"]


@pytest.mark.slow
def test_what_does_not_read_it_is_said_and_checked(inside: Run) -> None:
    done = inside(*CELLS, "-m", "quick.noise", "--missing", "0.5")
    assert done.returncode == 0, done.stderr
    assert "not applicable: quick.noise learns from no cells" in done.stdout
    line = next(x for x in done.stdout.splitlines() if "does not read it" in x)
    assert "quick.noise" in line
    assert "warning" not in done.stderr


def test_a_spec_that_says_too_little_is_found_out(inside: Run) -> None:
    arguments = ("--set", "transductive=true", "--missing", "0.5", "--seed", "0", "-j", "1")
    done = inside("ablate", "--dataset", "quick-cells", "-m", "quick.secret", *arguments)
    assert "not applicable: quick.secret learns from no cells" in done.stdout
    assert "yet its predictions on quick-cells moved" in done.stderr
    assert "does not read it" not in done.stdout


def test_a_model_taught_by_an_atlas(inside: Run) -> None:
    arguments = ("--set", "transductive=true", "--stage", "pretrain", "--seeds", "2", "-j", "1")
    done = inside("ablate", "--dataset", "quick-cells", "-m", "quick.taught", *arguments)
    assert done.returncode == 0, done.stderr
    assert "first, for the weights: average quick-atlas (seed 0); 50 % of cells" in done.stdout
    assert "quick-cells, random split (seed 0): cells masked (pretrain)" in done.stdout


@pytest.mark.slow
def test_controls_fills_and_mechanisms(inside: Run) -> None:
    done = inside(*CELLS, "--control", "shuffled", "--fill", "mean", "--mechanism", "activity")
    assert done.returncode == 0, done.stderr
    assert "quick.reader (shuffled)" in done.stdout
    assert "(world, activity, filled with mean)" in done.stdout
    plan = json.loads(
        inside(*CELLS, "--hide-seed", "4", "--stage", "test", "--plan", "--json").stdout
    )
    assert plan["jobs"][1]["missing"]["seed"] == 4
    assert plan["jobs"][1]["missing"]["stages"] == ["test"]


@pytest.mark.slow
def test_weights_of_a_file_have_seen_what_is_hidden(inside: Run, tmp_path: Path) -> None:
    arguments = ("--dataset", "quick-cells", "-m", "quick.taught", "--seed", "0", "-j", "1")
    settings = ("--set", "transductive=true", "--set", "given=weights.npy")
    inside("run", *arguments, "--set", "transductive=true")
    (made,) = (tmp_path / "home").glob("weights/*/*/weights.npy")
    for name in ("weights.npy", "card.json", "seen.npy"):
        shutil.copy(made.parent / name, tmp_path / name)
    done = inside("ablate", *arguments, *settings, "--stage", "pretrain")
    assert done.returncode == 2
    assert "made with nothing masked" in done.stderr


def test_a_users_table(inside: Run, table: Path) -> None:
    named = ("--dataset", str(table), "--smiles", "smiles", "--tasks", "active")
    done = inside("ablate", *named, "--split", "random", "-m", "quick.noise", "-j", "1")
    assert done.returncode == 1, done.stderr  # four test rows, and no score
    assert "mine has no cells" in done.stdout
    assert "nothing that is masked reaches any of these models" in done.stderr


def test_json_alone_on_stdout(inside: Run) -> None:
    document = json.loads(inside(*CELLS, "--missing", "1", "--json").stdout)
    (table,) = document["tables"]
    assert table["datasets"] == ["quick-cells"]
    assert table["rows"][0]["points"][1]["change"] < 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--missing", "half"), "'half' is no share; expected numbers from 0 to 1"),
        (("--missing", "1.5"), "'1.5' is no share"),
        (("--missing", "0"), "nothing is masked; name a share above 0"),
        (("--stage", "tset"), "did you mean 'test'"),
        (("--mechanism", "scafold"), "did you mean 'scaffold'"),
        (("--fill", "means"), "did you mean 'mean'"),
        (("--control", "shuffle"), "did you mean 'shuffled'"),
        (("--modality", "sise"), "did you mean 'size'"),
        (("--hide-seed", "-1"), "seeds go from 0"),
        (("--stage", "world", "--stage", "test"), "is all stages; name it alone"),
        (("--mechanism", "asymmetric", "--modality", "size"), "nothing would be masked; name two"),
        (("--seeds", "0"), "expected at least 1"),
    ],
)
def test_mistakes(inside: Run, arguments: tuple[str, ...], message: str) -> None:
    done = inside(*CELLS, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr

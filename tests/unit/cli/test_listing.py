"""``list`` and ``show``: what they promise to people and to scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.cli import _run
from chmr_bench.cli.listing import _agreement, _offers, _sizes
from chmr_bench.contracts import CELL_MODALITIES
from chmr_bench.errors import DataError

NINE = ["chembl2k", "broad6k", "biogen3k", "toxcast", "bbbp", "bace", "clintox", "sider", "hiv"]


def listed(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, object]]:
    assert _run([*args, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert isinstance(entries, list)
    return entries


def test_datasets_as_json_carry_what_scripts_rely_on(capsys: pytest.CaptureFixture[str]) -> None:
    entries = listed(capsys, "list", "datasets")
    promised = {"name", "title", "task_type", "n_molecules", "n_tasks", "metric", "split"}
    assert all(promised | {"modalities"} <= set(e) for e in entries)
    assert {e["name"] for e in entries} >= {*NINE, "planted"}


def test_the_nine_hold_728_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    entries = listed(capsys, "list", "datasets", "--suite", "all")
    assert sorted(str(e["name"]) for e in entries) == sorted(NINE)
    assert sum(int(str(e["n_tasks"])) for e in entries) == 728
    assert not any(e["synthetic"] for e in entries)


def test_the_table_marks_simulated_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["list", "datasets"]) == 0
    out = capsys.readouterr().out
    assert "planted*" in out
    assert "9 real datasets, 728 tasks" in out


def test_suites_mark_simulated_data(capsys: pytest.CaptureFixture[str]) -> None:
    entries = {str(e["name"]): e for e in listed(capsys, "list", "suites")}
    assert entries["demo"]["synthetic"] == entries["demo"]["datasets"]
    assert entries["all"]["synthetic"] == []
    assert _run(["list", "suites"]) == 0
    out = capsys.readouterr().out
    assert "planted*" in out
    assert "bace*" not in out
    assert "* synthetic: simulated labels" in out


def test_models_say_what_they_need_and_who_registered_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entries = {e["name"]: e for e in listed(capsys, "list", "models")}
    assert {"mean", "fingerprint.forest", "fingerprint.mlp", "deepchem.multitask"} <= set(entries)
    assert entries["fingerprint.mlp"]["requires"] == ["torch"]
    assert str(entries["mean"]["distribution"]).startswith("chmr-bench ")


def test_who_reads_profiles_is_told_in_two_words(capsys: pytest.CaptureFixture[str]) -> None:
    entries = {e["name"]: e for e in listed(capsys, "list", "models")}
    assert entries["cells.mlp"]["reads"] == ["structure", *CELL_MODALITIES]
    assert _run(["list", "models"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "own profiles" in out
    assert CELL_MODALITIES[-1] not in out


@pytest.mark.parametrize("what", ["features", "suites", "splits", "plugins"])
def test_every_listing_has_json_and_a_table(capsys: pytest.CaptureFixture[str], what: str) -> None:
    entries = listed(capsys, "list", what)
    assert entries
    assert _run(["list", what]) == 0
    assert str(entries[0]["name"]) in capsys.readouterr().out


def test_no_built_in_plugin_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    broken = [e for e in listed(capsys, "list", "plugins") if e["error"]]
    assert broken == []


@pytest.mark.parametrize("name", ["bace", "fingerprint.forest"])
def test_show_tells_more_than_the_list(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert _run(["show", name]) == 0
    assert name in capsys.readouterr().out
    assert _run(["show", name, "--json"]) == 0
    details = json.loads(capsys.readouterr().out)
    assert details["files"] if name == "bace" else details["settings"]


def test_show_tells_where_a_model_s_weights_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(name: str) -> dict[str, Any]:
        assert _run(["show", name, "--json"]) == 0
        details: dict[str, Any] = json.loads(capsys.readouterr().out)
        return details

    details = shown("chmr")
    assert details["weights"].endswith("chmr-bench pretrain chmr")
    assert details["explain"].startswith("chmr-bench explain chmr")
    assert details["settings"]["atlas"]
    assert "activity" in details["learns"]
    assert "bfloat16" in details["precisions"]
    forest = shown("fingerprint.forest")
    assert "weights" not in forest
    assert (forest["needs_cells"], forest["learns"], forest["views"]) == (False, [], [])
    assert shown("mmsa")["views"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("list datasets --suite moleculnet", "did you mean 'moleculenet'"),
        ("show board6k", "did you mean 'broad6k'"),
        ("lst", "lst"),
    ],
)
def test_what_is_misspelt_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert _run(words.split()) == 2
    assert said in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("chmr-bench 0.")


def test_atlases_as_json_carry_what_scripts_rely_on(capsys: pytest.CaptureFixture[str]) -> None:
    entries = {e["name"]: e for e in listed(capsys, "list", "atlases")}
    assert set(entries) >= {"planted", "jump-activity", "cmea", "infoalign"}
    assert [name for name, e in entries.items() if e["synthetic"]] == ["planted"]
    assert entries["jump-activity"]["modalities"] == ["activity"]
    assert entries["infoalign"]["n_molecules"] is None


def test_labelled_assays_stand_apart_and_are_no_cells(capsys: pytest.CaptureFixture[str]) -> None:
    entries = listed(capsys, "list", "atlases")
    assert [e["name"] for e in entries if e["kind"] == "assays"] == ["assays"]
    assert _run(["list", "atlases"]) == 0
    cells, _, assays = capsys.readouterr().out.partition("Labelled assays, not cells")
    assert "nci60" in cells
    assert "assay.chembl" not in cells
    assert "assay.chembl" in assays
    assert "0.3%" in assays
    for words in (
        ["show", "bace", "--cells", "assays"],
        ["match", "--model", "chmr", "--atlas", "assays"],
    ):
        assert _run(words) == 2
        error = capsys.readouterr().err
        assert (
            "'assays' holds labelled assays, not cells; expected an atlas of cell profiles" in error
        )
        assert "nci60" in error


@pytest.mark.slow
def test_show_knows_atlases_and_both_sides_of_planted(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["show", "jump-activity", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["files"]) == 2
    assert all(len(file["sha256"]) == 64 and file["address"] for file in shown["files"])
    assert _run(["show", "planted", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["atlas"]["n_molecules"] == 2335


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_dataset_says_which_rows_have_profiles_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run(["show", "quick-data", "--cells", "quick-atlas", "--json"]) == 0
    (own,) = json.loads(capsys.readouterr().out)["own_profiles"]
    assert (own["rows"], own["n"], own["test_rows"], own["n_test"]) == (40, 60, 20, 20)
    assert _run(["show", "quick-data", "--cells", "quick-atlas"]) == 0
    assert "67%" in capsys.readouterr().out
    assert _run(["show", "quick.reader", "--cells", "quick-atlas"]) == 2
    assert "--cells is of a dataset" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_atlases_say_how_many_rows_of_a_dataset_they_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["list", "atlases", "--atlas", "quick-atlas", "--atlas", "quick-made-atlas"]
    words += ["--dataset", "quick-small"]
    real, simulated = listed(capsys, *words)
    assert (real["joined"], real["agreement"]) == ({"quick-small": 30}, [])
    assert simulated["joined"] == {}
    assert _run(words) == 0
    out = capsys.readouterr().out
    assert "median agreement" in out
    assert "--dataset NAME" not in out
    assert _run(["list", "atlases"]) == 0
    assert "chmr-bench list atlases --dataset NAME" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("quick")
def test_the_measured_molecules_of_a_dataset_are_shown_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run(["show", "quick-small+quick-atlas", "--json"]) == 0
    details = json.loads(capsys.readouterr().out)
    (own,) = details["own_profiles"]
    assert (details["name"], details["n_molecules"]) == ("quick-small+quick-atlas", 30)
    assert (own["atlas"], own["rows"], sum(details["split_sizes"])) == ("quick-atlas", 30, 30)
    assert _run(["show", "quick.mean+quick-atlas"]) == 2
    assert "+ATLAS is of a dataset" in capsys.readouterr().err


def test_modalities_that_are_not_known_are_said_not_to_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run(["list", "atlases", "--atlas", "chmr-pretrain"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "not known" in out
    assert "genes alone" not in out


def test_one_of_a_kind_is_singular() -> None:
    entry = {"models": ["a"], "datasets": [], "features": ["b", "c"], "atlases": ["d"]}
    assert _offers(entry) == "1 model, 2 features, 1 atlas"


@pytest.mark.usefixtures("quick")
def test_split_sizes_that_are_not_stated_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["list", "datasets", "--suite", "quick"]) == 0
    assert "0/0/0" not in capsys.readouterr().out
    assert _run(["show", "quick-data"]) == 0
    out = capsys.readouterr().out
    assert "split_sizes" not in out
    assert "own: chmr-bench show quick-data --cells all" in " ".join(out.split())
    assert (_sizes({"split_sizes": [0, 0, 0]}), _sizes({"split_sizes": [10, 0, 0]})) == (
        "-",
        "10/0/0",
    )


def test_an_agreement_that_is_not_there_says_why() -> None:
    assert _agreement({"agreement": []}) == "no repeats: one row a molecule"
    assert _agreement({}) == "could not be opened"


def test_show_of_a_file_names_the_commands_that_read_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("smiles,y\nC,1\n")
    assert _run(["show", str(table)]) == 2
    assert "a table of your own is read by 'run' and 'audit'" in capsys.readouterr().err
    assert _run(["show", "bacee"]) == 2
    assert "a table of your own" not in capsys.readouterr().err


def test_atlases_that_cannot_be_listed_say_so(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(["list", "atlases", "--atlas", "folder:mine"]) == 2
    assert "show DATASET --cells folder:mine" in capsys.readouterr().err
    monkeypatch.setattr("chmr_bench.runner.joins.joined", unreadable)
    assert _run(["list", "atlases", "--atlas", "planted", "-d", "planted"]) == 3
    shown = capsys.readouterr()
    assert "could not be opened" in shown.out
    assert "planted: no such file" in shown.err


def unreadable(*_: Any) -> Any:
    raise DataError("no such file")

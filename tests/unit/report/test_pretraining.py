"""Tables say what each row was pretrained on, and what of the test part it saw."""

from __future__ import annotations

from typing import Any

from chmr_bench.records import Record
from chmr_bench.records.pretrained import n_test_seen, pretrained_on, weights_of_row
from chmr_bench.report.boards import Board, load_boards
from chmr_bench.report.evidence import Collected
from chmr_bench.report.exports import ELSEWHERE, SETTINGS, dataset_json, settings_json, table_json
from chmr_bench.report.grids import board_grid, table_grid
from chmr_bench.report.leaderboard import collect
from chmr_bench.report.render import pages
from chmr_bench.report.results import rows as result_rows

WEIGHTS = {"model__weights": "ab" * 32}
TOLD = {"atlases": ["cells", "genes"], "n_molecules": 115_002, "n_left_out": 713}


def add(results: Any, model: str, *, seed: int = 0, seen: int | None = 0, **more: Any) -> Record:
    dataset = more.pop("dataset", "bace")
    told = {"atlas": TOLD | more.pop("atlas", {}), "n_test_seen": seen}
    record: Record = results.add(
        model, dataset, seed=seed, **{**WEIGHTS, "model__pretraining": told, **more}
    )
    return record


def collected(results: Any) -> Collected:
    return collect(results.store)


def test_words_for_what_the_weights_were_made_from(results: Any) -> None:
    words = "cells + genes, 115,002 molecules; 713 left out that are in a benchmark's test part"
    assert pretrained_on(add(results, "plain")) == words
    flat = results.add("flat", "bace", **WEIGHTS, model__pretraining=TOLD | {"n_test_seen": 3})
    assert pretrained_on(flat) == words
    assert n_test_seen(flat) == 3
    kept = add(results, "kept", atlas={"transductive": True, "synthetic": True})
    assert pretrained_on(kept).startswith("cells + genes (SYNTHETIC), 115,002 molecules; transduct")
    strange = results.add("strange", "bace", **WEIGHTS, model__pretraining={"atlas": "mine"})
    assert pretrained_on(strange) == "weights abababababab"
    marked = results.add("marked", "bace", **WEIGHTS, model__pretraining=TOLD | {"note": "a guess"})
    assert pretrained_on(marked) == f"{words}; a guess"
    plain = results.add("none", "bace")
    assert (pretrained_on(plain), n_test_seen(plain)) == ("", None)


def test_words_for_a_share_of_the_atlas(results: Any) -> None:
    def words(model: str, n: int) -> str:
        told = {"atlas": TOLD, "material": {"n_molecules": n}}
        return pretrained_on(add(results, model, model__pretraining=told))

    assert words("share", 20_000).startswith("cells + genes, 20,000 of 115,002 molecules; 713 left")
    assert words("whole", 115_002).startswith("cells + genes, 115,002 molecules; 713 left out")


def test_untrained_weights_saw_no_molecule(results: Any) -> None:
    told = {"atlas": TOLD, "n_test_seen": 4}
    untrained = add(results, "untrained", model__pretraining=told | {"kept_epoch": 0})
    assert n_test_seen(untrained) == 0
    assert " for 0 epochs (untrained), " in pretrained_on(untrained)
    assert n_test_seen(add(results, "trained", model__pretraining=told | {"kept_epoch": 2})) == 4


def test_words_for_labelled_assays(results: Any) -> None:
    assays = {"assays": ["assay.muv"]}
    honest = pretrained_on(add(results, "assays", atlas=assays))
    assert honest.endswith("; pretrained on labelled assays of other molecules")
    strict = add(results, "strict", atlas=assays, seen=4)
    assert "LABELS POSSIBLY SEEN, so no rank: 4 test molecules" in pretrained_on(strict)
    assert "of other molecules" not in pretrained_on(strict)


def test_notes_name_the_atlas_once_and_the_rows_that_start_from_it(results: Any) -> None:
    results.add("mean", "bace")
    for model, seen in (("a", 0), ("b", 0), ("c", 4)):
        add(results, model, seen=seen)
    (table,) = collected(results).tables
    notes = table_grid(table).notes
    assert [n for n in notes if n.startswith("Pretrained on cells + genes")] == [
        "Pretrained on cells + genes, 115,002 molecules; 713 left out that are in a benchmark's "
        "test part: a, b, c."
    ]
    assert "Test molecules that pretraining saw, without labels: 0 (a, b); 4 (c)." in notes
    boards = collect(results.store, load_boards(results.root)).boards
    assert any(n.startswith("Pretrained on cells + genes") for n in board_grid(boards[0]).notes)


def test_weights_that_may_have_seen_labels_are_marked_and_take_no_rank(results: Any) -> None:
    seen = {"labels_seen": "it was trained on assays of the same molecules"}
    for name in ("bace", "hiv"):
        results.add("forest", name, 0.8)
        results.add("mean", name, 0.5)
        results.add("frozen", name, 0.9, **WEIGHTS, model__pretraining=seen)
    found = collect(results.store, [Board(title="Two", datasets=("bace", "hiv"))])
    tables = found.tables
    for table in tables:
        assert [row.label for row in table.rows] == ["forest", "mean", "frozen"]
        assert [row.behind is None for row in table.rows] == [False, False, True]
    (filled,) = found.boards
    assert [(row.label, row.average_rank) for row in filled.rows] == [
        ("forest", 1.0),
        ("mean", 2.0),
        ("frozen", None),
    ]
    grid = board_grid(filled)
    assert "labels possibly seen" in grid.rows[-1]
    for notes in (grid.notes, table_grid(tables[0]).notes):
        assert (
            "Pretrained on weights abababababab; LABELS POSSIBLY SEEN, so no rank: "
            "it was trained on assays of the same molecules: frozen."
        ) in notes


def test_tables_without_weights_say_nothing_of_them(results: Any) -> None:
    results.add("mean", "bace")
    (table,) = collected(results).tables
    assert not any("retrain" in note for note in table_grid(table).notes)
    assert "pretraining" not in table_json(table)["rows"][0]


def test_rows_of_alike_settings_share_them_across_datasets(results: Any) -> None:
    for seed, dataset in ((0, "bace"), (1, "bace"), (0, "hiv")):
        add(results, "a", seed=seed, dataset=dataset)
    settings: dict[str, Any] = {}
    tables = collected(results).tables
    rows = []
    for table in tables:
        content, own = dataset_json([table])
        settings |= own
        rows += content["tables"][0]["rows"]
    (key,) = settings
    assert [row["settings"] for row in rows] == [key, key]
    assert settings_json([settings])["settings"] == settings
    for table, row in zip(tables, rows, strict=True):
        (full,) = table_json(table)["rows"]
        assert settings[key].items() <= full.items()
        assert full.keys() - row.keys() == {*SETTINGS, *ELSEWHERE} & full.keys()


def test_other_weights_are_another_row_unless_each_seed_has_its_own(results: Any) -> None:
    add(results, "fixed", seed=0)
    add(results, "fixed", seed=1, model__weights="cd" * 32)
    each: dict[str, Any] = {"model__params": {"pretrain_seed": "run"}}
    add(results, "each", seed=0, **each)
    last = add(results, "each", seed=1, **each, model__weights="cd" * 32)
    assert weights_of_row(last) is None
    found = collected(results)
    (table,) = found.tables
    labels = sorted(row.label for row in table.rows)
    assert labels == ["each", "fixed (weights abababab)", "fixed (weights cdcdcdcd)"]
    (row,) = (r for r in table_json(table)["rows"] if r["row"] == "each")
    assert row["weights"] is None
    assert len(row["pretraining"]) == 2
    page = pages(found.tables, ())["provenance.md"]
    assert "| chmr-bench 0.1.0 (fingerprints) | of each seed | 0, 1 |" in page
    told = result_rows(results.store.records(), results.store)
    assert sorted((r["model"], r["n_runs"]) for r in told) == [
        ("each", 2),
        ("fixed", 1),
        ("fixed", 1),
    ]


def test_result_rows_tell_the_most_that_was_seen(results: Any) -> None:
    add(results, "a", seed=0, seen=None)
    add(results, "a", seed=1, seen=7)
    (row,) = result_rows(results.store.records(), results.store)
    assert row["n_test_seen"] == 7
    assert row["pretrained_on"].startswith("cells + genes")


def test_seeds_whose_weights_were_made_otherwise_are_another_row(results: Any) -> None:
    each: dict[str, Any] = {"model__params": {"pretrain_seed": "run"}}
    for seed, version in ((0, "3"), (1, "3"), (0, "4")):
        told = {"version": version, "seed": seed, "losses": {"total": seed}}
        weights = f"{version}{seed}" * 32
        results.add(
            "each", "bace", seed=seed, **each, model__weights=weights, model__pretraining=told
        )
    rows = result_rows(results.store.records(), results.store)
    assert sorted((r["model"], r["n_runs"]) for r in rows) == [("each", 1), ("each", 2)]
    (table,) = collected(results).tables
    assert sorted(len(row.seeds) for row in table.rows) == [1, 2]
    assert len({row.label for row in table.rows}) == 2


def test_a_file_of_weights_is_the_same_for_every_seed(results: Any) -> None:
    given = {"model__params": {"pretrain_seed": "run", "weights": "mine.safetensors"}}
    for seed, weights in ((0, "ab" * 32), (1, "ab" * 32), (0, "cd" * 32)):
        results.add("given", "bace", seed=seed, **given, model__weights=weights)
    rows = result_rows(results.store.records(), results.store)
    assert sorted(r["n_runs"] for r in rows) == [1, 2]

"""Records with something hidden to curves: who belongs to which, what is paired with what."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from chmr_bench.ablation.missing import Missing
from chmr_bench.report import figures, leaderboard, masking
from chmr_bench.report.curve_tables import SHUFFLED, as_document, as_rows, curve_grid
from chmr_bench.report.curves import curves, families_of, pictures, slug
from chmr_bench.report.families import Curve
from chmr_bench.report.figures import PER_PANEL, draw, parts, stretch
from chmr_bench.report.grids import Grid
from chmr_bench.report.masking import Setting

WORLD = ("pretrain", "finetune", "test")


def add(results: Any, rate: float, score: float | None, seed: int | None = 0, **more: Any) -> Any:
    """Store a run of ``chmr`` on bace.

    `more` are fields of `Missing`, the seed it hides ``by``, or what `Results.add` takes.
    """
    known = {f.name for f in dataclasses.fields(Missing)}
    said = {k: v for k, v in more.items() if k in known}
    draw_seed = more.get("by", seed or 0)
    asked = Missing(rate, seed=draw_seed, **said).settled()
    rest = {k: v for k, v in more.items() if k not in known and k != "by"}
    if asked is not None:
        rest |= {"missing": asked.to_dict(), "predicted": 0.5 + 0.1 * rate}
    model, dataset = rest.pop("model", "chmr"), rest.pop("dataset", "bace")
    return results.add(model, dataset, score, seed=seed, **rest)


def only(results: Any) -> Curve:
    (curve,) = curves(results.store)
    return curve


def only_grid(results: Any) -> Grid:
    (family,) = families_of(results.store)
    return curve_grid(family)


def rates(curve: Curve) -> list[float]:
    return [point.rate for point in curve.points]


def test_in_a_terminal_shuffled_rows_say_what_their_changes_are_against(results: Any) -> None:
    for seed in (0, 1):
        add(results, 0.0, 0.80, seed)
        add(results, 0.5, 0.76, seed)
    (family,) = families_of(results.store)
    assert curve_grid(family, terminal=True) == curve_grid(family)
    for seed in (0, 1):
        add(results, 0.0, 0.70, seed, shuffled=True)
        add(results, 0.5, 0.68, seed, shuffled=True)
    (family,) = families_of(results.store)
    grid = curve_grid(family, terminal=True)
    place = grid.columns.index("0 %, shuffled")
    shown = {row[0]: (row[place], row[place + 1]) for row in grid.rows}
    assert shown["chmr"][0] == "-"
    assert shown["chmr (shuffled)"][0].startswith("-10.0")
    assert shown["chmr (shuffled)"][1].startswith("-12.0")
    assert grid.notes[-1] == SHUFFLED


def test_a_curve_begins_with_the_plain_runs(results: Any) -> None:
    for seed in (0, 1, 2):
        add(results, 0.0, 0.80 + 0.01 * seed, seed)
        add(results, 0.5, 0.76 + 0.01 * seed, seed)
        add(results, 1.0, 0.70 + 0.01 * seed, seed)
    curve = only(results)
    assert rates(curve) == [0, 0.5, 1]
    assert [p.n_runs for p in curve.points] == [3, 3, 3]
    changes = [p.change for p in curve.points if p.change]
    np.testing.assert_allclose([c.mean for c in changes], [0, -0.04, -0.1], atol=1e-12)
    assert changes[0].low == changes[0].high == 0
    assert changes[1].n_pairs == 3
    # every seed moves alike, and the made-up resamples too: nothing but their rounding is left
    assert changes[1].se_seeds < 1e-6
    assert curve.area.mean == pytest.approx(-(0.5 * 0.04 / 2 + 0.5 * 0.14 / 2))
    assert not curve.unmoved


def test_without_a_single_hidden_run_there_is_no_curve(results: Any) -> None:
    add(results, 0.0, 0.8)
    assert curves(results.store) == []
    rendered = leaderboard.render_all(results.store, results.root)
    assert not any(name.startswith("missing") for name in rendered.texts)
    assert [*rendered.pictures] == []


def test_rate_1_ends_the_curve_of_every_mechanism(results: Any) -> None:
    add(results, 0.0, 0.8)
    add(results, 0.5, 0.75)
    add(results, 0.5, 0.74, mechanism="activity")
    add(results, 0.5, 0.74, mechanism="asymmetric")
    add(results, 1.0, 0.7)
    found = {c.setting.mechanism: rates(c) for c in curves(results.store)}
    assert found == {"random": [0, 0.5, 1], "activity": [0, 0.5, 1], "asymmetric": [0, 0.5]}


def test_rate_1_alone_is_a_curve(results: Any) -> None:
    add(results, 0.0, 0.8)
    add(results, 1.0, 0.7)
    assert rates(only(results)) == [0, 1]


def test_all_masked_and_a_control_are_two_curves(results: Any) -> None:
    """Whichever was run first: the run with everything masked ends both."""
    add(results, 0.0, 0.71, shuffled=True)
    add(results, 0.0, 0.8)
    add(results, 1.0, 0.7)
    found = {c.shuffled: rates(c) for c in curves(results.store)}
    assert found == {False: [0, 1], True: [0, 1]}


def test_own_profiles_have_a_curve_of_their_own(results: Any) -> None:
    own = {"name": "nci60", "digest": "d", "n_rows": 3, "n_test": 1}
    for more in ({}, {"cells": [own]}):
        add(results, 0.0, 0.8, **more)
        add(results, 1.0, 0.7, **more)
    found = {c.label: (rates(c), c.at(0.0).n_runs) for c in curves(results.store)}  # type: ignore[union-attr]
    assert found == {
        "chmr": ([0, 1], 1),
        "chmr + own profiles of nci60": ([0, 1], 1),
    }


def test_stages_modalities_and_fills_are_settings_of_their_own(results: Any) -> None:
    add(results, 0.0, 0.8)
    for more in ({}, {"stages": ("test",)}, {"modalities": ("m",)}, {"fill": "mean"}):
        add(results, 0.5, 0.75, **more)
        add(results, 1.0, 0.7, **more)
    found = {str(c.setting): rates(c) for c in curves(results.store)}
    assert found == {
        "cells masked (world)": [0, 0.5, 1],
        "cells masked (test)": [0, 0.5, 1],
        "m masked (world)": [0, 0.5, 1],
        "cells masked (world, filled with mean)": [0, 0.5, 1],
    }


def test_the_control_stands_beside_its_model(results: Any) -> None:
    add(results, 0.0, 0.8)
    add(results, 0.5, 0.75)
    add(results, 1.0, 0.7)
    add(results, 0.0, 0.71, shuffled=True)
    add(results, 0.5, 0.70, shuffled=True)
    plain, control = curves(results.store)
    assert plain.setting == control.setting
    assert (plain.shuffled, control.shuffled) == (False, True)
    assert rates(control) == [0, 0.5, 1]
    first = control.points[0]
    assert first.score == 0.71
    assert first.change.mean == pytest.approx(-0.09)  # against the model itself, not the control


def test_one_draw_for_all_is_not_mixed_with_a_draw_a_seed(results: Any) -> None:
    for seed in (0, 1):
        add(results, 0.0, 0.8, seed)
        add(results, 0.5, 0.75, seed)
    add(results, 0.5, 0.6, 1, by=0)
    tied, fixed = sorted(curves(results.store), key=lambda c: c.setting.draw is not None)
    assert tied.setting.draw is None
    assert tied.points[1].score == pytest.approx(0.75)
    assert fixed.setting.draw == 0
    assert fixed.points[1].score == pytest.approx((0.75 + 0.6) / 2)  # seed 0 hid by draw 0 anyway


def test_a_model_without_randomness_is_paired_with_each_draw(results: Any) -> None:
    add(results, 0.0, 0.8, None)
    for draw_seed, score in ((0, 0.75), (1, 0.73), (2, 0.77)):
        add(results, 0.5, score, None, by=draw_seed)
    add(results, 1.0, 0.7, None)
    curve = only(results)
    assert [p.n_runs for p in curve.points] == [1, 3, 1]
    change = curve.points[1].change
    assert change.n_pairs == 3
    assert change.mean == pytest.approx(-0.05)
    assert change.se_seeds == pytest.approx(0.02 / np.sqrt(3))
    assert curve.area is not None


def test_seeds_of_one_rate_alone_are_told_not_dropped(results: Any) -> None:
    for seed in (0, 1, 2):
        add(results, 0.0, 0.8, seed)
    add(results, 0.5, 0.75, 0)
    (curve,) = curves(results.store)
    point = curve.points[1]
    assert point.unpaired == (1, 2)
    assert point.change.n_pairs == 1
    grid = only_grid(results)
    assert any("on record there or at 0 % alone: seed 1, 2" in note for note in grid.notes)
    assert any(note.startswith("one seed") and note.endswith("chmr") for note in grid.notes)


def test_the_start_and_a_change_are_the_score_of_the_same_seeds(results: Any) -> None:
    for seed, score in enumerate((0.80, 0.81, 0.82, 0.9, 0.9)):
        add(results, 0.0, score, seed)
        add(results, 0.25, score - 0.01, seed)
        if seed < 3:
            add(results, 0.5, 0.78, seed)
    curve = only(results)
    start, last = curve.start(), curve.points[-1]
    assert start.seeds == (0, 1, 2)
    assert start.scores.mean() + last.change.mean == pytest.approx(last.score)
    grid = only_grid(results)
    assert grid.rows[0][1] == "81.0"
    assert grid.rows[0][4].startswith("-3.0 (")
    assert (
        "chmr, nothing masked: over seed 0, 1, 2, as the change at 50 %; over all 5 it is 84.6; "
        "the change at 25 % is over other seeds"
    ) in grid.notes


def test_the_start_is_over_all_seeds_where_no_change_is_against_it(results: Any) -> None:
    for seed in (0, 1):
        add(results, 0.0, 0.8 + 0.1 * seed, seed)
        add(results, 0.0, 0.6 + 0.1 * seed, seed, shuffled=True)
    add(results, 0.5, 0.5, 0, shuffled=True)
    results.add("knn", "bace", 0.7, seed=0)
    results.add("knn", "bace", 0.8, seed=1)
    results.add("knn", "bace", 0.7, seed=0, missing=Missing(0.5).to_dict())  # nothing moved
    grid = only_grid(results)
    assert {row[0]: row[1] for row in grid.rows} == {"chmr (shuffled)": "65.0", "knn": "75.0"}
    assert not any("nothing masked: over" in note for note in grid.notes)


def test_a_failed_run_is_counted(results: Any) -> None:
    add(results, 0.0, 0.8)
    add(results, 0.5, None, error="no")
    curve = only(results)
    assert [(p.n_runs, p.n_failed) for p in curve.points] == [(1, 0), (0, 1)]
    grid = only_grid(results)
    assert "failed" in grid.rows[0][3]
    assert as_rows(families_of(results.store))[1]["n_failed"] == 1


def test_a_failed_share_leaves_no_mean_change(results: Any) -> None:
    for model, failed in (("a", None), ("b", 0.5), ("c", 1.0)):
        for share in (0.0, 0.5, 1.0):
            error = "no" if share == failed else ""
            add(results, share, None if error else 0.8 - share / 10, model=model, error=error)
    found = families_of(results.store)
    (grid,) = map(curve_grid, found)
    assert grid.columns[-1] == "mean change, 0 to 100 %"
    assert {row[0]: row[-1] == "-" for row in grid.rows} == {"a": False, "b": True, "c": True}
    names = ("mean_change", "mean_change_from", "mean_change_to")
    told = {row["model"]: [row[name] for name in names] for row in as_rows(found)}
    assert told["a"] == [pytest.approx(-0.05), 0, 1]
    assert told["b"] == told["c"] == [None] * 3
    rows = {row["model"]: row for row in as_document(found)["tables"][0]["rows"]}
    assert rows["a"]["mean_change"]["mean"] == pytest.approx(-0.05)
    assert (rows["a"]["mean_change_from"], rows["a"]["mean_change_to"]) == (0, 1)
    assert [rows["b"][name] for name in names] == [None] * 3


def test_a_share_that_failed_on_one_dataset_is_a_column_of_the_mean(results: Any) -> None:
    for dataset in ("bace", "bbbp"):
        for share in (0.0, 0.5, 1.0):
            error = "no" if (dataset, share) == ("bbbp", 0.5) else ""
            add(results, share, None if error else 0.8 - share / 10, dataset=dataset, error=error)
    mean = families_of(results.store)[-1]
    grid = curve_grid(mean)
    assert grid.rows[0][3:] == ("failed", "-10.0 (-10.0 to -10.0)", "-")


def test_predictions_that_do_not_move_are_no_flat_line(results: Any) -> None:
    add(results, 0.0, 0.8)
    asked = Missing(1.0).to_dict()
    results.add("chmr", "bace", 0.8, missing=asked)
    curve = only(results)
    assert curve.unmoved
    grid = only_grid(results)
    assert grid.rows[0][3] == "does not read it"


@pytest.mark.parametrize(("n", "words"), [(0, "nothing was masked"), (7, "did not move")])
def test_what_could_be_read_is_told_from_what_could_not(results: Any, n: int, words: str) -> None:
    add(results, 0.0, 0.8)
    hidden = {"test": {"m": {"observed": 10, "hidden": n, "filled": 0}}}
    results.add("chmr", "bace", 0.8, missing=Missing(0.5).to_dict(), hidden=hidden)
    grid = only_grid(results)
    assert grid.rows[0][3] == words


def test_shares_are_those_that_were_hidden(results: Any) -> None:
    add(results, 0.0, 0.8)
    for seed, (test, atlas) in enumerate([(4, 30), (6, 50)]):
        counts = {"m": {"observed": 100, "hidden": atlas, "filled": 0}}
        told = {"atlas": {"atlases": ["a"], "hidden": {"rate": 0.5, "counts": counts}}}
        part = {"test": {"m": {"observed": 10, "hidden": test, "filled": 0}}}
        made = {"model__weights": "a" * 64, "model__pretraining": told}
        add(results, 0.5, 0.7, seed, hidden=part, **made)
    curves_found = curves(results.store)
    (point,) = (p for c in curves_found for p in c.points if p.rate == 0.5)
    assert dict(point.shares) == {"pretrain": 0.4, "test": 0.5}
    row = next(r for r in as_rows(families_of(results.store)) if r["rate"] == 0.5)
    assert (row["hidden_pretrain"], row["hidden_test"], row["hidden_train"]) == (0.4, 0.5, None)
    assert row["n_hidden"] == 90


def test_draws_of_the_control_are_not_mixed(results: Any) -> None:
    for seed in (0, 1):
        add(results, 0.0, 0.8, seed)
        for by, score in ((seed, 0.64), (7, 0.66)):
            add(results, 0.0, score, seed, shuffled=True, by=by)
            add(results, 0.5, score - 0.02, seed, shuffled=True, by=by)
            add(results, 0.5, score + 0.1, seed, by=by)
    found = {(c.setting.draw, c.shuffled): c for c in curves(results.store)}
    assert set(found) == {(None, False), (None, True), (7, False), (7, True)}
    for draw_seed, score in ((None, 0.64), (7, 0.66)):
        control = found[draw_seed, True]
        assert rates(control) == [0, 0.5]
        assert [p.n_runs for p in control.points] == [2, 2]
        assert control.points[0].score == pytest.approx(score)


def test_the_weakest_phenotypes_need_no_draw(results: Any) -> None:
    add(results, 0.0, 0.8, 3)
    add(results, 0.5, 0.7, 3, mechanism="activity")
    curve = only(results)
    assert curve.setting.draw is None
    assert rates(curve) == [0, 0.5]


def test_a_model_without_randomness_is_in_the_table_of_one_draw_too(results: Any) -> None:
    for model, seed in (("chmr", 0), ("knn", None)):
        add(results, 0.0, 0.8, seed, model=model)
        add(results, 0.5, 0.7, seed, model=model, by=7)
    found = {(c.label, c.setting.draw) for c in curves(results.store)}
    assert found == {("chmr", 7), ("knn", None), ("knn", 7)}


def test_a_mean_change_is_over_the_same_shares_in_every_row(results: Any) -> None:
    for model, shares in (("a", (0.0, 0.5, 1.0)), ("b", (0.0, 1.0))):
        for share in shares:
            add(results, share, 0.8 - share / 10, model=model)
    grid = only_grid(results)
    assert {row[0]: row[-1] == "-" for row in grid.rows} == {"a": False, "b": True}


def test_a_mean_change_says_how_many_seeds_it_has(results: Any) -> None:
    for seed in (0, 1):
        add(results, 0.0, 0.8, seed)
        add(results, 0.5, 0.75, seed)
    results.add("chmr", "bace", 0.7, seed=0, missing=Missing(1.0).to_dict(), predicted=0.9)
    grid = only_grid(results)
    assert any("mean change of chmr: over 1 of the seeds" in note for note in grid.notes)


def test_hitting_molecules_is_not_hiding_entries(results: Any) -> None:
    add(results, 0.0, 0.8)
    add(results, 1.0, 0.7, mechanism="asymmetric")
    grid = only_grid(results)
    assert grid.columns[3] == "100 % of molecules hit"


def test_other_settings_weights_or_versions_are_other_models(results: Any) -> None:
    told = {"version": "1", "config": {"a": 1}, "atlas": {"atlases": ["jump"], "hidden": None}}
    for version in ("1", "2"):
        how = {**told, "version": version}
        for rate in (0.0, 0.5):
            atlas = {**how["atlas"], "hidden": {"rate": rate}} if rate else how["atlas"]
            weights = {"model__weights": f"{version}{rate}" * 8}
            made = {"model__pretraining": {**how, "atlas": atlas, "data": str(rate)}}
            add(results, rate, 0.8 - rate / 10 - int(version) / 100, **weights, **made)
    first, second = curves(results.store)
    assert rates(first) == rates(second) == [0, 0.5]  # other weights, yet one making
    for curve in (first, second):
        change = curve.points[1].change
        assert change.mean == pytest.approx(-0.05)
    assert {first.label, second.label} == {"chmr", "chmr (#2)"}


# ------------------------------------------------------------------------------------------ tables


def test_the_mean_over_datasets_takes_what_all_have(results: Any) -> None:
    for dataset, loss in (("bace", 0.1), ("bbbp", 0.2)):
        for seed in (0, 1):
            add(results, 0.0, 0.8, seed, dataset=dataset)
            add(results, 0.5, 0.8 - loss / 2, seed, dataset=dataset)
            add(results, 1.0, 0.8 - loss, seed, dataset=dataset)
    add(results, 0.0, 0.9, model="forest")
    add(results, 0.5, 0.8, model="forest")
    *single, mean = families_of(results.store)
    assert [f.datasets for f in single] == [("bace",), ("bbbp",)]
    assert mean.datasets == ("bace", "bbbp")
    (curve,) = mean.curves  # the forest lacks a dataset
    assert [p.score for p in curve.points] == pytest.approx([0.8, 0.725, 0.65])
    assert curve.area.mean == pytest.approx(-0.075)


def test_simulated_and_real_data_are_never_averaged(results: Any) -> None:
    for dataset, synthetic in (("bace", False), ("planted", True)):
        for rate in (0.0, 0.5):
            add(results, rate, 0.8, dataset=dataset, dataset__synthetic=synthetic)
    assert all(len(f.datasets) == 1 for f in families_of(results.store))


def test_what_is_shown(results: Any) -> None:
    add(results, 0.0, 0.8, half=0.0)
    add(results, 0.25, 0.75, half=0.0)
    add(results, 1.0, 0.7, half=0.0)
    grid = only_grid(results)
    assert grid.title == "bace: cells masked (world)"
    assert grid.columns[1:] == (
        "ROC-AUC %, nothing masked",
        "runs",
        "25 % masked",
        "100 % masked",
        "mean change, 0 to 100 %",
    )
    assert grid.rows[0][:4] == ("chmr", "80.0", "1", "-5.0 (-)")
    document = as_document(families_of(results.store))
    points = document["tables"][0]["rows"][0]["points"]
    assert [p["rate"] for p in points] == [0, 0.25, 1]
    assert len(document["tables"][0]["rows"][0]["records"]) == 3


def test_the_files_come_with_the_other_tables_and_go_with_the_records(results: Any) -> None:
    add(results, 0.0, 0.8)
    hidden = add(results, 0.5, 0.75)
    out = results.root
    leaderboard.build(results.store, out)
    names = {p.name for p in out.glob("missing*")}
    assert names == {"missing.md", "missing.csv", "missing.json", "missing-cells-hidden-world.png"}
    assert leaderboard.differences(results.store, out) == []
    assert "missing.md" in (out / "README.md").read_text()
    assert "50 % masked" in (out / "missing.md").read_text()
    assert (out / "tables/bace.csv").read_text().count(
        "chmr,chmr"
    ) == 1  # the hidden run is not there
    drawn = (out / "missing-cells-hidden-world.png").stat().st_mtime_ns
    leaderboard.build(results.store, out)
    assert (out / "missing-cells-hidden-world.png").stat().st_mtime_ns == drawn
    for file in results.store.path_of(hidden).iterdir():
        file.unlink()
    results.store.path_of(hidden).rmdir()
    leaderboard.build(results.store, out)
    assert not list(out.glob("missing*"))


def test_curves_are_sorted_again_only_for_a_new_run_or_a_lost_picture(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted_, curve_runs = [], masking.curve_runs

    def spy(lines: Any) -> Any:
        sorted_.append(len(lines))
        return curve_runs(lines)

    monkeypatch.setattr(masking, "curve_runs", spy)
    for rate in (0.0, 0.5):
        add(results, rate, 0.8 - 0.1 * rate)
    picture = results.root / "missing-cells-hidden-world.png"
    for n_sorted in (1, 1):
        leaderboard.build(results.store, results.root)
        assert len(sorted_) == n_sorted
    results.add("mean", "bace", 0.5)
    leaderboard.build(results.store, results.root)
    assert len(sorted_) == 1
    picture.unlink()
    leaderboard.build(results.store, results.root)
    assert picture.is_file()
    add(results, 1.0, 0.7)
    leaderboard.build(results.store, results.root)
    assert sorted_ == [2, 2, 3]
    assert "100 % masked" in (results.root / "missing.md").read_text()
    assert leaderboard.differences(results.store, results.root) == []


def test_a_picture_is_named_after_its_setting_and_is_one(results: Any) -> None:
    add(results, 0.0, 0.8)
    add(results, 0.5, 0.75, mechanism="scaffold", stages=("test",))
    found = families_of(results.store)
    assert slug(found[0].setting) == "cells-hidden-test-scaffold"
    assert draw(found).startswith(b"\x89PNG")


def test_a_panel_of_simulated_data_says_so_to_the_last_bracket(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rate in (0.0, 0.5):
        add(results, rate, 0.8, dataset="planted", dataset__synthetic=True)
    drawn: list[Figure] = []

    def png(figure: Figure, dpi: int) -> bytes:
        drawn.append(figure)
        return b""

    monkeypatch.setattr(figures, "png", png)
    draw(families_of(results.store))
    assert [axes.get_title() for axes in drawn[0].axes] == ["planted (SYNTHETIC)"]


def test_there_is_no_picture_without_a_curve(results: Any) -> None:
    add(results, 0.0, 0.8)
    add(results, 0.5, None, error="no")
    results.add("knn", "bace", 0.7)
    results.add("knn", "bace", 0.7, missing=Missing(0.5).to_dict())
    found = families_of(results.store)
    assert list(pictures(found)) == []
    leaderboard.build(results.store, results.root)
    assert not list(results.root.glob("missing*.png"))
    assert "![" not in (results.root / "missing.md").read_text()
    for rate in (0.0, 0.5):  # a dataset with a curve: the one without gets no panel
        add(results, rate, 0.8, dataset="bbbp")
    ((shown,),) = pictures(families_of(results.store)).values()
    assert shown.datasets == ("bbbp",)


@pytest.mark.parametrize(("low", "high"), [(68.6, 68.9), (68.7, 68.7), (80.1, 84), (60, 80)])
def test_an_axis_in_percent_is_not_stretched_over_noise(low: float, high: float) -> None:
    axes = Figure().add_subplot()
    axes.plot([0, 1], [low, high])
    stretch(axes, "roc_auc")
    bottom, top = axes.get_ylim()
    assert bottom < low <= high < top
    assert top - bottom >= 4 - 1e-9
    assert (bottom + top) / 2 == pytest.approx((low + high) / 2)
    axes.figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert all(len(label.partition(".")[2]) <= 1 for label in labels)
    assert len({len(label.partition(".")[2]) for label in labels}) == 1
    assert [float(label) for label in labels] == pytest.approx(list(axes.get_yticks()))


def test_an_axis_in_other_units_is_as_it_was() -> None:
    axes = Figure().add_subplot()
    axes.plot([0, 1], [0.436, 0.438])
    before = axes.get_ylim()
    stretch(axes, "mae")
    assert axes.get_ylim() == before


def test_settings_are_told_in_words() -> None:
    setting = Setting(("test",), ("a", "b"), "activity", "zero", draw=3)
    assert str(setting) == "a+b masked (test, activity, filled with zero), draw 3"


def test_the_run_of_one_draws_own_seed_gets_no_table_of_its_own(results: Any) -> None:
    for seed in (0, 1, 2):
        add(results, 0.0, 0.8, seed)
        add(results, 0.5, 0.7, seed, by=0)
    (curve,) = curves(results.store)
    assert (curve.setting.draw, curve.points[1].n_runs) == (0, 3)
    add(results, 0.5, 0.72, 1)  # by its own seed: now there is a table of such runs
    assert sorted((c.setting.draw is None, c.points[1].n_runs) for c in curves(results.store)) == [
        (False, 3),
        (True, 2),
    ]


def test_runs_that_begin_with_one_pretraining_are_said_to(results: Any) -> None:
    made = {"model__pretraining": {"version": "4", "config": {}, "atlas": {"atlases": ["a"]}}}
    for seed in (0, 1):
        add(results, 0.0, 0.8, seed, model__weights="a" * 64, **made)
        add(results, 0.5, 0.7, seed, model__weights=f"{seed}" * 64, **made)
        add(results, 0.5, 0.7, seed, model="cells.mlp")
        add(results, 0.0, 0.8, seed, model="cells.mlp")
    (family,) = families_of(results.store)
    assert {c.label: [p.n_pretrainings for p in c.points] for c in family.curves} == {
        "chmr": [1, 2],
        "cells.mlp": [0, 0],
    }
    grid = curve_grid(family)
    (note,) = [n for n in grid.notes if "one pretraining" in n]
    assert note.startswith("chmr: all runs at 0 % begin")
    assert {row["n_pretrainings"] for row in as_rows([family])} == {0, 1, 2}


def test_scores_without_a_start_of_the_same_making_are_said_to_have_none(results: Any) -> None:
    def made(epochs: int) -> dict[str, Any]:
        return {"version": "1", "config": {"epochs": epochs}, "atlas": {"atlases": ["a"]}}

    weights = {"model__weights": "a" * 64}
    add(results, 0.0, 0.80, model__pretraining=made(2), **weights)
    add(results, 0.5, 0.70, model__pretraining=made(5), **weights)
    (note,) = [n for n in only_grid(results).notes if "no change" in n]
    assert note.startswith("chmr: no change is shown, for no run on record with nothing masked")
    add(results, 0.0, 0.81, model__pretraining=made(5), model__version="1", **weights)
    assert not [n for n in only_grid(results).notes if "no change" in n]


def test_many_models_get_a_panel_a_family(results: Any) -> None:
    names = ["cells.forest", "cells.mlp", "chmr", *(f"chmr.fill-{i}" for i in range(PER_PANEL))]
    for name in names[:PER_PANEL]:
        add(results, 0.0, 0.8, model=name)
        add(results, 0.5, 0.7, model=name)
    (family,) = families_of(results.store)
    assert parts(family) == [family]
    for name in names[PER_PANEL:]:
        add(results, 0.5, 0.7, model=name)
    (family,) = families_of(results.store)
    shown = [[curve.label for curve in part.curves] for part in parts(family)]
    assert [len(labels) for labels in shown] == [2, len(names) - 2]
    assert sorted(label for labels in shown for label in labels) == sorted(names)
    assert draw([family]).startswith(b"\x89PNG")


def test_models_without_a_curve_get_no_panel_of_their_own(results: Any) -> None:
    for name in (f"chmr.fill-{i}" for i in range(PER_PANEL)):
        add(results, 0.0, 0.8, model=name)
        add(results, 0.5, 0.7, model=name)
    add(results, 0.5, 0.7, model="cells.mlp")  # nothing on record without anything hidden
    (family,) = families_of(results.store)
    (panel,) = parts(family)
    assert len(panel.curves) == PER_PANEL + 1
    assert sum(not curve.is_line for curve in panel.curves) == 1


def test_small_units_are_distinct(results: Any) -> None:
    for rate, score in ((0.0, 1.21e-6), (0.5, 1.32e-6), (1.0, 1.4e-6)):
        add(results, rate, score, seed=None, metric="mae", half=2e-8 * (1 + rate))
    grid = only_grid(results)
    start, _, half, _, mean = grid.rows[0][1:]
    assert float(start) == pytest.approx(1.21e-6)
    for cell in (half, mean):
        change, low, high = map(float, cell.rstrip(")").replace(" (", " to ").split(" to "))
        assert low < change < high


def on_split(number: int) -> dict[str, Any]:
    return {"drawn": ("strict", number)}


def test_drawn_splits_share_a_table_in_which_the_split_is_the_unit(results: Any) -> None:
    starts, changes = [0.80, 0.70, 0.75], [-0.02, -0.04, -0.06]
    for number, (start, change) in enumerate(zip(starts, changes, strict=True)):
        add(results, 0.0, start, **on_split(number))
        add(results, 1.0, start + change, **on_split(number))
        add(results, 0.0, start - 0.01, shuffled=True, **on_split(number))
    (family,) = families_of(results.store)
    assert (family.n_splits, family.title) == (3, "bace, 3 strict splits: cells masked (world)")
    own, control = family.curves
    point = own.at(1.0)
    assert point.score == pytest.approx(0.71)
    assert point.change.mean == pytest.approx(-0.04)
    # t(2) at 97.5 % is 4.3027; 4 test and 32 training rows in these records
    half = 4.3027 * 0.02 * np.sqrt(1 / 3 + 4 / 32)
    assert (point.change.low, point.change.high) == pytest.approx(
        (-0.04 - half, -0.04 + half), abs=1e-5
    )
    assert point.change.over_splits
    assert own.area.mean == pytest.approx(-0.02)
    permuted = control.at(0.0)
    assert permuted.change.mean == pytest.approx(-0.01)
    (grid,) = [curve_grid(family)]
    assert [row[grid.columns.index("runs")] for row in grid.rows] == ["3", "3"]
    (table,) = as_document([family])["tables"]
    assert table["split"] == {"name": "strict", "n_splits": 3}


def test_a_split_that_lacks_a_rate_is_left_out_there_alone(results: Any) -> None:
    for number in range(3):
        add(results, 0.0, 0.8, **on_split(number))
        if number:
            add(results, 0.5, 0.78, **on_split(number))
    for number in range(3):
        add(results, 1.0, 0.7, **on_split(number))
    (family,) = families_of(results.store)
    (curve,) = family.curves
    assert [p.n_runs for p in curve.points] == [3, 2, 3]
    assert [round(p.change.mean, 6) for p in curve.points if p.change] == [0, -0.02, -0.1]


def test_the_measured_molecules_of_a_dataset_are_in_no_mean_over_datasets(results: Any) -> None:
    for name in ("bace", "bace+nci60", "clintox"):
        add(results, 0.0, 0.8, dataset=name)
        add(results, 1.0, 0.7, dataset=name)
    assert [f.datasets for of in pictures(families_of(results.store)).values() for f in of] == [
        ("bace",),
        ("clintox",),
    ]
    names = [family.datasets for family in families_of(results.store)]
    assert sorted(names) == [("bace",), ("bace", "clintox"), ("bace+nci60",), ("clintox",)]


def test_a_row_over_splits_is_of_one_model_and_each_has_its_number(results: Any) -> None:
    for number in range(2):
        for version in ("1", "2")[: 1 + number]:  # version 2 on the second split alone
            more = {"model__version": version, **on_split(number)}
            add(results, 0.0, 0.8, **more)
            add(results, 1.0, 0.7, **more)
    (family,) = families_of(results.store)
    found = {c.label: [p.n_runs for p in c.points] for c in family.curves}
    assert found == {"chmr": [2, 2], "chmr (#2)": [1, 1]}


def test_two_datasets_of_one_content_keep_their_tables(results: Any) -> None:
    for name in ("bace+nci60", "bace+wong2024"):
        for number in range(2):
            same = {"dataset__digest": "d" * 64, **on_split(number)}
            add(results, 0.0, 0.8, dataset=name, **same)
            add(results, 1.0, 0.7, dataset=name, **same)
    names = [(family.datasets, family.n_splits) for family in families_of(results.store)]
    assert sorted(names) == [(("bace+nci60",), 2), (("bace+wong2024",), 2)]


def test_a_seed_that_drew_two_splits_is_not_put_together(results: Any) -> None:
    for digest in ("a", "b"):
        split = {**on_split(0), "split__digest": digest * 64}
        add(results, 0.0, 0.8, **split)
        add(results, 1.0, 0.7, **split)
    assert [family.n_splits for family in families_of(results.store)] == [1, 1]


def test_the_mean_change_is_over_the_splits_that_have_every_share(results: Any) -> None:
    for number in range(3):
        add(results, 0.0, 0.8, **on_split(number))
        for rate in (0.5, 1.0)[: 1 + (number < 2)]:
            add(results, rate, 0.8 - 0.1 * rate, **on_split(number))
    (family,) = families_of(results.store)
    (curve,) = family.curves
    mean = family.mean_change(curve)
    assert (mean.n_pairs, round(mean.mean, 6)) == (2, -0.05)
    assert [point.unpaired for point in curve.points] == [(), (), (2,)]
    assert any("over split 0, 1" in note for note in curve_grid(family).notes)


def test_scores_and_changes_over_splits_are_of_the_same_seeds(results: Any) -> None:
    for number in range(2):
        for seed in range(3):
            add(results, 0.0, 0.8 + 0.03 * seed, seed, **on_split(number))
        add(results, 1.0, 0.7, 0, **on_split(number))
    (family,) = families_of(results.store)
    (curve,) = family.curves
    first, last = curve.points
    assert first.score == pytest.approx(0.8)
    assert last.change.mean == pytest.approx(-0.1)
    assert any("over the seeds alone that every share has" in n for n in curve_grid(family).notes)

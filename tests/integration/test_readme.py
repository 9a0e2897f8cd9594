"""The generated sections of the README and the pages: up to date, and right."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chmr_bench import load_runs
from chmr_bench.plugins import registry
from chmr_bench.records import RecordStore
from chmr_bench.statistics import Difference, Runs, paired_difference
from chmr_bench.statistics.across import holm
from chmr_bench.statistics.changes import common
from chmr_bench.statistics.resampled import corrected_resampled
from chmr_bench.statistics.retrieval import Ranks, mrr_gain, retrieval_scores

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "docs"))
README_BYTES = 8192


def load_generator() -> Any:
    return load_docs("readme")


def load_docs(name: str) -> Any:
    """Return a module of `docs/`, whose files import each other as when one is run."""
    return importlib.import_module(name)


@cache
def all_runs() -> pd.DataFrame:
    return load_runs(REPOSITORY / "leaderboards")


@cache
def all_records() -> RecordStore:
    return RecordStore(REPOSITORY / "leaderboards")


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def words_of(name: str) -> str:
    """Return a page as one line."""
    return " ".join(text_of(name).split())


@pytest.mark.parametrize("name", load_generator().PAGES)
def test_the_generated_sections_are_up_to_date(name: str) -> None:
    text = text_of(name)
    assert re.search(r"<!-- \w+: made by ", text)
    assert load_generator().filled(text) == text, "mend with: make readme"


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").encode()) <= README_BYTES


def paragraph(begin: str) -> str:
    parts = text_of("docs/results.md").split("\n\n")
    (found,) = [part for part in parts if part.startswith(begin)]
    return " ".join(found.split())


def test_what_validation_said_of_ideas_is_the_mean_of_their_scores() -> None:
    scores = pd.read_csv(REPOSITORY / "docs" / "ideas.csv")
    means = scores.groupby(["idea", "dataset"])["valid_score"].mean()
    digits = {"biogen3k": (1, 3), "planted": (100, 0)}  # of planted no more digits were kept
    texts = {}
    for (idea, name), mean in means.items():
        scale, n = digits.get(name, (100, 1))
        texts[idea, name] = f"{scale * mean:.{n}f}"
    lines = text_of("docs/results.md").partition("| idea | ")[2].splitlines()[2:]
    said = {}
    for line in lines:
        idea, *cells, _ = (cell.strip() for cell in line.strip("| ").split(" | "))
        names = ("bace", "chembl2k", "toxcast", "biogen3k", "planted")
        said |= {(idea, name): cell for name, cell in zip(names, cells, strict=True)}
    assert {key: cell for key, cell in said.items() if cell != "-"} == texts


def masked_row(dataset: str, what: str, model: str, draw: str = "") -> dict[str, str]:
    """Return a row of the tables of masked cells, by heading; of one model, by its name."""
    section = text_of("leaderboards/missing.md").partition(
        f"## {dataset}: cells masked ({what}){draw}\n"
    )[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    heads, *rows = ([c.strip() for c in line.strip("| ").split(" | ")] for line in lines)
    (cells,) = [row for row in rows if row[0] == model]
    return dict(zip(heads, cells, strict=True))


PLANTED = "planted (SYNTHETIC)"
LOST_ON_PLANTED = (
    ("chmr", "world", "100 % masked"),
    ("chmr.cell-input", "world", "100 % masked"),
    ("cells.forest", "world", "100 % masked"),
    ("chmr", "world", "50 % masked"),
    ("cells.mlp", "world", "50 % masked"),
    ("chmr.cell-input", "test", "100 % masked"),
)


def test_what_masked_cells_cost_on_simulated_data_is_what_the_rows_say() -> None:
    said = paragraph("On `planted` (simulated), five seeds")
    pattern = r"`([\w.-]+)`[^`]*? (\d+\.\d)(?: points)? \((\d+\.\d) to (\d+\.\d)\)"
    losses = [
        (name, f"-{x} (-{high} to -{low})") for name, x, low, high in re.findall(pattern, said)
    ]
    rows = [(name, masked_row(PLANTED, what, name)[share]) for name, what, share in LOST_ON_PLANTED]
    assert losses == rows
    whole = {
        name: masked_row(PLANTED, "world", name)["100 % masked"].partition(" ")[0].strip("-")
        for name in ("cells.mlp", "cells.mlp.late", "cells.regressor", "chmr")
    }
    (most,) = re.findall(r"loses up to (\S+) points", words_of("README.md"))
    assert most == whole.pop("chmr")
    least, most = (f(whole.values(), key=float) for f in (min, max))
    assert f"the networks on profiles {least} to {most}," in said
    pretrained = masked_row(PLANTED, "pretrain", "chmr.cell-input")["100 % masked"]
    assert f"to pretrain on {pretrained.partition(' ')[0].strip('-')}." in said


def test_alike_are_the_imputations() -> None:
    said = paragraph("On `planted` (simulated), five seeds")
    names = ("chmr", *(f"chmr.fill-{kind}" for kind in ("neighbour", "random", "zero")))
    rows = [masked_row(PLANTED, "world", name) for name in names]
    shares = ("25 % masked", "50 % masked", "75 % masked", "100 % masked")
    changes = [[float(row[share].partition(" ")[0]) for row in rows] for share in shares]
    most = max(max(of) - min(of) for of in changes)
    assert f"differ by {most:.1f} points at most at any share" in said


def test_what_masked_cells_cost_on_real_data_is_what_the_row_says() -> None:
    said = paragraph("On real cell data")
    changes = re.findall(r"[+-]?\d\.\d \(-?\d\.\d to -?\d\.\d\)", said)
    (model,) = re.findall(r"`(chmr \[.*?\])`", said)
    name = model.replace("[", "\\[").replace("]", "\\]")
    rows = [masked_row(dataset, "world", name) for dataset in ("chembl2k", "broad6k")]
    assert changes == [row[f"{share} % masked"] for row in rows for share in (50, 100)]
    for change in changes:
        low, high = re.findall(r"\((\S+) to (\S+)\)", change)[0]
        assert float(low) <= 0 <= float(high)


def test_what_half_of_the_profiles_in_pretraining_cost_is_what_the_rows_say() -> None:
    said = paragraph("With half of the default's profiles")
    of_mean = "mean over bace, bbbp, broad6k, chembl2k, clintox, hiv, sider, toxcast"
    names = (of_mean, "biogen3k", *of_mean.removeprefix("mean over ").split(", "))
    changes = [masked_row(name, "pretrain", "chmr", ", draw 0")["50 % masked"] for name in names]
    assert re.findall(r"[+-]?\d\.\d+ \(-?\d\.\d+ to -?\d\.\d+\)", said) == changes[:2]
    for change in changes:
        low, high = re.findall(r"-?\d\.\d+", change)[-2:]
        assert float(low) < 0 < float(high)


def test_how_much_was_learnt_from_is_what_the_records_say() -> None:
    store = all_records()

    def material(model: str) -> Any:
        runs = [r for r in store.of("bace", model) if r.split.name == "reference" and not r.missing]
        (one,) = {json.dumps(r.model.pretraining["material"]) for r in runs if r.model.pretraining}
        return json.loads(one)

    n = material("chmr.molecule-only")["n_molecules"]
    reason = "ours was pretrained on the {:,} molecules of another atlas"
    for page in ("docs/results.md", "docs/against_printed.toml"):
        assert reason.format(n) in text_of(page)
    cells = material("chmr.all-cells")["cells"]
    sizes = [block["observed"] for name, block in cells.items() if name != "activity"]
    said = paragraph("Adding the small real profiles")
    assert f"{min(sizes):,} to {max(sizes):,} molecules each" in said
    n = material("mmsa")["n_molecules"]
    assert f"structures alone: {n:,} molecules" in text_of("docs/results.md")


def test_what_is_said_of_the_health_of_mmsa_is_what_the_records_say() -> None:
    runs = [run for run in all_records().of("bace", "mmsa") if not run.missing]
    made = (run.model.pretraining["made"] for run in runs if run.model.pretraining)
    (text,) = {json.dumps({**one["health"], "rate": one["molecules_per_second"]}) for one in made}
    found = json.loads(text)
    n, entropy = found["anchors"], found["attention_entropy"]
    assert entropy < 0.8 * np.log(n)
    said = words_of("docs/mmsa.md")
    for words in (
        f"over {found['molecules']} molecules the spread is {found['spread_unified']:.2f} before",
        f"{found['spread_hypergraph']:.2f} after it, {found['anchors_in_use']} of {n} anchors",
        f"the entropy is {entropy:.2f}, where {np.log(n):.2f} would be all alike",
        f"made at {found['rate']:.0f} molecules a second on one core",
    ):
        assert words in said


WONG = "toxcast+wong2024"
NETWORKS = ("cells.counts", "cells.mlp")
INTERVAL = r"-\d+\.\d \(-\d+\.\d to -?\d+\.\d\)"


def test_what_masked_profiles_cost_is_what_the_tables_say() -> None:
    said = paragraph("On `toxcast+wong2024` `cells.mlp`, which gains more")
    strict = f"{WONG}, 10 strict splits"
    hit = masked_row(strict, "world, asymmetric", "cells.mlp")["50 % of molecules hit"]
    forest = masked_row(WONG, "test", "cells.forest")
    expected = [hit, forest["50 % masked"], forest["100 % masked"]]
    assert re.findall(INTERVAL, said) == expected


def test_which_network_loses_more_is_what_the_table_says() -> None:
    assert "`cells.mlp`, which gains more than `cells.counts`, loses more too" in text_of(
        "docs/results.md"
    )
    of = {curve.key: curve.changes for curve in load_docs("masked_profiles").curves()}
    for stage in ("test", "world"):
        counts, mlp = (of[WONG, "10 strict", stage, name] for name in NETWORKS)
        assert all(mlp[share]["change"] < counts[share]["change"] for share in counts)


def test_in_most_rows_of_toxcast_more_is_lost_as_more_is_masked() -> None:
    assert "In most rows of ToxCast more of it is lost" in paragraph(
        "With profiles masked the gain"
    )
    curves = [c for c in load_docs("masked_profiles").curves() if c.key[0].startswith("toxcast")]
    changes = [[c.changes[share]["change"] for share in sorted(c.changes)] for c in curves]
    falling = [of for of in changes if of == sorted(of, reverse=True)]
    assert len(falling) > len(changes) / 2


def test_what_masked_profiles_cost_on_three_atlases_is_what_the_table_says() -> None:
    said = paragraph("On `toxcast+wong2024` `cells.mlp`, which gains more")
    assert "no loss is shown where all profiles are masked at one stage" in said
    assert "With a quarter or half of them masked at test alone ChEMBL2K loses" in said
    of = {curve.key: curve.changes for curve in load_docs("masked_profiles").curves()}
    lost = []
    for name in ("chembl2k", "clintox", "sider"):
        for stage in ("finetune", "test"):
            changes = of[f"{name}+nci60+wong2024+yeast-cgm", "10 strict", stage, "cells.counts"]
            lost += [(name, stage, s) for s, p in changes.items() if p["change_high"] < 0]
    assert lost == [("chembl2k", "test", 0.25), ("chembl2k", "test", 0.5)]


def test_what_is_said_of_pairs_of_pretrainings_is_what_the_table_says() -> None:
    section = text_of("docs/results.md").partition("<!-- pretrainings")[2].partition("<!--")[0]
    rows = re.findall(r"\| (\w+)[^|]*\| (\d) \|.*\| \S+ \((\S+) to (\S+)\) \|", section)
    excluded = [name for name, _, low, high in rows if not float(low) <= 0 <= float(high)]
    assert excluded == ["toxcast", "sider"]
    ahead: dict[str, list[str]] = {"real": [], "permuted": []}
    for name, n, *_ in rows:
        real, permuted = (pretraining_scores(name, permuted=kind) for kind in (False, True))
        assert len(real) == len(permuted) == int(n) == (5 if name == "toxcast" else 2)
        gains = (permuted - real) if name == "biogen3k" else (real - permuted)
        for kind, sign in (("real", 1), ("permuted", -1)):
            ahead[kind] += [name] * bool((sign * gains > 0).all())
    assert ahead["real"] == ["biogen3k", "toxcast", "bace", "clintox", "sider"]
    assert ahead["permuted"] == ["chembl2k", "broad6k"]
    generator = load_generator()
    names = (generator.PRETRAININGS, generator.PRETRAININGS_PERMUTED)
    tables = tables_of_the_nine()
    pairs = [[generator._row_of(tables[name], row).runs for row in names] for name, *_ in rows]
    corrected = holm([paired_difference(*pair).p for pair in pairs])
    p = {name: f"{value:.2f}" for (name, *_), value in zip(rows, corrected, strict=True)}
    said = paragraph("Two pairs are few.")
    assert f"no difference is left (toxcast p {p['toxcast']}, sider {p['sider']})" in said
    assert min(corrected) > 0.05
    bbbp = [pretraining_scores("bbbp", permuted=kind) for kind in (False, True)]
    assert (bbbp[0] == bbbp[1]).tolist() == [False, True]


def test_what_is_said_of_assay_families_is_what_is_left() -> None:
    section = text_of("docs/results.md").partition("<!-- families")[2].partition("<!-- /fam")[0]
    words = (
        r"- toxcast\+(\S+): after Holm's correction for the 12 families, of (.+) are left: (.+)\."
    )
    left = {(atlas, what.split()[1]): kept for atlas, what, kept in re.findall(words, section)}
    assert left == {
        ("wong2024", "gains"): "none",
        ("wong2024", "over"): "APR",
        ("nci60", "gains"): "TOX21",
        ("nci60", "over"): "BSK, TOX21",
        ("yeast-cgm", "gains"): "TOX21",
        ("yeast-cgm", "over"): "TOX21",
    }
    said = paragraph("With `wong2024` the gain is shown on TOX21 and APR, each family for itself")
    assert "correction for the 12 families no gain is left" in said
    assert "of those over permuted profiles that on APR" in said
    said = paragraph("With `nci60` and with `yeast-cgm` the gain on TOX21")
    assert "over structure alone and over permuted profiles, and with `nci60` that on BSK" in said
    assert "no other gain is left" in said


def test_without_which_read_out_more_is_lost_is_what_the_records_say() -> None:
    of: dict[str, dict[int | None, float]] = {"cytotoxicity": {}, "growth": {}}
    sizes = []
    for run in all_records().of("toxcast+wong2024", "cells.counts"):
        missing = run.missing or {"modalities": []}
        (kind, *more) = missing["modalities"] or [""]
        if run.split.name == "strict" and kind in of and not more and run.metrics:
            assert (missing["rate"], len(missing["stages"])) == (1, 3)
            of[kind][run.split.seed] = run.metrics.macro
            sizes.append((run.split.n_train, run.split.n_test))
    toxic, growth = (np.array([scores[seed] for seed in sorted(scores)]) for scores in of.values())
    found = corrected_resampled(growth - toxic, *np.mean(sizes, axis=0))
    mean, low, high = (f"{100 * x:.1f}" for x in (found.mean, found.low, found.high))
    said = paragraph("With `wong2024` the gain is shown on TOX21 and APR, each family for itself")
    assert f"between these two losses no difference is shown ({mean}, {low} to {high})" in said
    assert found.low < 0 < found.high


def test_what_is_said_of_tasks_with_few_positives_is_what_the_records_say() -> None:
    runs = all_records().of("toxcast", "chmr.finetuned")
    tasks: dict[bool, list[list[Any]]] = {False: [], True: []}
    for run in runs:
        shuffled = run.model.overrides == {"shuffle_cells": True}
        if run.split.name != "reference" or run.missing or not run.metrics:
            continue
        if shuffled or not run.model.overrides:
            tasks[shuffled].append([t for t in run.metrics.per_task if t.score is not None])
    assert {len(of) for of in tasks.values()} == {5}
    rarer = np.array([task.n_minority for task in tasks[False][0]])
    own, permuted = (np.mean([[t.score for t in run] for run in of], 0) for of in tasks.values())
    gains = [f"{100 * (own - permuted)[rarer > few].mean():.2f}" for few in (0, 2, 10)]
    said = words_of("docs/statistics.md")
    counts = [len(rarer), *((rarer <= few).sum() for few in (1, 2))]
    words = (
        "Of the {} tasks of toxcast with a score {} rest on one molecule of the rarer class, and {}"
    )
    assert words.format(*counts) in said
    over = "{} points over all tasks, {} over the {} with more than two of the rarer class, and {}"
    few = (rarer > 2).sum(), (rarer > 10).sum()
    assert over.format(gains[0], gains[1], few[0], gains[2]) in said
    assert f"the {few[1]} with more than ten" in said


def everything(missing: dict[str, Any]) -> bool:
    """Return whether every profile is masked."""
    throughout = missing["stages"] == ["pretrain", "finetune", "test"]
    return throughout and missing["rate"] == 1 and not missing["modalities"]


def test_how_strong_structure_is_is_what_the_records_say() -> None:
    runs = all_runs()
    runs = runs[(runs["dataset"] == "toxcast+wong2024") & (runs["split_recorded"] == "strict")]
    missing = runs["missing"].map(lambda text: json.loads(text) if text else None)
    whole = runs[missing.isna()].groupby("model")["score"].mean()
    bare = runs[[m is not None and everything(m) for m in missing]]
    alone = bare.groupby("model")["score"].mean()
    said = re.findall(r"\b\d\d\.\d\b", paragraph("The question was asked first"))
    known = (
        alone["cells.mlp"],
        whole["chmr.head-only"],
        whole["fingerprint.mlp"],
        whole["chmr"],
        whole["cells.mlp"],
        alone["cells.counts"],
        whole["cells.counts"],
    )
    assert said == [f"{100 * score:.1f}" for score in known]
    structure, other = alone["cells.counts"], whole["fingerprint.mlp"]
    words = f"({100 * structure:.1f} on `toxcast+wong2024`; `fingerprint.mlp`: {100 * other:.1f})"
    assert words in words_of("README.md")
    assert round(abs(structure - other), 3) <= 0.001  # "within 0.1 points"


def test_what_own_profiles_add_to_chmr_is_what_the_records_say() -> None:
    runs = all_runs()
    runs = runs[(runs["dataset"] == "toxcast+wong2024") & (runs["split_recorded"] == "strict")]
    missing = runs["missing"].map(lambda text: json.loads(text) if text else {})
    whole = runs[[not m for m in missing]].groupby("model")["score"].mean()
    throughout = runs[[bool(m) and everything(m) for m in missing]]
    counts = throughout[throughout["model"] == "cells.counts"]["score"].mean()
    while_fitted = runs[[m.get("stages") == ["finetune"] and m["rate"] == 1 for m in missing]]
    tuned = while_fitted[while_fitted["model"] == "chmr.cell-finetuned"]["score"].mean()
    assert "not shown" in paragraph("Over these splits its mean")
    assert tuned > max(counts, whole["chmr"])
    assert whole.idxmax() == "chmr.cell-finetuned"
    assert whole["chmr.cell-finetuned"] - tuned < whole["cells.counts"] - counts
    table = text_of("docs/results.md").partition("<!-- encoder")[2].partition("<!-- /encoder")[0]
    assert "**" not in table  # no interval there excludes 0


def test_what_chmr_makes_of_own_profiles_is_what_the_tables_say() -> None:
    text = paragraph("`chmr.cell-input` makes nothing")
    changes = re.findall(r"[+-]?\d\.\d \(-\d\.\d to \d\.\d\)", text)
    table = text_of("leaderboards/missing.md")
    rows = [line for line in table.splitlines() if line.startswith("| chmr.cell-input \\[atlas")]
    assert len(changes) == 3
    assert [change for change in changes if not any(change in row for row in rows)] == []
    scores = re.findall(r"\b(?:72|67)\.\d\b", text)
    assert {row.split(" | ")[1] for row in rows} == set(scores)


CONTROLS_OF_CELLS = (
    ("chmr.finetuned", "chmr.finetuned [shuffle_cells=true]"),
    ("chmr", "chmr.molecule-only"),
    ("chmr", "chmr.shuffled-cells"),
)


def test_what_is_said_of_training_on_is_what_the_records_say() -> None:
    generator = load_generator()
    tables = tables_of_the_nine()
    assert len(tables) == 9

    def p_values(base: str, other: str) -> list[float]:
        rows = [(generator._row_of(t, base), generator._row_of(t, other)) for t in tables.values()]
        return [paired_difference(own.runs, theirs.runs).p for own, theirs in rows]

    def left(base: str, other: str) -> list[str]:
        corrected = holm(p_values(base, other))
        return [name for name, p in zip(tables, corrected, strict=True) if p <= 0.05]

    own, control = CONTROLS_OF_CELLS[0]
    assert left(own, control) == ["toxcast"]
    for other in ("fingerprint.mlp", "chmr"):
        assert left(own, other) == []
    assert left(own, "zoo.ensemble") == ["biogen3k"]
    assert [left(*pair) for pair in CONTROLS_OF_CELLS[1:]] == [[], []]  # "none of the nine"
    section = text_of("docs/results.md").partition("## Trained on with the labels")[2]
    (row,) = re.findall(r"\| toxcast \| \*\*\+(\S+)\*\* \((\S+) to (\S+)\)", section)
    said = paragraph("On toxcast, what it learnt from cells")
    assert f"a difference of {row[0]} points ({row[1]} to {row[2]})" in said
    for page in ("README.md", "docs/results.md"):
        assert f"it is {row[0]} points ahead of permuted" in words_of(page)
    assert f"(p {min(holm(p_values(own, control))):.3f})" in said
    gain = generator._gain(tables["toxcast"], own, f"{own} [cells=[]]").strip("*").split("** (")
    assert f"behind by {gain[0].strip('+')} points ({gain[1]}" in said
    every = [p for pair in CONTROLS_OF_CELLS for p in p_values(*pair)]
    doubts = paragraph("Two things keep this from being settled")
    assert f"Corrected for all three, p is {min(holm(every)):.2f}" in doubts


def test_on_how_many_datasets_cells_are_shown_over_strict_splits_is_what_the_records_say() -> None:
    runs = all_runs()
    runs = runs[(runs["split_recorded"] == "strict") & (runs["overrides"] == "{}")]
    runs = runs[runs["missing"].isna()]
    said = paragraph("Reference and strict taken together")
    names = registry().suite("all")
    assert len(names) == 9
    for _, control in CONTROLS_OF_CELLS[1:]:
        assert f"`{control}` on none" in said
        p = []
        for name in names:
            of = runs[runs["dataset"] == name]
            own, other = (of[of["model"] == m].set_index("split_seed") for m in ("chmr", control))
            shared = sorted({*own.index} & {*other.index})
            assert len(shared) == 5
            gains = (own["score"][shared] - other["score"][shared]).to_numpy()
            sizes = own.loc[shared, ["n_train", "n_test"]].mean()
            p.append(corrected_resampled(gains, *sizes).p)
        assert min(holm(p)) > 0.05


def pretraining_scores(dataset: str, *, permuted: bool) -> Any:
    """Return the scores of the runs of `chmr.finetuned` that have a pretraining each, by seed."""
    own = {"pretrain_seed": "run", **({"shuffle_cells": True} if permuted else {})}
    return finetuned_scores(dataset, own)


def finetuned_scores(dataset: str, own: Mapping[str, Any]) -> Any:
    """Return the scores of `chmr.finetuned` with these settings on the published split, by seed."""
    runs = all_runs()
    runs = runs[runs["overrides"].map(lambda text: json.loads(text) == own)]
    runs = runs[(runs["dataset"] == dataset) & (runs["model"] == "chmr.finetuned")]
    return runs[runs["split"] == "reference"].sort_values("seed")["score"].to_numpy()


def test_what_is_said_of_other_pretrainings_is_what_the_records_say() -> None:
    generator = load_generator()
    toxcast = tables_of_the_nine()["toxcast"]
    others = "chmr.finetuned [pretrain_seed=run"
    gain = generator._gain(toxcast, others + "]", others + ", shuffle_cells=true]")
    gain = plain(gain)
    said = paragraph("**Other pretrainings.**")
    for permuted, words in ((False, "pairs, {} against"), (True, "against {}, by")):
        scores = pretraining_scores("toxcast", permuted=permuted)
        assert words.format(listed(f"{100 * score:.1f}" for score in scores)) in said
    first, rest = gain.split(" ", 1)
    assert f"by {first} points on average {rest.strip(')')}; p " in said
    for page in ("README.md", "docs/results.md"):
        assert f"over five pretrainings each it is {gain}" in words_of(page)
    untrained, own = "chmr.finetuned [encoder=random]", "chmr.finetuned"
    score = generator._row_of(toxcast, untrained).score
    assert f"it has {100 * score:.1f} in five runs" in said
    real, permuted = (
        generator._gain(toxcast, row, untrained).replace("*", "").strip("+").split(" ", 1)
        for row in (own, f"{own} [shuffle_cells=true]")
    )
    assert f"{real[0]} points behind {real[1]}" in said
    assert f"permuted profiles are {permuted[0]} points ahead of that {permuted[1]}" in said


def listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}"


def strict_pairs(dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs of the fourth pretraining from real and from permuted profiles, by split."""
    runs = all_runs()
    runs = runs[(runs["dataset"] == dataset) & (runs["model"] == "chmr.finetuned")]
    runs = runs[runs["split"] == "strict"]
    given = runs["overrides"].map(json.loads)
    own, permuted = (
        runs[given.map(lambda o, want=want: o == want)].sort_values("split_seed")
        for want in ({"pretrain_seed": "run"}, {"pretrain_seed": "run", "shuffle_cells": True})
    )
    assert own["split_seed"].tolist() == permuted["split_seed"].tolist() == list(range(5))
    assert set(own["seed"]) == set(permuted["seed"]) == {3}
    return own, permuted


def strict_gain(own: pd.DataFrame, gains: Any) -> Difference:
    n_train, n_test = (own[name].to_numpy().mean() for name in ("n_train", "n_test"))
    return corrected_resampled(gains, n_train, n_test)


def test_what_is_said_of_strict_splits_of_biogen3k_is_what_the_records_say() -> None:
    own, permuted = strict_pairs("biogen3k")
    gains = permuted["score"].to_numpy() - own["score"].to_numpy()  # errors
    assert (gains > 0).sum() == 4
    found = strict_gain(own, gains)
    shown = f"{found.mean:.3f} on average ({found.low:.3f} to {found.high:.3f}; p {found.p:.3f})"
    said = paragraph("**Strict splits.**")
    assert f"same pretraining, they are ahead on four, by {shown}" in said


def test_what_is_said_of_strict_splits_is_what_the_records_say() -> None:
    own, permuted = strict_pairs("toxcast")
    gains = own["score"].to_numpy() - permuted["score"].to_numpy()
    assert (gains > 0).all()
    found = strict_gain(own, gains)
    mean, low, high = (f"{100 * value:.1f}" for value in (found.mean, found.low, found.high))
    said = paragraph("**Strict splits.**")
    assert f"by {mean} points on average ({low} to {high}; corrected" in said
    assert f"p {found.p:.3f})" in said
    seen = [*own["n_test_seen"], *permuted["n_test_seen"]]
    (n_test,) = set(own["n_test"])
    assert (
        f"of the {n_test} test molecules of these it has seen {min(seen):.0f} to {max(seen):.0f},"
        in said
    )
    short = words_of("docs/results.md")
    assert f"and on strict splits {mean} ({low} to {high})" in short


def gains_on_the_nine(base: str, other: str) -> dict[str, str]:
    generator = load_generator()
    rows = [
        (table, generator._row_of(table, base), generator._row_of(table, other))
        for table in tables_of_the_nine().values()
    ]
    paired = [
        table for table, a, b in rows if a and b and len({*a.runs.seeds} & {*b.runs.seeds}) > 1
    ]
    return {table.name: generator._gain(table, base, other) for table in paired}


def test_what_is_said_of_attentive_fp_is_what_the_board_says() -> None:
    said = paragraph("- `infoalign` learns from")
    gains = gains_on_the_nine("graph.attentive-fp", "chemprop")
    assert len(gains) == 9
    assert [name for name, gain in gains.items() if "**" in gain] == ["chembl2k"]
    score, rest = plain(gains["chembl2k"]).split(" ", 1)
    assert f"on chembl2k ahead of `chemprop` by {score} points {rest}, on the other eight" in said
    ranks = board()["average_rank"]
    variants = ("", ".random-encoder", ".molecule-only", ".no-prior")
    graphs = ["chemprop", "mmsa", *(f"infoalign{name}" for name in variants)]
    assert (ranks[graphs] > ranks["graph.attentive-fp"]).all()


def test_what_is_said_of_chemprop_on_toxcast_is_what_the_board_says() -> None:
    generator = load_generator()
    toxcast = tables_of_the_nine()["toxcast"]
    rows = (generator._row_of(toxcast, name) for name in ("chemprop", "fingerprint.forest"))
    a, b, _ = common(*(row.runs for row in rows))
    assert a is not None
    assert b is not None
    found = paired_difference(a, b)
    mean, low, high = (f"{100 * x:.1f}" for x in (found.mean, found.low, found.high))
    assert found.low < 0 < found.high
    words = f"no difference from the forest is shown ({mean}, {low} to {high}, over the two seeds)"
    assert words in paragraph("- `infoalign` learns from")
    assert found.n_pairs == 2


def test_what_is_said_of_multi_forest_is_what_the_board_says() -> None:
    said = paragraph("- `infoalign` learns from")
    name = "fingerprint.multi-forest"
    gains = gains_on_the_nine(name, "fingerprint.forest")
    assert len(gains) == 9
    assert not any("**" in gain for gain in gains.values())
    assert board()["sider"].idxmax() == name
    assert f"Its {100 * board()['sider'][name]:.1f} on sider is the best" in said
    assert f"alone, and has {100 * board()['toxcast'][name]:.1f}." in said


def test_what_is_said_of_infoaligns_pretraining_is_what_the_board_says() -> None:
    said = paragraph("- `infoalign` learns from")
    gains = gains_on_the_nine("infoalign", "infoalign.random-encoder")
    assert len(gains) == 9
    clear = {name: gain for name, gain in gains.items() if "**" in gain}
    assert set(clear) == {"broad6k", "toxcast", "sider", "biogen3k"}
    words = {name: plain(gain) for name, gain in clear.items()}
    assert f"by {words['broad6k'].replace(' ', ' points ', 1)} on broad6k" in said
    for name in ("toxcast", "sider", "biogen3k"):
        assert f"{words[name]} on {name}" in said


def test_what_is_said_of_infoalign_without_cells_is_what_the_board_says() -> None:
    said, without = paragraph("- `infoalign` learns from"), "infoalign.molecule-only"
    for other in (without, "infoalign.no-prior"):
        gains = gains_on_the_nine("infoalign", other)
        assert len(gains) == 9
        assert not any("**" in gain for gain in gains.values())
    gains = gains_on_the_nine(without, "infoalign.random-encoder")
    clear = {name: gain for name, gain in gains.items() if "**" in gain}
    assert set(clear) == {"broad6k", "sider", "hiv", "biogen3k"}
    for name, gain in clear.items():
        assert f"{gain.replace('*', '').strip('+')} on {name}" in said


def test_what_is_said_of_other_families_on_simulated_data_is_what_the_board_says() -> None:
    generator = load_generator()
    tables = generator._tables(generator.RECORDS)
    (table,) = [t for t in tables if (t.name, t.split_name) == ("planted", "reference")]
    said = paragraph("Why the other families").replace(" points", "")
    pairs = [
        ("infoalign", "infoalign.molecule-only"),
        ("infoalign", "infoalign.random-encoder"),
        ("chmr.head-only", "infoalign.random-encoder"),
    ]
    gains = [generator._gain(table, *pair).strip("*+").replace("**", "") for pair in pairs]
    assert re.findall(r"\d+\.\d \(\d+\.\d to \d+\.\d\)", said) == gains
    scores = {row.label: row.score for row in table.rows if row.score is not None}
    above = {name for name, score in scores.items() if score > 0.7}
    assert all(name.startswith(("chmr", "cells.")) for name in above)
    new = ("chemprop", "graph.attentive-fp", "embedding.minimol", "embedding.minimol.gp")
    forests = ("fingerprint.forest", "fingerprint.multi-forest")
    assert max(scores[name] for name in new) < min(scores[name] for name in forests)


@cache
def tables_of_the_nine() -> dict[str, Any]:
    """Return dataset -> its table on the published split."""
    generator = load_generator()
    published = [t for t in generator._tables(generator.RECORDS) if t.split_name == "reference"]
    return {t.name: t for t in published if t.kind == "benchmark" and "+" not in t.name}


@cache
def board() -> pd.DataFrame:
    """Return the table over all nine, by row."""
    return pd.read_csv(REPOSITORY / "leaderboards" / "overall.csv").set_index("row")


def plain(gain: str) -> str:
    """Return a gain without what makes it bold, and without its plus."""
    return gain.replace("*", "").strip("+")


def seeds_of(model: str) -> dict[str, set[int]]:
    """Return dataset -> seeds of a model on the published splits of the nine."""
    runs = all_runs()
    runs = runs[(runs["model"] == model) & (runs["split"] == "reference")]
    names = registry().suite("all")
    return {name: set(runs[runs["dataset"] == name]["seed"]) for name in names}


def test_what_is_said_of_the_mean_of_rows_is_what_the_records_say() -> None:
    runs = all_runs()
    runs = runs[(runs["model"] == "zoo.ensemble") & (runs["seed"] == 0)]
    made = {}
    for _, row in runs.iterrows():
        shares = json.loads(row["remarks"])[0].partition("of: ")[2].split(", ")
        made[row["dataset"]] = [share.rpartition(" ")[0] for share in shares]
    assert len(made) == 9
    holding = [name for name, rows in made.items() if "chmr.finetuned" in rows]
    assert len(holding) == 8
    assert sum("fingerprint.boosting" in rows for rows in made.values()) == 5
    holding = sorted(name for name, rows in made.items() if "graph.attentive-fp" in rows)
    mean = paragraph("`zoo.ensemble` trains nothing")
    seeds = seeds_of("graph.attentive-fp")
    offered = sum(len(of) == 5 for of in seeds.values())
    assert (len(holding), offered) == (4, 6)
    assert f"on four of the six where it was offered ({', '.join(holding)})" in mean
    assert {name for name, of in seeds.items() if len(of) < 5} == {"broad6k", "toxcast", "hiv"}
    said = paragraph("- `infoalign` learns from")
    assert "of five seeds on six datasets and two on broad6k, toxcast and hiv; over" in said
    gains = gains_on_the_nine("zoo.ensemble", "chmr.finetuned")
    ahead = {name: plain(gain) for name, gain in gains.items() if "**" in gain}
    assert sorted(ahead) == ["biogen3k", "broad6k", "sider"]
    assert f"it is ahead by {ahead['biogen3k']} on biogen3k" in mean
    assert board()["average_rank"].idxmin() == "zoo.ensemble"
    assert board()["average_rank"].drop("zoo.ensemble").idxmin() == "chmr.finetuned"
    own, control = (board()["average_rank"][name] for name in CONTROLS_OF_CELLS[0])
    said = paragraph("Over `fingerprint.mlp` it is ahead on biogen3k")
    assert f"a part: {own:.1f}." in said
    assert f"with permuted profiles it has {control:.1f}," in said


def test_how_far_the_printed_figures_are_is_what_the_board_says() -> None:
    own = ("chembl2k", "toxcast", "broad6k", "biogen3k")
    five = ["bbbp", "bace", "clintox", "sider", "hiv"]
    said = paragraph("As printed, with all published profiles")

    def shown(row: str) -> list[str]:
        percent = [f"{100 * board()[name][row]:.1f}" for name in own[:-1]]
        return [*percent, f"{board()[own[-1]][row]:.3f}"]

    assert "{}, {}, {} and {};".format(*shown("chmr")) in said
    assert "{}, {}, {} and {}.".format(*shown("chmr.finetuned")) in said
    assert "{}, {}, {} and {}, on biogen3k".format(*shown("zoo.ensemble")) in said
    assert board()["biogen3k"]["zoo.ensemble"] < 0.409
    means = 100 * board()[five].mean(axis=1)
    rows = ("chmr", "chmr.finetuned", "zoo.ensemble")
    assert "Here it is {:.1f}, {:.1f} trained on, and {:.1f} of".format(*means[list(rows)]) in said
    ranked = board()[board()["average_rank"].notna()]
    assert f"would give {100 * ranked[five].max().mean():.1f}:" in said


def test_the_small_table_has_the_rows_that_cover_the_board() -> None:
    lines = load_generator().small_table().splitlines()
    assert lines[2].count("|") == lines[0].count("|")
    assert any(line.startswith("| mean | 50.0 | 50.0 ") for line in lines)


TABLE = """dataset,synthetic,split,metric,row,score,low,high,n_runs
{0},{1},reference,{2},chmr,{3},0.7,0.9,5
{0},{1},reference,{2},chmr.head-only,0.75,0.6,0.8,5
{0},{1},reference,{2},chmr.no-tree,,,,0
{0},{1},reference,{2},fingerprint.knn,0.5,0.4,0.6,1
"""


def a_row(
    label: str, score: float | None, replicates: Any = None, model: str = "", overrides: str = "{}"
) -> Any:
    """Return what stands for a row of a table."""
    runs = None if replicates is None else Runs(np.array([score]), replicates, (None,), "mae")
    first = {"model": model or label, "overrides": overrides}
    return SimpleNamespace(label=label, score=score, runs=runs, first=first)


def a_table(name: str, metric: str, **scores: float) -> Any:
    """Return a table with these rows; the replicates of all move together, almost."""
    wave = 0.02 * np.sin(np.arange(100))
    moved = {label: score + wave * (1 + 1e-3 * score) for label, score in scores.items()}
    rows = [a_row(label, score, moved[label][None]) for label, score in scores.items()]
    return SimpleNamespace(
        name=name,
        metric=metric,
        greater_is_better=metric != "mae",
        rows=(*rows, a_row("fingerprint.forest", None)),
    )


def gains(tables: Any) -> str:
    """Return the table that sets `chmr` against its controls."""
    generator = load_generator()
    found: str = generator._gains(tables, "chmr", generator.AGAINST)
    return found


def test_chmr_is_set_against_its_controls() -> None:
    controls = {"chmr.head-only": 0.75, "chmr.random-encoder": 0.8}
    tables = [
        a_table("bace", "roc_auc", chmr=0.8, **controls),
        a_table("biogen3k", "mae", chmr=0.7, **{"chmr.head-only": 0.75}),
    ]
    lines = gains(tables).splitlines()
    assert lines[0] == "| chmr minus | chmr.head-only | chmr.random-encoder |"
    assert lines[2] == "| bace | **+5.0** (5.0 to 5.0) | +0.0 (0.0 to 0.0) |"
    assert lines[3] == "| biogen3k (MAE) | **+0.050** (0.050 to 0.050) | - |"  # a smaller error


def test_a_difference_that_never_varies_has_no_interval() -> None:
    table = a_table("bace", "roc_auc", chmr=0.8, **{"chmr.head-only": 0.75})
    for row in table.rows[:2]:
        row.runs.replicates[:] = row.score
    line = gains([table]).splitlines()[2]
    assert line == "| bace | +5.0 (no interval) |"


def test_a_control_with_a_longer_name_is_not_left_out() -> None:
    table = a_table("bace", "roc_auc", chmr=0.8)
    name = "chmr.random-encoder"
    for label, overrides, score in (("(weights ab)", "{}", 0.75), ("[a=1]", '{"a":1}', 0.5)):
        replicates = np.full((1, 100), score)
        row = a_row(f"{name} {label}", score, replicates, name, overrides)
        table.rows = (*table.rows, row)
    lines = gains([table]).splitlines()
    assert lines[0] == "| chmr minus | chmr.random-encoder |"
    assert lines[2].startswith("| bace | **+5.0**")


def test_without_records_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load_generator()
    monkeypatch.setattr(generator, "RECORDS", tmp_path)
    monkeypatch.setattr(generator, "TABLES", tmp_path)
    assert "not on record" in generator.chmr_tables()
    (tmp_path / "c.csv").write_text(TABLE.format("planted", "True", "roc_auc", 0.8))
    simulated = generator.chmr_tables()
    assert "| chmr | 80.0 | 70.0 to 90.0 | 5 |" in simulated
    assert "no-tree" not in simulated
    assert "| fingerprint.knn |" in simulated


def test_every_large_gap_to_a_printed_figure_has_a_reason() -> None:
    section = load_docs("against_printed").section()
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    large = [row for row in rows if row.split("|")[7].strip() == "no s.d." or size(row) > 2]
    assert len(rows) >= 15
    on_ogb = {"bbbp", "bace", "clintox", "sider", "hiv"}
    assert {row.split("|")[1].strip() for row in rows} >= on_ogb
    reasons = [line for line in section.splitlines() if line.startswith("- ")]
    assert sum(line.count(" on ") >= 1 for line in reasons) == len(reasons)
    named = " ".join(line.partition(": ")[0] for line in reasons)
    for row in large:
        dataset, printed = row.split("|")[1].split("(")[0].strip(), row.split("|")[2].strip()
        assert f"{printed} on {dataset}" in named
    assert "Not explained yet" not in section


def size(row: str) -> float:
    return float(row.split("|")[7])


# ------------------------------------------------------------------------------------ own profiles


def point(rate: float, change: float, p: float = 0.5) -> dict[str, Any]:
    half = 0.01
    ends = {"change_low": change - half, "change_high": change + half, "change_p": p}
    return {"rate": rate, "score": 0.7 + change, "n_runs": 10, "change": change, **ends}


def masked_table(name: str, *rows: Any, stages: str = "pretrain+finetune+test") -> dict[str, Any]:
    """Return a table of masked cells over strict splits; a row is a model, permuted, points."""
    return {
        "datasets": [name],
        "synthetic": False,
        "split": {"name": "strict", "n_splits": 10},
        "metric": "roc_auc",
        "modalities": "all",
        "fill": "none",
        "mechanism": "random",
        "stages": stages,
        "rows": [
            {
                "model": model,
                "shuffled": shuffled,
                "points": points,
                "mean_change": {"mean": -0.02, "low": -0.03, "high": -0.01, "p": 0.001},
            }
            for model, shuffled, points in rows
        ],
    }


def stored(path: Path, *tables: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"tables": tables}), encoding="utf-8")
    return path


def test_what_is_said_of_gains_over_strict_splits_is_what_the_records_say() -> None:
    page = load_docs("strict_splits")
    datasets = page.measured()
    assert set(registry().suite("all")) - set(datasets) == {"hiv"}
    gains = {other: [page.gain(d, other) for d in datasets] for other in page.AGAINST}
    permuted, *others, forest = gains.values()
    for of in (permuted, *others):
        assert all(gain.low <= 0 <= gain.high for gain in of)
    assert sum(p < 0.05 for p in holm([gain.p for gain in forest])) == 3
    toxcast = permuted[datasets.index("toxcast")]
    mean, low, high = (f"{value:.1f}" for value in (toxcast.mean, toxcast.low, toxcast.high))
    results = words_of("docs/results.md")
    assert f"strict splits {mean} ({low} to {high})" in words_of("README.md")
    assert f"kind and {mean} ({low} to {high}) with the board's" in results
    assert f"strict splits of toxcast ({mean}, {low} to {high})" in results


def test_what_is_said_of_outsiders_on_strict_splits_is_what_the_records_say() -> None:
    page, text = load_docs("strict_splits"), paragraph("- `infoalign` learns from")
    left_after_holm = load_docs("sections").left_after_holm
    minimol, forest = "embedding.minimol.gp", "fingerprint.multi-forest"
    five = ["chembl2k", "biogen3k", "bbbp", "bace", "clintox"]
    assert page.measured(minimol) == page.measured("embedding.minimol")
    assert set(registry().suite("all")) - set(page.measured(minimol)) == {"toxcast", "hiv"}
    assert page.measured(forest) == [*five, "hiv"]
    assert {len(page._scores(d, forest)) for d in five} == {5}
    assert {len(page._scores(d, "chemprop")) for d in page.measured("chemprop")} == {2}
    assert len(page._scores("hiv", forest)) == 2
    assert len(page.measured("chemprop")) == 6
    assert "`chemprop` on two splits of six" in paragraph("Strict splits share neither")
    gains = {d: page.gain(d, "fingerprint.forest", minimol) for d in page.measured(minimol)}
    clear = [d for d, gain in gains.items() if not gain.low <= 0 <= gain.high]
    assert clear == left_after_holm({d: gain.p for d, gain in gains.items()}) == ["biogen3k"]
    found = gains["biogen3k"]
    assert f"forest by {found.mean:.3f} ({found.low:.3f} to {found.high:.3f}) on" in text
    over_chmr = {d: page.gain(d, "chmr", minimol).p for d in gains}
    assert not left_after_holm(over_chmr)
    for gain in (page.gain(d, "fingerprint.forest", forest) for d in page.measured(forest)):
        assert gain.low <= 0 <= gain.high


def test_what_is_said_of_mmsas_variants_is_what_the_table_says() -> None:
    said = paragraph("- `infoalign` learns from")
    (table,) = load_docs("sections").tables_in(
        REPOSITORY / "leaderboards" / "tables" / "planted.json"
    )
    scores = {row["row"]: f"{100 * row['score']:.1f}" for row in table["rows"]}
    variants = {name for name in scores if name.startswith("mmsa.")}
    assert variants == {"mmsa.no-image", "mmsa.no-hypergraph", "mmsa.graph-only"}
    assert scores["mmsa"] == scores["mmsa.no-image"] == scores["mmsa.no-hypergraph"]
    assert f"the same {scores['mmsa']}, from graphs alone {scores['mmsa.graph-only']}." in said


def test_gains_over_strict_splits_are_paired_by_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = load_docs("strict_splits")
    monkeypatch.setattr(page, "TABLES", tmp_path)
    assert page.section() == page.NONE
    rows = {
        "bace": {page.ROW: (0.80, 0.82, 0.84), "chmr": (0.70, 0.73, 0.73, 0.99)},
        "biogen3k": {page.ROW: (0.40, 0.41), page.AGAINST[0]: (0.42, 0.42), "chmr": (0.5,)},
    }
    for dataset, of in rows.items():
        tables = [
            {
                "split": {"name": "strict", "seed": seed, "n_train": 80, "n_test": 10},
                "greater_is_better": dataset == "bace",
                "rows": [{"row": r, "score": s[seed]} for r, s in of.items() if seed < len(s)],
            }
            for seed in (3, 2, 1, 0)
        ]
        tables.append({"split": {"name": "reference"}})
        stored(tmp_path / f"{dataset}.json", *tables)
    biogen3k, bace = page.section().splitlines()[2:4]
    gain = corrected_resampled(np.array([10.0, 9.0, 11.0]), 80, 10)
    text = f"**+{gain.mean:.1f}** ({gain.low:.1f} to {gain.high:.1f})"
    assert bace == f"| bace | 3 | 82.0 | - | {text} | - | - |"
    assert biogen3k.startswith("| biogen3k | 2 | 0.405 | +0.015 (")  # a smaller error
    assert biogen3k.endswith(") | - | - | - |")  # one split in common is none
    left = "Over `chmr`, after Holm's correction for the 1 datasets, are left: bace (ahead)."
    assert left in page.section()


def test_a_curve_of_profiles_has_two_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = load_docs("masked_profiles")
    whole = [point(0, 0), point(0.5, -0.02), point(1, -0.005)]
    tables = (
        masked_table("a+x", ("cells.counts", False, whole), ("cells.counts", True, whole[:1])),
        masked_table("a+x", ("cells.counts", False, [*whole[:1], whole[2]]), stages="test"),
        masked_table("a", ("cells.counts", False, whole)),
        masked_table("b+x", ("cells.mlp", False, whole), ("cells.forest", False, whole)),
    )
    monkeypatch.setattr(page, "STORED", stored(tmp_path / "missing.json", *tables))
    lines = page.section().splitlines()
    assert lines[0].endswith("| runs | 50 % | 100 % | mean | permuted |")
    assert lines[2] == (
        "| a+x | 10 strict | world | cells.counts | 10 | **-2.0** (-3.0 to -1.0) | "
        "-0.5 (-1.5 to 0.5) | **-2.0** (-3.0 to -1.0) | **-2.0** (-3.0 to -1.0) |"
    )
    assert lines[3].startswith("| b+x | 10 strict | world | cells.mlp |")
    assert lines[3].endswith("| - |")  # nothing permuted
    assert not lines[4]
    assert lines[-1].startswith("- After Holm's correction for the 2 means, are left: `cells.cou")
    monkeypatch.setattr(page, "STORED", tmp_path / "none.json")
    assert page.section() == page.NONE


def test_a_sentence_says_what_profiles_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = load_docs("own_profiles")

    def table(name: str, change: float, permuted: float, p: float) -> dict[str, Any]:
        rows = [("cells.counts", False, [point(0, 0), point(1, change, p)])]
        return masked_table(name, *rows, ("cells.counts", True, [point(0, permuted, p)]))

    tables = (
        table("a+x", -0.02, -0.03, 0.001),
        table("a+y", -0.02, 0.0, 0.04),
        table("a+z", 0.02, 0.0, 0.04),
        table("b+x", -0.001, 0.0, 0.9),
    )
    monkeypatch.setattr(page, "STORED", stored(tmp_path / "missing.json", *tables))
    assert page.adds().splitlines() == [
        "- **a**: profiles add to structure +2.0 (1.0 to 3.0) with `x` and +2.0 (1.0 to 3.0) with "
        "`y`; left after the correction with `x`; with profiles it is worse: -2.0 (-3.0 to -1.0) "
        "with `z`; ahead of permuted profiles with `x`, after the correction with `x`.",
        "- **b**: profiles add nothing to structure that is shown: +0.1 (-0.9 to 1.1) with `x`; no "
        "gain over permuted profiles is shown.",
    ]
    monkeypatch.setattr(page, "STORED", tmp_path / "none.json")
    assert page.adds() == page.NONE


def test_each_dataset_with_own_profiles_has_its_sentence() -> None:
    said = load_docs("own_profiles").adds()
    names = [line.partition("**: ")[0].removeprefix("- **") for line in said.splitlines()]
    assert {"bbbp", "chembl2k", "clintox", "hiv", "sider", "toxcast"} <= {*names}


# ---------------------------------------------------------------------------------------- matching


def matched(model: str, verdict: str, gain_low: float, *, shuffled: bool = False) -> dict[str, Any]:
    cell = {
        "scores": {
            "mrr": {"score": 0.25, "chance": 0.13, "verdict": verdict},
            **{f"hit@{k}": {"score": k / 20, "chance": k / 40} for k in (1, 5, 10)},
            "ndcg": {"score": 0.375, "chance": 0.3125},
        },
        "over_shuffled": {"gain": 0.1, "low": gain_low, "high": 0.2},
    }
    block = {"block": "morphology", "n_pairs": 1155, "profiles": cell, "molecules": cell}
    return {
        "model": model,
        "shuffled": shuffled,
        "atlas": {"synthetic": False},
        "blocks": [block],
    }


def test_a_matching_says_who_finds_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = load_docs("matching")
    monkeypatch.setattr(section, "STORED", tmp_path)
    assert section.section() == section.NONE
    (tmp_path / "cmea").mkdir()
    rows = [
        matched("a", "above", 0.05),
        matched("a", "above", 0.0, shuffled=True),
        matched("b", "above", -0.05),
        matched("c", "chance", 0.05),
    ]
    (tmp_path / "cmea" / "match.json").write_text(json.dumps({"matchings": rows}))
    lines = section.section().splitlines()
    cells = "**0.250** (+0.100) | 0.250 (+0.100) | 0.250 (+0.100)"
    assert lines[2] == f"| cmea | morphology | 1,155 | profile | 0.130 | {cells} |"
    assert lines[5] == (
        "- `cmea`: structure tells something of the profile, by a in 2 of 2 rows; "
        "nothing is shown by b, c."
    )
    hits = " | ".join(["5.0 / 25.0 / 50.0 · 0.375"] * 3)
    chance = "2.5 / 12.5 / 25.0 · 0.312"
    assert lines[-1] == f"| cmea | morphology | molecule | {chance} | {hits} |"


def test_what_is_said_of_matching_is_what_the_ranks_say() -> None:
    section, said = load_docs("matching"), paragraph("So structure does tell something")
    best: dict[str, set[str]] = {}
    for atlas, _, n, *_, cells in section._blocks():
        scores = {model: cell["scores"]["mrr"]["score"] for model, cell in cells.items()}
        best.setdefault(atlas, set()).add(max(scores, key=scores.__getitem__))
        if atlas != "cmea":
            assert f"{n:,}" in said
            assert all(section._found(cell) for cell in cells.values())
    assert "the six rows of `cmea` and `comas`, and in none of `cmap02`" in said
    assert best["cmea"] == best["comas"] == {"chmr"}
    assert "chmr" not in best["cmap02"]


STORED_MATCHINGS = sorted((REPOSITORY / "leaderboards" / "matching").glob("*/match.json"))


@pytest.mark.parametrize("path", STORED_MATCHINGS, ids=lambda path: path.parent.name)
def test_stored_scores_of_a_matching_are_those_of_its_ranks(path: Path) -> None:
    def ranks_in(cell: dict[str, Any]) -> Ranks:
        return Ranks(*(np.array(cell[name]) for name in ("first", "last", "gallery")))

    matchings = json.loads(path.read_text(encoding="utf-8"))["matchings"]
    for one in matchings:
        (control,) = [o for o in matchings if o["shuffled"] and o["model"] == one["model"]]
        for block, same in zip(one["blocks"], control["blocks"], strict=True):
            for way in ("profiles", "molecules"):
                ranks = ranks_in(block[way])
                for score in retrieval_scores(ranks):
                    assert block[way]["scores"][score.measure]["score"] == pytest.approx(
                        score.score
                    )
                if not one["shuffled"]:
                    gain = mrr_gain(ranks, ranks_in(same[way])).gain
                    assert block[way]["over_shuffled"]["gain"] == pytest.approx(gain)


# --------------------------------------------------------------------------- joins and boards


def test_the_table_of_joins_says_what_measured_molecules_of_the_records_say() -> None:
    section = load_docs("joined")
    kept = section.read(section.KEPT)
    specs = [registered.spec for registered in registry().atlases.values()]
    pinned = [s for s in specs if s.kind == "cells" and s.sources and not s.synthetic]
    assert set(kept) == {s.name for s in pinned if s.n_molecules} | {section.ROWS}
    for name in section.DATASETS:
        assert int(kept[section.ROWS][name]) == registry().dataset(name).spec.n_molecules
    seen = 0
    for path in (REPOSITORY / "leaderboards" / "tables").glob("*+*.json"):
        dataset = json.loads(path.read_text(encoding="utf-8"))["tables"][0]["dataset"]
        whole, _, atlas = dataset["name"].partition("+")
        if atlas in kept:
            assert int(kept[atlas][whole]) == dataset["n_molecules"], dataset["name"]
            seen += 1
    assert seen > 9


def test_the_board_before_shows_rows_that_stand_on_both() -> None:
    section = load_docs("boards_before")
    shown = section.section()
    assert all(f"| {row} |" in shown for row in section.ROWS)
    now = section.scores(load_docs("sections").rows_in(section.TODAY))
    assert f"{100 * now['chmr']['toxcast']:.1f} (" in shown

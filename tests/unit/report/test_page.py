"""The page: sections in order, marks in place, nothing a name could break."""

from __future__ import annotations

from typing import Any

import pytest

from chmr_bench.report import render
from chmr_bench.report.boards import Board
from chmr_bench.report.grids import Grid, markdown
from chmr_bench.report.leaderboard import collect, render_all
from chmr_bench.report.published import all_published
from chmr_bench.report.render import MOST_BYTES, OLD_MARK, leaderboard_page, pages

BOARD = Board(title="Two", datasets=("bace", "chembl2k"))


def made(results: Any) -> str:
    return leaderboard_page(collect(results.store, [BOARD]), all_published(), {})


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


def test_sections_come_in_order(results: Any) -> None:
    results.add("forest", "chembl2k", 0.74)
    results.add("forest", "mine", dataset__origin={"kind": "file"})
    record = results.add("forest", "planted", dataset__synthetic=True)
    results.store.path_of(record).with_name("junk").mkdir()
    text = made(results)
    assert text.startswith(f"{OLD_MARK} from the records; edit nothing here -->\n")
    assert [h for h in headings(text) if h.startswith("## ")] == [
        "## Two, reference split",
        "## As printed",
        "## Datasets",
        "## Users' own tables",
        "## SYNTHETIC data",
        "## Left out",
        "## Provenance",
    ]
    assert "### planted (SYNTHETIC)" in text
    assert str(results.root) not in text


def printed(results: Any) -> str:
    return other_pages(results).get("printed.md", "")


def other_pages(results: Any) -> dict[str, str]:
    return pages(collect(results.store).tables, all_published())


def test_printed_and_measured_figures_share_no_page(results: Any) -> None:
    results.add("CHMR", "chembl2k", 0.7)
    measured, page = made(results), printed(results)
    assert "[printed.md](printed.md)" in measured
    assert "84.7" in page
    assert "84.7" not in measured
    assert "70.0 ± 0.1" in page  # InfoAlign on Broad6K, as printed
    assert sum("| CHMR |" in line for line in page.splitlines()) == 2  # and by endpoint
    assert "Hard labels: ROC-AUC computed on hard 0/1" in page


def test_no_printed_figures_without_their_dataset(results: Any) -> None:
    results.add("forest", "planted", dataset__synthetic=True)
    results.add("forest", "chembl2k", dataset__origin={"kind": "file"})
    assert "As printed" not in made(results)
    assert printed(results) == ""


def test_a_long_page_links_to_the_pages_of_its_datasets(results: Any) -> None:
    for number in range(40):
        results.add("forest [x]", f"data-{number}", dataset__title="Long. " * 200)
    text = made(results)
    assert len(text.encode()) <= MOST_BYTES
    assert "### data-3" not in text
    assert "| [data-3](tables/data-3.md) | reference | 1 | forest \\[x\\] | 70.0 |" in text


def test_long_files_of_figures_do_not_take_tables_off_a_short_page(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(120):
        results.add("forest", "bace", seed=seed)
    texts = render_all(results.store, results.root).texts
    assert "### bace" in texts["README.md"]
    n_bytes = len(texts["README.md"].encode())
    assert len(texts["tables/bace.json"]) > 2 * n_bytes
    monkeypatch.setattr(render, "MOST_BYTES", n_bytes)
    assert render_all(results.store, results.root).texts == texts


def test_provenance_names_data_models_and_machines(results: Any) -> None:
    results.add("forest", "bace", seed=3, environment__dirty=True)
    results.add("forest", "bace", seed=4, environment__packages={"numpy": "2.1.0"})
    results.add("mean", "bace", seed=None)
    assert "[provenance.md](provenance.md)" in made(results)
    text = other_pages(results)["provenance.md"]
    assert "3200/400/400" in text
    assert "c0ffeec0ffee + changes" in text
    assert "Packages: numpy 2.0.0 and 2.1.0." in text
    assert "## Seconds to fit and predict, mean over seeds" in text
    rows = [[c.strip() for c in line.split("|")] for line in text.splitlines() if "|" in line]
    models = {r[1]: r[-2] for r in rows if "chmr-bench 0.1.0 (fingerprints)" in r}
    assert models == {"forest": "3, 4", "mean": "no seed"}


def test_a_title_that_ends_a_sentence_gets_no_second_stop(results: Any) -> None:
    results.add("forest", "bace", dataset__title="Does it bind?")
    assert "Does it bind? 40 molecules, 3 tasks; 3200/400/400 train/valid/test." in made(results)


def test_names_cannot_break_a_table() -> None:
    grid = Grid("t", ("model", "x"), (("a|b [n_trees=1]\n<b>", "1 *"),))
    lines = markdown(grid).splitlines()
    assert lines[2] == r"| a\|b \[n\_trees=1\] \<b\> | 1 \* |"
    assert lines[1].startswith("|:--")
    assert lines[1].endswith("-:|")
    assert len(lines) == 3


def test_an_empty_grid_is_no_crash() -> None:
    assert "model" in markdown(Grid("t", ("model", "x"), ()))

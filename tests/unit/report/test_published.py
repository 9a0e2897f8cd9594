"""The printed figures are the ones that were read from the papers, all of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chmr_bench.errors import DataError
from chmr_bench.report import published
from chmr_bench.report.published import Figure, PrintedTable

REPOSITORY = Path(__file__).resolve().parents[3]
READ_OFF = REPOSITORY.parent / "shared" / "published"
SOURCES = [
    ("chmr", "Table 1", "chmr_table1.csv", "model"),
    ("chmr", "Table 2", "chmr_ablation.csv", "variant"),
    ("iem", "Table S3", "moleculenet_family.csv", "model"),
]


def printed(key: str, name: str) -> PrintedTable:
    (paper,) = [p for p in published.all_published() if p.paper.key == key]
    (table,) = [t for t in paper.table if t.name == name]
    return table


def as_read_off(figure: Figure) -> tuple[str, ...]:
    numbers = ["" if v is None else f"{v:.1f}" for v in (figure.mean, figure.std)]
    note = "hard labels" if figure.hard_labels else figure.note
    return (figure.model, figure.dataset, figure.metric, *numbers, note)


@pytest.mark.parametrize(("key", "name", "file", "column"), SOURCES)
def test_every_row_is_as_it_was_read_off(key: str, name: str, file: str, column: str) -> None:
    if not (READ_OFF / file).is_file():
        pytest.skip(f"{file}, as read off the paper, is not here")
    with (READ_OFF / file).open(encoding="utf-8") as handle:
        expected = [
            (
                row[column],
                row["dataset"],
                row["metric"],
                row["mean"],
                row["std"],
                (row.get("note") or "").split(" (")[0],
            )
            for row in csv.DictReader(handle)
        ]
    assert [as_read_off(f) for f in printed(key, name).figures] == expected


def test_figures_checked_by_hand() -> None:
    table = {(f.model, f.dataset): f for f in printed("chmr", "Table 1").figures}
    assert len(table) == 220
    assert (table["CHMR", "chembl2k"].mean, table["CHMR", "chembl2k"].std) == (84.7, 0.2)
    assert table["InfoAlign", "biogen3k"].mean == 49.4
    assert table["GP (Morgan)", "toxcast"].mean is None
    assert table["GP (Morgan)", "toxcast"].note == "out of memory"
    hard = {f.model for f in table.values() if f.hard_labels}
    assert hard == {"RF (Morgan)", "GP (Morgan)", "GPT2-87M"}
    assert not table["RF (Morgan)", "biogen3k"].hard_labels
    (fusion,) = printed("multi-rf", "abstract").figures
    assert (fusion.dataset, fusion.mean, fusion.std) == ("hiv", 84.76, 0.02)
    counts = [f for f in printed("praski", "MoleculeNet").figures if f.model == "ECFP count"]
    assert [f.mean for f in counts] == [72.0, 86.0, 76.3, 68.6, 78.9]


def test_sizes_and_datasets() -> None:
    sizes = {
        (p.paper.key, t.name): len(t.figures) for p in published.all_published() for t in p.table
    }
    assert sizes == {
        ("chmr", "Table 1"): 220,
        ("chmr", "Table 2"): 64,
        ("iem", "Table S3"): 192,
        ("multi-rf", "abstract"): 1,
        ("praski", "MoleculeNet"): 31,
    }
    assert printed("chmr", "Table 1").datasets == ("chembl2k", "toxcast", "broad6k", "biogen3k")


PAPER = '[paper]\nkey="k"\nauthors=""\ntitle="t"\nvenue=""\naddress=""\n'
FIGURE = 'model="a", dataset="b", metric="c"'
TABLE = '[[table]]\nname="T"\ntitle="t"\nruns=1\nspread=""\nsplit=""\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[paper", "cannot be read"),
        (PAPER + "[[table]]\n", "table.0.name: Field required"),
        (PAPER + TABLE + f"figures=[{{{FIGURE}}}]", "neither a figure"),
        (PAPER + TABLE + f"figures=[{{{FIGURE}, mean=1, sd=2}}]", "Extra inputs"),
        (PAPER + TABLE + f"figures=[{2 * f'{{{FIGURE}, mean=1}},'}]", "prints a on b twice"),
        (PAPER + TABLE + f"figures=[{{{FIGURE}, mean=1, hard_labels=true}}]", "no hard_labels"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "paper.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        published.read(path)
    assert "paper.toml" in str(caught.value)

"""``score`` and ``verify``: untouched records are ok, and every edit is seen."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chmr_bench import load_runs
from chmr_bench.records.arrays import FILE_NAME, ArrayFile, Arrays, write
from tests.integration.conftest import Run


@pytest.fixture
def done(runs_of: Callable[..., None], tmp_path: Path) -> Path:
    """A folder with runs of three models on one dataset, unpacked; returns the first's folder."""
    models = ("-m", "quick.noise", "-m", "quick.mean", "-m", "quick.raises")
    runs_of(("run", *models, "-d", "quick-small"), ("records", "unpack"))
    loose = tmp_path / "leaderboards" / "runs" / "loose"
    (folder,) = (loose / "quick-small" / "quick.noise").iterdir()
    return folder


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = folder / "result.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("check", ["score", "verify"])
def test_untouched_records_are_ok(inside: Run, done: Path, check: str) -> None:
    checked = inside(check)
    assert checked.returncode == 0, checked.stdout
    assert "2 ok; 1 failed run (no score" in checked.stdout
    counts = json.loads(inside(check, "--json").stdout)["counts"]
    assert counts == {"ok": 2, "failed run": 1}


@pytest.mark.parametrize("check", ["score", "verify"])
def test_another_score_on_record_is_a_difference(inside: Run, done: Path, check: str) -> None:
    edit(done, lambda content: content["metrics"].update(macro=0.99))
    checked = inside(check)
    assert checked.returncode == 1
    assert "macro: 0.99 on record" in checked.stdout
    assert "1 ok; 1 different" in checked.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["metrics"]["per_task"][0].update(low=0.001), "task first: low"),
        (lambda c: c["dataset"].update(digest="0" * 64), "dataset digest"),
        (lambda c: c["split"].update(digest="0" * 64), "split digest"),
        (lambda c: c["model"]["params"].update(scale=0.5), "identity"),
        (lambda c: c["predictions"].update(sha256="0" * 64), "its seal does not fit"),
        (lambda c: c["predictions"].update(values_sha256="0" * 64), "not those on record"),
        (lambda c: c.update(seal="0" * 64), "its seal does not fit"),
    ],
)
def test_verify_sees_every_edit(
    inside: Run, done: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(done, change)
    checked = inside("verify")
    assert checked.returncode == 1
    assert message in checked.stdout


def other_numbers(folder: Path, change: Callable[[Arrays], None]) -> None:
    """Write other numbers into a run's file, which stays sound."""
    content = json.loads((folder / "result.json").read_text())
    identity, dtype = content["identity"], content["predictions"]["dtype"]
    file = ArrayFile(folder / FILE_NAME)
    made = Arrays(file.predictions(identity, dtype), *file.results(identity))
    change(made)
    write(folder / FILE_NAME, {identity: made})


def test_verify_sees_other_predictions_and_missing_files(inside: Run, done: Path) -> None:
    other_numbers(done, lambda made: made.predictions.values.__setitem__((0, 0), 0.125))
    checked = inside("verify")
    assert checked.returncode == 1
    assert "the predictions are not those on record" in checked.stdout
    assert inside("score").returncode == 1
    (done / FILE_NAME).unlink()
    gone = inside("verify")
    assert gone.returncode == 1
    assert "unreadable" in gone.stdout
    assert inside("score").returncode == 1


def test_damage_is_told_with_what_to_do_and_the_same_command_mends_it(
    inside: Run, done: Path
) -> None:
    (done / FILE_NAME).write_bytes(b"")
    told = inside("verify")
    assert told.returncode == 1
    assert "run the command that made it" in told.stdout
    (way,) = {
        line.partition("for instance ")[2] for line in told.stdout.splitlines() if "made it" in line
    }
    assert way == ("chmr-bench run --model quick.noise --dataset quick-small --out leaderboards")
    again = inside(*way.split()[1:])
    assert again.returncode == 0
    assert "0 cached, 1 damaged (will be computed again)" in again.stdout
    assert inside("verify").returncode == 0


def test_what_was_verified_is_not_computed_again_until_it_changes(
    inside: Run, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chmr_bench.verify import runs

    scored, score = [], runs.score
    monkeypatch.setattr(runs, "score", lambda *a: scored.append(1) or score(*a))
    assert inside("verify").returncode == 0
    assert inside("records", "pack").returncode == 0
    assert inside("verify").returncode == 0
    assert len(scored) == 2
    assert inside("verify", "--all").returncode == 0
    assert len(scored) == 4
    inside("records", "unpack")
    other_numbers(done, lambda made: made.replicates.__setitem__(0, 0.125))
    changed = inside("verify")
    assert changed.returncode == 1
    assert "the bootstrap replicates are not those" in changed.stdout


def test_what_is_kept_beside_the_records_spares_intervals_and_no_score(
    inside: Run, done: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from chmr_bench.verify import runs

    assert inside("verify", "--keep", "--model", "quick.noise").returncode == 2
    kept = inside("verify", "--keep")
    assert kept.returncode == 0
    assert "verified.json" in kept.stderr
    monkeypatch.setenv("CHMR_BENCH_HOME", str(tmp_path / "another"))
    scored, only, score, score_only = [], [], runs.score, runs.score_only
    monkeypatch.setattr(runs, "score", lambda *a: scored.append(1) or score(*a))
    monkeypatch.setattr(runs, "score_only", lambda *a: only.append(1) or score_only(*a))
    assert inside("verify").returncode == 0
    assert (len(scored), len(only)) == (0, 2)
    assert inside("verify", "--all").returncode == 0
    assert len(scored) == 2
    (tmp_path / "leaderboards" / "verified.json").write_text("[]")
    monkeypatch.setenv("CHMR_BENCH_HOME", str(tmp_path / "a third"))
    assert inside("verify").returncode == 0
    assert len(scored) == 4


def test_only_the_chosen_records_are_checked(inside: Run, done: Path) -> None:
    edit(done, lambda content: content["metrics"].update(macro=0.99))
    assert inside("score", "--model", "quick.mean").stdout.splitlines()[-1] == "1 ok"
    good = inside("verify", "--model", "quick.mean", "--model", "quick.raises")
    assert good.returncode == 0
    assert "quick.noise" not in good.stdout
    assert "1 ok; 1 failed run (no score" in good.stdout
    bad = inside("verify", "-d", "quick-small", "-m", "quick.noise")
    assert bad.returncode == 1
    assert bad.stdout.splitlines()[-1] == "1 different"
    for words, message in (
        (
            ("--model", "quick.nois"),
            "no stored run is of model 'quick.nois'; did you mean 'qu",
        ),
        (("--dataset", "quick-smal"), "dataset 'quick-smal'; did you mean 'quick-small'?"),
        (("--dataset", "bace"), "dataset 'bace'; see chmr-bench records list"),
    ):
        unknown = inside("verify", *words)
        assert unknown.returncode == 2
        assert message in unknown.stderr


@pytest.mark.slow
def test_a_users_table_that_is_gone_is_counted_not_blamed(
    inside: Run, table: Path, rings: Callable[[int], str]
) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "mine.csv", "--smiles", "smiles")
    assert inside(*asked, "--tasks", "active").returncode == 0
    assert inside("verify").returncode == 0
    table.unlink()
    gone = inside("verify")
    assert gone.returncode == 3
    assert "1 cannot check: data not at hand" in gone.stdout
    assert "nothing was checked" in gone.stderr
    assert inside("run", "-m", "quick.noise", "-d", "quick-small").returncode == 0
    some = inside("verify")
    assert some.returncode == 0
    assert "1 ok; 1 cannot check" in some.stdout
    assert "nothing was checked" not in some.stderr
    table.write_text(rings(39))
    replaced = inside("verify")
    assert replaced.returncode == 1
    assert "mine.csv is not the table of this run: its content was changed" in replaced.stdout


def test_without_its_table_a_score_must_lie_inside_its_interval(
    inside: Run, table: Path, tmp_path: Path
) -> None:
    inside("run", "-m", "quick.noise", "-d", "mine.csv", "--smiles", "smiles", "--tasks", "active")
    table.unlink()
    inside("records", "unpack")
    (folder,) = (tmp_path / "leaderboards" / "runs" / "loose" / "mine" / "quick.noise").iterdir()
    edit(folder, lambda content: content["metrics"].update(macro=2.0, low=0.4, high=0.6))
    checked = inside("verify")
    assert checked.returncode == 1
    assert "macro: 2.0 lies outside its own interval" in checked.stdout


def test_verify_of_nothing_is_a_usage_error(inside: Run) -> None:
    missing = inside("verify", "--out", "nowhere")
    assert missing.returncode == 2
    assert "--out DIR" in missing.stderr


# ------------------------------------------------------------------------------- scores put right


def test_write_puts_scores_of_the_predictions_into_the_record(inside: Run, done: Path) -> None:
    first = json.loads((done / "result.json").read_text())
    edit(done, lambda content: content["metrics"].update(macro=0.99, low=0.98))
    other_numbers(done, lambda made: made.replicates.__setitem__(0, 0.125))
    assert "score --write" in inside("verify").stdout
    written = inside("score", "--write")
    assert written.returncode == 0, written.stdout
    assert "1 ok; 1 written; 1 failed run (no score" in written.stdout
    assert "macro: 0.99 on record" in written.stdout
    assert inside("verify").returncode == 0
    inside("records", "unpack")
    content = json.loads((done / "result.json").read_text())
    assert content.pop("rescored")["created"]
    assert content.pop("seal") != first.pop("seal")
    assert first.pop("rescored") is None
    assert content == first
    assert "2 ok; 1 failed run (no score" in inside("score", "--write").stdout


def test_write_leaves_a_record_that_differs_in_more(inside: Run, done: Path) -> None:
    edit(done, lambda c: c["predictions"].update(values_sha256="0" * 64))
    edit(done, lambda content: content["metrics"].update(macro=0.99))
    text = (done / "result.json").read_text()
    told = inside("score", "--write")
    assert told.returncode == 1
    assert "the predictions are not those on record" in told.stdout
    assert "1 ok; 1 different" in told.stdout
    assert (done / "result.json").read_text() == text


def test_damage_is_no_secret_where_runs_are_shown(inside: Run, done: Path, tmp_path: Path) -> None:
    assert inside("records", "pack").returncode == 0
    assert inside("records", "list").stderr == "3 runs\n"
    (pack,) = (tmp_path / "leaderboards" / "runs").rglob("quick.noise.parquet")
    (other,) = (tmp_path / "leaderboards" / "runs").rglob("quick.mean.jsonl.gz")
    pack.write_bytes(pack.read_bytes()[:500])
    other.write_bytes(other.read_bytes()[:-30])
    remedy = "chmr-bench run --model quick.noise --dataset quick-small --out leaderboards"
    shown = [("records", "list"), ("records", "list", "--json"), ("leaderboard", "show")]
    shown.append(("leaderboard", "build"))
    for command in shown:
        told = inside(*command)
        assert told.returncode == 0
        assert "quick.noise.jsonl.gz: 1 run damaged, and in no table: " in told.stderr
        assert remedy in told.stderr
        assert "quick.mean.jsonl.gz: " in told.stderr
        assert "chmr-bench records rm --damaged --yes --out leaderboards" in told.stderr
    with pytest.warns(UserWarning, match="1 run damaged"):
        load_runs("leaderboards")
    assert inside(*remedy.split()[1:]).returncode == 0
    inside("records", "rm", "--damaged", "--yes")
    told = inside("records", "list").stderr.splitlines()
    assert told[0] == "3 runs"
    assert {line.partition(": ")[2].split(" ")[0] for line in told[1:]} == {"a"}  # a copy of a file


@pytest.mark.slow
def test_runs_are_told_apart_and_the_last_takes_the_tables_along(
    inside: Run, done: Path, tmp_path: Path
) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "quick-small", "--set", "scale=0.5")
    assert inside(*asked).returncode == 0
    listed = inside("records", "list")
    assert "quick.noise [scale=0.5]" in listed.stdout
    rows = json.loads(inside("records", "list", "--json").stdout)
    assert "quick.noise [scale=0.5]" in [row["row"] for row in rows]
    of_blocks = listed.stdout.count("identity")
    assert all(listed.stdout.count(row["identity"]) == of_blocks for row in rows)
    scores = [row["score"] for row in rows if row["score"] is not None]
    assert all(f" {row['metric']} " in listed.stdout for row in rows)
    assert all(f"{score:.4f}" in listed.stdout for score in scores)
    assert any(f"{score:.6f}" != f"{score:.4f}00" for score in scores)
    out = tmp_path / "leaderboards"
    (out / "tables" / "mine.csv").write_text("what,is,mine\n")
    told = inside("records", "rm", "-d", "quick-small", "--yes")
    assert "seed None" not in told.stdout
    assert "quick.noise [scale=0.5]" in told.stdout
    build = told.stderr.partition("now: ")[2].strip()
    assert build == "chmr-bench leaderboard build --out leaderboards"
    cleared = inside(*build.split()[1:])
    assert cleared.returncode == 0, cleared.stderr
    assert "no records are left in leaderboards" in cleared.stderr
    left = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    assert [name for name in left if not name.startswith("runs/.")] == ["tables/mine.csv"]
    assert inside(*build.split()[1:]).returncode == 2


def test_verify_says_how_other_intervals_are_mended(inside: Run, done: Path) -> None:
    edit(done, lambda content: content["metrics"].update(low=0.001))
    assert "chmr-bench score --write puts" in inside("verify").stdout
    edit(done, lambda content: content["dataset"].update(digest="0" * 64))
    assert "score --write" not in inside("verify").stdout


def test_lines_that_hold_no_run_are_removed_as_verify_says(
    inside: Run, done: Path, tmp_path: Path
) -> None:
    assert inside("records", "pack").returncode == 0
    (file,) = (tmp_path / "leaderboards" / "runs").rglob("quick.noise.jsonl.gz")
    file.write_bytes(file.read_bytes() + gzip.compress(b"no record\n"))
    checked = inside("verify")
    assert checked.returncode == 1
    command = "chmr-bench records rm --damaged"
    assert f"{command} --yes" in checked.stderr
    asked = inside(*command.split()[1:])
    assert asked.returncode == 2
    assert "is not JSON" in asked.stdout
    assert "1 damaged place would be removed; say --yes" in asked.stderr
    assert inside("records", "rm", "--damaged", "-m", "quick.noise", "--yes").returncode == 2
    assert inside(*command.split()[1:], "--yes").returncode == 0
    assert "2 ok; 1 failed run (no score" in inside("verify").stdout
    assert "no damaged lines" in inside(*command.split()[1:]).stderr

"""What a run's options become."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench.api.requests import chosen_seeds, make_masked_request, make_request
from chmr_bench.cli import _run
from chmr_bench.cli.execution import public_arguments
from chmr_bench.errors import UsageError
from chmr_bench.plugins import registry


def test_the_record_tells_the_command_without_the_users_folders() -> None:
    typed = ["run", "--model", "mean", "--out", "/home/me/boards", "--mirror=/data/mirror", "a/b"]
    public = ["run", "--model", "mean", "--out", "boards", "--mirror=mirror", "a/b"]
    assert public_arguments(typed) == public
    settings = ["weights=/home/me/w.safetensors", 'atlas=["folder:/home/me/cells", "folder:b/c"]']
    public = ["weights=w.safetensors", 'atlas=["folder:cells", "folder:b/c"]']
    assert public_arguments(settings) == public


def test_a_precision_that_a_model_cannot_work_in_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A record that says bfloat16 of a float32 run would be false."""
    arguments = ["run", "--model", "mean", "--suite", "demo", "--precision", "bfloat16", "--plan"]
    assert _run(arguments) == 2
    assert "works in float32 only" in capsys.readouterr().err


def test_seeds_are_counted_or_listed_not_both() -> None:
    assert chosen_seeds(3, None) == (0, 1, 2)
    assert chosen_seeds(None, [7, 5]) == (7, 5)
    assert chosen_seeds(None, None) == (0,)
    with pytest.raises(UsageError, match="either"):
        chosen_seeds(2, [1])
    with pytest.raises(UsageError, match="at least 1"):
        chosen_seeds(0, None)
    with pytest.raises(UsageError, match="seeds go from 0"):
        chosen_seeds(None, [-1])
    with pytest.raises(UsageError, match="--seed 4294967296: seeds go from 0"):
        chosen_seeds(None, [1, 2**32])


def test_a_setting_is_given_once_for_all_and_once_for_a_model() -> None:
    given = {"model": "mean", "suite": "demo", "setting": ["mean:x=1", "mean:x=2"]}
    with pytest.raises(UsageError, match="--set mean:x is given twice"):
        make_request(given)
    request = make_request(given | {"setting": ["x=1", "mean:x=2"]})
    assert [setting.value for setting in request.settings] == [1, 2]


def test_unreadable_rows_of_a_moleculenet_table_can_be_dropped() -> None:
    given = {"model": "mean", "dataset": ["molnet:hiv"], "on_invalid": "drop"}
    (dataset,) = make_request(given).datasets
    assert (dataset.name, dataset.on_invalid) == ("molnet:hiv", "drop")
    for more in ({"smiles": "smiles"}, {"dataset": ["bace"]}):
        with pytest.raises(UsageError, match="describe --dataset FILE"):
            make_request(given | more)


def test_atlases_are_named_by_commas_or_again_and_each_counts_once(tmp_path: Path) -> None:
    given = {"model": "cells.mlp", "suite": "demo"}
    assert make_request(given).cells == ()
    assert make_request(given | {"cells": "nci60,wong2024"}).cells == ("nci60", "wong2024")
    folder = tmp_path / "a, b"
    folder.mkdir()
    for file in ("index.csv.gz", "size_feature.npz"):
        (folder / file).touch()
    assert make_request(given | {"cells": f"folder:{folder}"}).cells == (f"folder:{folder}",)
    plain = folder.rename(tmp_path / "c")
    assert make_request(given | {"cells": f"folder:{plain}, nci60"}).cells == (
        f"folder:{plain}",
        "nci60",
    )
    for empty in ("", "nci60,"):
        with pytest.raises(UsageError, match="expected the name of an atlas"):
            make_request(given | {"cells": empty})
    again = ["wong2024", "nci60, wong2024"]
    assert make_request(given | {"cells": again}).cells == ("wong2024", "nci60")


def test_an_atlas_that_is_not_there_is_named_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["run", "--model", "cells.mlp", "--suite", "demo", "--cells", "wong2042", "--plan"]
    assert _run(arguments) == 2
    told = capsys.readouterr().err
    assert "no atlas is called 'wong2042'; did you mean 'wong2024'?" in told
    assert _run([*arguments[:-2], "folder:nowhere", "--plan"]) == 2
    assert "expected folder:PATH, the path of a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more", [{"mechanism": "activity"}, {"fill": "mean"}, {"control": ["shuffled"]}]
)
def test_what_is_computed_of_a_structure_is_masked_as_such(more: dict[str, object]) -> None:
    given = {"model": "mmsa", "dataset": "planted", "modality": ["image"], "missing": "0.5"}
    assert make_masked_request(given).missing[1] is not None
    with pytest.raises(UsageError, match="image is computed from a molecule's structure"):
        make_masked_request(given | more)


def test_the_suite_cells_alone_attaches_what_it_has_to_a_model_that_reads_it() -> None:
    attached = ("jump-activity", "nci60", "wong2024", "yeast-cgm")
    given = {"model": "cells.mlp", "suite": "cells"}
    assert make_request(given).cells == attached
    assert make_masked_request({"model": "cells.mlp", "missing": "1"}).cells == attached
    assert make_request(given | {"cells": "nci60"}).cells == ("nci60",)
    assert make_request(given | {"model": "chmr"}).cells == ()
    assert make_request({"model": "cells.mlp", "dataset": "chembl2k"}).cells == ()
    assert make_request(given | {"suite": ["cells", "demo"]}).cells == ()
    assert set(attached) <= set(registry().atlases)

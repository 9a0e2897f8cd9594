"""What an audit reads from disk: datasets with their names, and lists of molecules seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chmr_bench.contracts import connectivity_hash
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, UsageError
from chmr_bench.runner import DatasetRequest, Datasets, SplitRequest
from chmr_bench.runner.auditing import examine, seen_by_weights, subject

SMILES = ["CCO", "OCC", "c1ccccc1", "Cc1ccccc1", "CCN", "C1CC1", "CCCl", "CCBr", "[*]CC", "[*]CC"]


def weights(folder: Path, keys: list[str], atlas: str = "") -> Path:
    folder.mkdir(parents=True)
    np.save(folder / "seen.npy", np.sort(connectivity_hash(keys)))
    if atlas:
        (folder / "card.json").write_text(json.dumps({"atlas": {"atlases": [atlas]}}))
    file = folder / "weights.safetensors"
    file.write_bytes(b"")
    return file


def test_a_subject_has_a_name_at_each_level(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    lines = [f"{s},{i % 2}" for i, s in enumerate(SMILES)]
    file.write_text("\n".join(["smiles,active", *lines, ""]))
    datasets = Datasets(FetchOptions(offline=True), 1)
    request = DatasetRequest(file=str(file), smiles="smiles", tasks=("active",))
    opened = datasets.load(request)
    one = subject(opened, SplitRequest("random", 3))
    keys = one.molecules.keys
    assert keys[0] == keys[1] != ""
    assert keys[8] == keys[9] == ""  # no InChI of a dummy atom
    assert one.names["molecule"] == [*"0012345677"]
    named = one.names["connectivity"]
    assert named[8] == named[9] != ""
    assert one.names["smiles"][0] == one.names["smiles"][1]
    found = examine(one, n_jobs=1)
    assert found.duplicates.groups == 2
    assert [task.n for task in found.tasks] == [(8, 1, 1)]
    assert found.similarity.n == 1


def test_weights_of_one_list_are_told_once(home: Path) -> None:
    place = home / "weights" / "plugin"
    weights(place / "a", ["k1", "k2"], atlas="cells")
    weights(place / "b", ["k1", "k2"], atlas="cells")
    weights(place / "c", ["k3"])
    found = seen_by_weights()
    assert [(one.title, len(one.hashes)) for one in found] == [
        ("cells (2 weights files)", 2),
        ("plugin/c (1 weights file)", 1),
    ]


def test_no_weights_are_no_error(home: Path) -> None:
    assert seen_by_weights() == []


def test_weights_may_be_named(home: Path, tmp_path: Path) -> None:
    weights(home / "weights" / "plugin" / "a", ["k1"])
    (found,) = seen_by_weights([weights(tmp_path / "mine", ["k1", "k2"])])
    assert len(found.hashes) == 2


def test_named_weights_must_have_their_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        seen_by_weights([tmp_path / "nothing"])
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(b"")
    with pytest.raises(UsageError, match=r"there is no seen\.npy beside it"):
        seen_by_weights([alone])


@pytest.mark.parametrize("damage", [b"nonsense", None])
def test_a_damaged_list_is_an_error(tmp_path: Path, damage: bytes | None) -> None:
    file = weights(tmp_path / "mine", ["k1"])
    if damage is None:
        np.save(tmp_path / "mine" / "seen.npy", np.zeros((2, 2)))
    else:
        (tmp_path / "mine" / "seen.npy").write_bytes(damage)
    with pytest.raises(DataError, match=r"seen\.npy: "):
        seen_by_weights([file])

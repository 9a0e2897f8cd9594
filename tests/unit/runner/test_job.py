"""The settings that a record shows, and that tell its run from others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from chmr_bench.runner.job import public_params


class Config(BaseModel):
    pattern: str = ""
    atlas: list[str] = []
    weights: str = ""


def shown(**settings: Any) -> dict[str, Any]:
    return {n: v for n, v in public_params(Config(**settings)).items() if v}


def test_of_a_folder_the_name_alone_is_shown(tmp_path: Path) -> None:
    atlases = [f"folder:{tmp_path / 'cells'}", "folder:/nowhere/cells", "nci60"]
    assert shown(atlas=atlases) == {"atlas": ["folder:cells", "folder:cells", "nci60"]}
    assert shown(pattern=str(tmp_path)) == {"pattern": tmp_path.name}


def test_a_file_is_told_by_what_it_holds(tmp_path: Path) -> None:
    words = []
    for folder, text in (("a", "CCO"), ("b", "CCN"), ("c", "CCO")):
        file = tmp_path / folder / "words.txt"
        file.parent.mkdir()
        file.write_text(text)
        words.append(shown(pattern=str(file))["pattern"])
    assert words[0] == words[2] != words[1]
    assert words[0].startswith("words.txt@")
    file.write_text("CCCCN")
    assert shown(pattern=str(file))["pattern"] != words[2]


def test_of_weights_the_name_will_do(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"")
    for path in (tmp_path / "w.safetensors", Path("/nowhere/w.safetensors")):
        assert shown(weights=str(path)) == {"weights": "w.safetensors"}


def test_a_pattern_that_begins_with_a_slash_is_no_path() -> None:
    for text in ("/C=C/F", "/N=C/F", "re:/x/y", "/", "/" + "a" * 5000, "/a\0b"):
        assert shown(pattern=text) == {"pattern": text}

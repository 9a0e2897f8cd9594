"""An atlas that a TOML of another package describes is registered, and opens."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chmr_bench import AtlasSpec, PluginError
from chmr_bench.cells.sources import open_atlas
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.testing import check_atlas
from chmr_bench_atlases.layouts import ATLASES, specs

TABLE = b"SMILES,% A,% B\nCCO,1,NA\nCCN,,2.5\n"
TOML = """
[mine]
title = "Two read-outs"
version = "2"
licence = "CC0"
citation = "mine"
source = "https://example.org"
notes = ["made up"]
[[mine.files]]
path = "mine/a.csv"
sha256 = "{sha256}"
n_bytes = {n_bytes}
[[mine.blocks]]
block = "growth.mine"
n = 2
filled = 0.5
[[mine.tables]]
block = "growth.mine"
files = ["mine/a.csv"]
smiles = "SMILES"
columns = {{ "% *" = "*" }}
"""


@pytest.fixture
def described(tmp_path: Path, home: Path) -> AtlasSpec:
    """The spec of a TOML that lies outside of our package; its table lies in a mirror."""
    (tmp_path / "mirror" / "mine").mkdir(parents=True)
    (tmp_path / "mirror" / "mine" / "a.csv").write_bytes(TABLE)
    toml = tmp_path / "mine.toml"
    sha256 = hashlib.sha256(TABLE).hexdigest()
    toml.write_text(TOML.format(sha256=sha256, n_bytes=len(TABLE)), encoding="utf-8")
    (spec,) = specs(toml)
    return spec


def test_a_toml_elsewhere_gives_an_atlas(described: AtlasSpec, tmp_path: Path) -> None:
    options = FetchOptions(mirror=str(tmp_path / "mirror"), offline=True)
    atlas = open_atlas(described, options)
    assert sorted(atlas.smiles) == ["CCN", "CCO"]
    values = np.asarray(atlas.blocks["growth.mine"].values)
    assert sorted(values[np.isfinite(values)]) == [1.0, 2.5]
    assert described.version == "2"
    check_atlas(described, options)


def test_a_spec_whose_toml_lacks_it_is_a_clear_error(described: AtlasSpec, tmp_path: Path) -> None:
    options = FetchOptions(mirror=str(tmp_path / "mirror"), offline=True)
    with pytest.raises(PluginError, match="describes nci60"):
        open_atlas(replace(described, layout=""), options)


def test_an_entry_that_lacks_a_key_is_a_clear_error(tmp_path: Path) -> None:
    toml = tmp_path / "short.toml"
    toml.write_text('[mine]\ntitle = "x"\n', encoding="utf-8")
    with pytest.raises(PluginError, match=r"\[mine\] lacks files, licence, citation"):
        specs(toml)


def test_ours_name_our_own() -> None:
    assert {spec.layout for spec in specs()} == {str(ATLASES.resolve())}

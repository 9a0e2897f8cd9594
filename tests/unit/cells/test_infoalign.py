"""InfoAlign's corpus: a small one of its layout, served over HTTP as the hub does."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import paths
from chmr_bench.cells import Atlas
from chmr_bench.cells.plugin import INFOALIGN, REVISION_VARIABLE, chmr_bench_atlases
from chmr_bench.cells.sources import digest, open_atlas
from chmr_bench.cells.sources.infoalign import FILES
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, FetchError

ONLINE, OFFLINE = FetchOptions(), FetchOptions(offline=True)


def rows_of(atlas: Atlas, block: str) -> dict[str, list[float]]:
    """Return SMILES -> values of the molecules that have the read-out."""
    found = atlas.blocks[block]
    return {
        atlas.smiles[i]: np.asarray(found.values)[i].tolist()
        for i in np.flatnonzero(found.observed)
    }


def test_molecules_and_read_outs(hub: Any) -> None:
    atlas = open_atlas(INFOALIGN, ONLINE)
    assert atlas.smiles == ("CCO", "CCN", "CCC", "c1ccccc1", "c1ccccc1O", "C[C@H](N)O")
    assert rows_of(atlas, "morphology.bray") == {"CCO": [1, 2], "CCN": [3, 4]}
    assert rows_of(atlas, "morphology.jump") == {"CCC": [0.5, 1.5]}
    assert rows_of(atlas, "expression") == {"c1ccccc1": [9, 8]}
    assert rows_of(atlas, "perturbation.crispr") == {"CCO": [1], "c1ccccc1O": [1]}
    assert rows_of(atlas, "perturbation.orf") == {"CCO": [4, 4]}
    assert all(block.values.dtype == np.float32 for block in atlas.blocks.values())
    assert atlas.counts == {
        "rows": 7,
        "repeated_id": 1,
        "profile_without_molecule": 1,
        "unreadable_smiles": 1,
        "without_key": 1,
    }


def test_genes(hub: Any) -> None:
    genes = open_atlas(INFOALIGN, ONLINE).genes
    assert genes is not None
    assert genes.names == ("10", "20", "30")
    assert genes.blocks["crispr"].observed.tolist() == [True, True, False]
    assert genes.blocks["orf"].observed.tolist() == [True, False, True]
    assert genes.edges.tolist() == [[0, 0], [1, 2]]  # once each; not to itself, nor to a stranger
    assert genes.weights.tolist() == [1.0, 1.0]
    assert genes.columns == {"20": 1}


def test_one_commit_is_pinned_and_the_cache_serves_offline(hub: Any) -> None:
    seen: list[tuple[int, int, str]] = []
    first = open_atlas(INFOALIGN, ONLINE, lambda *step: seen.append(step))
    assert (len(FILES), len(FILES), "files") in seen
    pins = json.loads((paths.data_folder() / "infoalign" / "pins.json").read_text())
    assert pins["commit"] == hub.commit
    assert set(pins["files"]) == set(FILES)
    folder = paths.data_folder() / "infoalign"
    assert {path.name for path in folder.iterdir()} == {"pins.json", *FILES}
    hub.files.clear()
    assert open_atlas(INFOALIGN, OFFLINE).digest() == first.digest()
    assert hub.requests["revision"] == 1
    assert all(hub.requests[name] == 1 for name in FILES)


def test_a_damaged_file_is_fetched_again_and_no_other(hub: Any) -> None:
    first = open_atlas(INFOALIGN, ONLINE)
    (paths.data_folder() / "infoalign" / "GE_feature.npz").write_bytes(b"cut")
    with pytest.raises(FetchError, match=r"GE_feature\.npz missing or damaged.*--offline"):
        open_atlas(INFOALIGN, OFFLINE)
    assert open_atlas(INFOALIGN, ONLINE).digest() == first.digest()
    assert hub.requests["GE_feature.npz"] == 2
    assert hub.requests["GE.csv.gz"] == 1


@pytest.mark.parametrize("name", ["GE_feature.npz", "GE.csv.gz"])
def test_bytes_that_the_hub_did_not_promise_are_refused(hub: Any, name: str) -> None:
    hub.told = {name: b"something else"}
    with pytest.raises(FetchError, match=f"{name}: .* where the hub says 14 bytes"):
        open_atlas(INFOALIGN, ONLINE)
    assert not (paths.data_folder() / "infoalign" / name).exists()
    hub.told = {}
    assert len(open_atlas(INFOALIGN, ONLINE)) == 6


def test_a_hub_that_drips_is_left(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(handler: Any, with_content: bool) -> None:
        handler.send_response(200)
        handler.send_header("X-Repo-Commit", hub.commit)
        handler.send_header("ETag", '"x"')
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100 if with_content else 0):
            with contextlib.suppress(OSError):
                handler.wfile.write(b"x")
            time.sleep(0.1)

    monkeypatch.setattr(hub, "send_file", drip)
    with pytest.raises(FetchError, match="TimeoutError: not done within 2 s"):
        open_atlas(INFOALIGN, FetchOptions(limit=2.0))
    folder = paths.data_folder() / "infoalign"
    assert not (folder / ".lock").exists()
    assert not any((folder / name).exists() for name in FILES)


def test_an_unknown_revision_is_an_error_in_words(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REVISION_VARIABLE, "elsewhere")
    with pytest.raises(FetchError, match=r"InfoAlign-Data at 'elsewhere': Revision.*HF_ENDPOINT"):
        open_atlas(INFOALIGN, ONLINE)


def test_no_network_is_an_error_in_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(FetchError, match="Check the network"):
        open_atlas(INFOALIGN, ONLINE)


def test_a_file_that_the_commit_lacks(hub: Any) -> None:
    del hub.files["G-G.csv.gz"]
    with pytest.raises(FetchError, match=r"has no file G-G\.csv\.gz"):
        open_atlas(INFOALIGN, ONLINE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("GE_feature.npz", "matrix", r"1 rows, but GE\.csv\.gz has 2"),
        ("GE.csv.gz", "table", r"no column 'mol_id'; it has express_id"),
        ("L1k_idmaps.csv", "map", "1 genes for 2 expression columns"),
        ("GE_feature.npz", "pickle", r"cannot be read: .*allow_pickle"),
    ],
)
def test_another_layout_is_refused(hub: Any, name: str, content: str, message: str) -> None:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, data=np.array([{}, {}], dtype=object))
    hub.files[name] = {
        "matrix": hub.matrix([[1, 2]]),
        "table": hub.table("express_id", "e1", "e2"),
        "map": b"ncbi_gene_id\n20\n",
        "pickle": buffer.getvalue(),
    }[content]
    with pytest.raises(DataError, match=message):
        open_atlas(INFOALIGN, ONLINE)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_mirror_folder_serves(hub: Any, tmp_path: Path, form: str) -> None:
    served = open_atlas(INFOALIGN, ONLINE)
    folder = tmp_path / "mirror" / "infoalign"
    folder.mkdir(parents=True)
    for name, content in hub.files.items():
        (folder / name).write_bytes(content)
    mirrored = FetchOptions(mirror=form.format(tmp_path / "mirror"), offline=True)
    hub.requests.clear()
    assert open_atlas(INFOALIGN, mirrored).digest() == served.digest()
    (folder / "GE.csv.gz").unlink()
    with pytest.raises(FetchError, match=r"lacks GE\.csv\.gz"):
        open_atlas(INFOALIGN, mirrored)
    assert not hub.requests


def test_another_revision_is_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_revision(revision: str) -> str:
        monkeypatch.setenv(REVISION_VARIABLE, revision)
        (spec,) = (s for s in chmr_bench_atlases() if s.name == "infoalign")
        return digest([spec])

    assert of_revision("") == digest([INFOALIGN])
    assert len({of_revision("a" * 40), of_revision("b" * 40), digest([INFOALIGN])}) == 3

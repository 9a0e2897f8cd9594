"""What the tree says: codes that are those of the network, counted right, drawn the same twice."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.unit.problems import featurised

pytest.importorskip("torch")

import torch

from chmr_bench import DataError, FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.errors import SettingError
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench_chmr import explain
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.explain.coding import CodedLatents, CodedModality
from chmr_bench_chmr.explain.picture import MAX_POINTS, flattened, sampled
from chmr_bench_chmr.explain.tables import agreement, tree_path
from chmr_bench_chmr.model import Chmr
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import Modality, NetworkShape
from chmr_bench_chmr.weights import feature_requests, load_network, save_network

SMILES = ("CCO", "CCN", "c1ccccc1", "CC(=O)O", "C", "CCCCCC")
DEPTH = 3
CONFIG = ChmrConfig(n_bits=64, hidden=8, layers=1, decoder_hidden=8, depth=DEPTH)
CONTEXT = FitContext(tasks=TaskInfo("classification", ("a",), "roc_auc"))


def cells() -> MatrixBlock:
    values = np.random.default_rng(0).normal(size=(len(SMILES), 5)).astype(np.float32)
    values[1] = np.nan
    values[2, 3] = np.nan
    return MatrixBlock(values, np.array([True, False, True, True, False, True]))


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    blocks = featurised(SMILES, Chmr.needs(CONFIG)).blocks
    keys = tuple(f"KEY{i}" for i in range(len(SMILES)))
    return Inputs(SMILES, {**blocks, "morphology": cells()}, keys)


def saved(folder: Path, tree: Literal["tree", "flat", "none"] = "tree") -> Path:
    torch.manual_seed(0)
    shape = NetworkShape(
        64 + 167, 399, (Modality("morphology", 5),), hidden=8, layers=1, decoder_hidden=8,
        tree=tree, depth=DEPTH,
    )  # fmt: skip
    network = ChmrNetwork(shape)
    network.set_scale("morphology", torch.full((5,), 0.5), torch.full((5,), 2.0))
    path = folder / f"{tree}.safetensors"
    save_network(path, network.eval(), WeightsMetadata(CONFIG, feature_requests(CONFIG)))
    return path


@pytest.fixture
def weights(home: Path, tmp_path: Path) -> Path:
    return saved(tmp_path)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_codes_are_those_of_the_network(inputs: Inputs, weights: Path, tmp_path: Path) -> None:
    explain.explain(CONFIG, inputs, weights, tmp_path / "out", CONTEXT)
    rows = table(tmp_path / "out" / "codes.csv")
    assert [row["modality"] for row in rows[:4]] == [
        "fingerprint", "graph", "geometry", "morphology",
    ]  # fmt: skip
    assert len(rows) == 4 * len(SMILES)
    network, _ = load_network(weights)
    standard = torch.nan_to_num((torch.from_numpy(np.asarray(cells().values)) - 0.5) / 2)
    with torch.inference_mode():
        expected = network.codes(network.project("morphology", standard)).codes
    for row in rows:
        i = int(row["row"])
        assert (row["smiles"], row["connectivity"]) == (SMILES[i], f"KEY{i}")
        codes = [row[f"level_{level + 1}"] for level in range(DEPTH)]
        if row["modality"] == "morphology" and not cells().observed[i]:
            assert [*codes, row["path"]] == ["", "", "", ""]
        elif row["modality"] == "morphology":
            assert codes == [str(code) for code in expected[i].tolist()]
        if row["path"]:  # every step of the path is the parity of the code of its level
            assert row["path"] == "".join(str(int(code) % 2) for code in codes)
    methane = [row["path"] for row in rows if row["smiles"] == "C"]
    assert [bool(path) for path in methane] == [True, True, False, False]


def test_usage_and_levels_count_the_codes(inputs: Inputs, weights: Path, tmp_path: Path) -> None:
    files = explain.explain(CONFIG, inputs, weights, tmp_path, CONTEXT)
    assert [f.name for f in files] == ["codes.csv", "usage.csv", "levels.csv", "latents.png"]
    assert all(file.is_file() for file in files)
    codes, usage, levels = (table(file) for file in files[:3])
    for row in usage:
        taken = [c[f"level_{row['level']}"] for c in codes if c["modality"] == row["modality"]]
        assert int(row["n_molecules"]) == taken.count(row["code"])
    assert len(usage) == 4 * (2 + 4 + 8)
    graph = [row for row in usage if row["modality"] == "graph" and row["level"] == "2"]
    shares = np.array([float(row["share"]) for row in graph])
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    used = shares[shares > 0]
    found = next(row for row in levels if row["modality"] == "graph" and row["level"] == "2")
    assert float(found["perplexity"]) == pytest.approx(np.exp(-(used * np.log(used)).sum()), 1e-4)
    assert (int(found["n_codes"]), int(found["n_used"])) == (4, len(used))
    together = next(row for row in levels if row["modality"] == "all")
    assert int(together["n_molecules"]) == 6 + 6 + 5 + 4


def test_the_same_bytes_twice(inputs: Inputs, weights: Path, tmp_path: Path) -> None:
    first = explain.explain(CONFIG, inputs, weights, tmp_path / "a", CONTEXT)
    second = explain.explain(CONFIG, inputs, weights, tmp_path / "b", CONTEXT)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
    assert first[-1].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_cells_of_another_width_are_left_out(inputs: Inputs, weights: Path, tmp_path: Path) -> None:
    other = MatrixBlock(np.ones((len(SMILES), 7), np.float32), np.ones(len(SMILES), np.bool_))
    changed = Inputs(SMILES, {**inputs.blocks, "morphology": other})
    files = explain.explain(CONFIG, changed, weights, tmp_path, CONTEXT)
    rows = table(files[0])
    assert {row["modality"] for row in rows} == {"fingerprint", "graph", "geometry"}
    assert rows[0]["connectivity"] == ""


def test_a_flat_codebook_has_one_level_and_no_path(
    inputs: Inputs, weights: Path, tmp_path: Path
) -> None:
    files = explain.explain(CONFIG, inputs, saved(tmp_path, "flat"), tmp_path, CONTEXT)
    rows = table(files[0])
    assert "path" not in rows[0]
    assert "level_2" not in rows[0]
    assert {row["n_codes"] for row in table(files[2])} == {"8"}


def test_what_cannot_be_explained_says_why(inputs: Inputs, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="tree='none'"):
        explain.explain(CONFIG, inputs, saved(tmp_path, "none"), tmp_path, CONTEXT)
    bits = CONFIG.model_copy(update={"head_inputs": ("bits",), "heads": ("network", "bits")})
    with pytest.raises(SettingError, match="reads no encoder"):
        explain.explain(bits, inputs, weights, tmp_path, CONTEXT)
    with pytest.raises(DataError, match="no molecules"):
        explain.explain(CONFIG, inputs.take(np.arange(0)), weights, tmp_path, CONTEXT)
    with pytest.raises(DataError, match="no weights file"):
        explain.explain(CONFIG, inputs, tmp_path / "absent", tmp_path, CONTEXT)


def coded(*codes: list[int], n: int = 4) -> CodedLatents:
    """One level of two codes; -1 = not observed."""
    rng = np.random.default_rng(1)
    modalities = {}
    for name, column in zip("abc", codes, strict=False):
        values = np.array(column)[:, None]
        modalities[name] = CodedModality(rng.normal(size=(n, 6)), values, values[:, 0] >= 0)
    return CodedLatents(modalities, (2,), True)


def test_agreement_counts_molecules_that_have_both() -> None:
    three = coded([0, 0, 1, 1], [0, 1, 1, -1], [-1, -1, -1, 0])
    assert agreement(three, "a", 0) == pytest.approx((2 + 0) / (3 + 1))
    assert agreement(three, "b", 0) == pytest.approx(2 / 3, abs=1e-6)
    assert agreement(three, "all", 0) == pytest.approx(2 / 4)
    assert agreement(coded([0, 0, 1, 1]), "all", 0) == ""


def test_a_path_is_the_way_down() -> None:
    assert tree_path([1, 2, 5]) == "101"  # right, left, right
    assert tree_path([0, 1]) == "01"
    assert tree_path(["", ""]) == ""


def test_the_picture_shows_an_equal_share_of_each_modality_at_length_one() -> None:
    n = MAX_POINTS
    two = coded([0] * n, [1] * 10 + [-1] * (n - 10), n=n)
    points, names, codes = sampled(two, seed=0)
    assert (names == "a").sum() == MAX_POINTS // 2
    assert (names == "b").sum() == 10
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    assert codes[names == "b"].tolist() == [[1]] * 10
    other, _, _ = sampled(two, seed=1)
    assert not np.array_equal(points, other)


def test_two_clusters_stay_apart_in_two_dimensions() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(scale=0.05, size=(60, 10)) + np.repeat(np.eye(10)[:2], 30, axis=0)
    placed, method = flattened(points, seed=0)
    assert method.startswith("t-SNE")
    middle = placed[:30].mean(0), placed[30:].mean(0)
    within = max(np.linalg.norm(placed[:30] - middle[0], axis=1).max(), 1e-9)
    assert np.linalg.norm(middle[0] - middle[1]) > within


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_few_points_are_placed_by_their_principal_components(n: int) -> None:
    placed, method = flattened(np.eye(8)[:n], seed=0)
    assert placed.shape == (n, 2)
    assert np.isfinite(placed).all()
    assert "principal" in method

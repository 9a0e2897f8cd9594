"""The plain control: learns read-outs from bits, and a linear model on what it learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.problems import featurised

pytest.importorskip("torch")

import torch

from chmr_bench import (
    DataError,
    FitContext,
    Inputs,
    MatrixBlock,
    PendingWeights,
    TaskInfo,
    Weights,
    WeightsRequest,
)
from chmr_bench.cells import Atlas
from chmr_bench.cells.atlas import Bound
from chmr_bench.contracts import no_progress
from chmr_bench.nn.pretraining.files import write_tensors
from chmr_bench_chmr.reading import bits_of
from chmr_bench_chmr.regressor import Regressor, _Body, find_or_make
from chmr_bench_chmr.regressor_config import RegressorConfig, requests
from chmr_bench_chmr.regressor_training import Regression, _loss, trained

CONFIG = RegressorConfig(n_bits=64, hidden=32, embedding=8, epochs=40, dropout=0.0, batch_size=16)
CHAINS = tuple("C" * i + end for i in range(1, 21) for end in ("O", "N", "Cl", "F"))
"""What ends a chain decides its read-out."""


def has_oxygen(smiles: Sequence[str]) -> Any:
    return np.array([float("O" in s) for s in smiles])


class Data:
    """An atlas of chains whose read-outs say whether there is an oxygen."""

    def __init__(self, blocks: Mapping[str, MatrixBlock] | None = None, **info: Any) -> None:
        self.info = info
        signal = has_oxygen(CHAINS)[:, None] * np.array([[3.0, -2.0]])
        seen = np.arange(len(CHAINS)) % 5 > 0
        block = MatrixBlock(np.where(seen[:, None], signal, np.nan), seen)
        self.blocks = {"morphology": block} if blocks is None else blocks
        self.opened = 0

    def digest(self, atlases: Sequence[str], transductive: bool, packages: bool = True) -> str:
        return f"{atlases} {transductive}"

    def open(self, atlases: Sequence[str], transductive: bool) -> tuple[Any, Mapping[str, Any]]:
        self.opened += 1
        keys = tuple(f"KEY{i:011d}" for i in range(len(CHAINS)))
        return Atlas("chains", CHAINS, keys, self.blocks, synthetic=True), {
            "atlas": ["chains"],
            **self.info,
        }


def regression(block: MatrixBlock, censored: Mapping[str, Bound] | None = None) -> Regression:
    keys = tuple(f"KEY{i:011d}" for i in range(len(block)))
    atlas = Atlas("m", CHAINS[: len(block)], keys, {"m": block}, censored=censored or {})
    return Regression.of_atlas(np.zeros((len(block), 1), np.float32), atlas)


def weights_of(folder: Path, data: Data, config: RegressorConfig = CONFIG, **more: Any) -> Weights:
    found = find_or_make(config, WeightsRequest(data, folder, make=True, **more))
    assert isinstance(found, Weights)
    return found


def inputs_of(smiles: tuple[str, ...]) -> Inputs:
    return featurised(smiles, requests(CONFIG))


def test_weights_are_made_once(home: Path, tmp_path: Path) -> None:
    data = Data()
    pending = find_or_make(CONFIG, WeightsRequest(data, tmp_path))
    assert isinstance(pending, PendingWeights)
    assert "jump-activity" in pending.title
    first = weights_of(tmp_path, data)
    assert weights_of(tmp_path, data) == first
    assert data.opened == 1
    assert first.info["atlas"] == ["chains"]
    assert first.seen is not None
    assert len(np.load(first.seen)) == len(CHAINS)


def test_the_same_seed_gives_the_same_file(home: Path, tmp_path: Path) -> None:
    first = weights_of(tmp_path / "a", Data())
    assert weights_of(tmp_path / "b", Data()).sha256 == first.sha256
    other = CONFIG.model_copy(update={"pretrain_seed": 1})
    assert weights_of(tmp_path / "c", Data(), other).sha256 != first.sha256


def test_the_run_s_seed_counts_only_where_it_is_asked_for(home: Path, tmp_path: Path) -> None:
    fixed = [weights_of(tmp_path, Data(), seed=seed).path for seed in (0, 1)]
    assert fixed[0] == fixed[1]
    config = CONFIG.model_copy(update={"pretrain_seed": "run"})
    moving = [weights_of(tmp_path, Data(), config, seed=seed).path for seed in (0, 1)]
    assert moving[0] != moving[1]


def test_linear_settings_do_not_ask_for_other_weights(home: Path, tmp_path: Path) -> None:
    first = weights_of(tmp_path, Data())
    other = CONFIG.model_copy(update={"strengths": (1.0,)})
    assert weights_of(tmp_path, Data(), other).path == first.path


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_it_transfers_what_the_atlas_taught(task_type: Any, home: Path, tmp_path: Path) -> None:
    """Four labelled molecules are enough, since the read-outs told what matters."""
    weights = weights_of(tmp_path, Data())
    smiles = ("CCCO", "CCCN", "CCCCCO", "CCCCF", "CCCCCCCO", "CCCCCCCN", "CCO", "CCF")
    y = np.stack([has_oxygen(smiles), np.full(8, np.nan)], axis=1)
    inputs, train, rest = inputs_of(smiles), np.arange(4), np.arange(4, 8)
    metric = "roc_auc" if task_type == "classification" else "mae"
    tasks = TaskInfo(task_type, ("oxygen", "nothing"), metric)  # type: ignore[arg-type]
    config = CONFIG.model_copy(update={"strengths": (0.1, 1.0)})
    model = Regressor(config)
    context = FitContext(tasks=tasks, weights=weights.path)
    model.fit(inputs.take(train), y[train], inputs.take(rest), y[rest], context)
    y_pred = model.predict(inputs)
    assert np.isfinite(y_pred).all()
    assert y_pred[rest][y[rest, 0] == 1, 0].min() > y_pred[rest][y[rest, 0] == 0, 0].max()


def test_without_weights_it_says_so(home: Path) -> None:
    inputs = inputs_of(("CCO", "CCN"))
    y = np.array([[1.0], [0.0]])
    tasks = TaskInfo("classification", ("a",), "roc_auc")
    with pytest.raises(DataError, match="starts from pretrained weights"):
        Regressor(CONFIG).fit(inputs, y, inputs, y, FitContext(tasks=tasks))


def test_an_atlas_too_small_to_hold_any_molecule_out_is_learnt_to_the_end() -> None:
    bits, target = np.eye(8, dtype=np.float32), np.arange(16, dtype=np.float32).reshape(8, 2)
    data = Regression.of_arrays(bits, target / 16, np.ones_like(target))
    settings = CONFIG.model_copy(update={"epochs": 30, "patience": 3})
    assert trained(data, settings, no_progress, 0)[1] == 30


def test_profiles_are_standardised_over_what_was_observed() -> None:
    values = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, np.nan], [5.0, np.nan]])
    data = regression(MatrixBlock(values, np.array([True, True, False, True])))
    assert data.known.tolist() == [[1, 1], [1, 1], [0, 0], [1, 0]]
    np.testing.assert_allclose(data.target[:, 0], [-(1.5**0.5), 0, 0, 1.5**0.5], atol=1e-6)
    assert not data.target[:, 1].any()  # a constant column teaches nothing
    assert data.bounds is None


def test_what_lies_beyond_where_numbers_are_censored_is_no_error() -> None:
    block = MatrixBlock(np.array([[4.0], [4.0], [6.0], [5.0]]), np.ones(4, dtype=bool))
    for below, n_errors in ((True, 2), (False, 4)):  # all that is said lies below 4.0
        data = regression(block, {"m": Bound(4.0, below)})
        low = torch.full((4, 1), -9.0)
        errors = (low - data.target).square()
        found = _loss(torch.nn.Identity(), data._replace(bits=low), np.arange(4))
        expected = errors[2:].sum() if n_errors == 2 else errors.sum()
        torch.testing.assert_close(found, expected / 4)


def test_an_atlas_without_read_outs_is_an_error(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no cell read-outs"):
        weights_of(tmp_path, Data(blocks={}))


def test_a_read_out_without_a_number_is_an_error(home: Path, tmp_path: Path) -> None:
    endless = MatrixBlock(np.full((len(CHAINS), 2), np.inf), np.ones(len(CHAINS), dtype=bool))
    with pytest.raises(DataError, match="'morphology' is not finite in any molecule"):
        weights_of(tmp_path, Data({"morphology": endless}))
    assert list(tmp_path.iterdir()) == []


def test_damaged_weights_are_made_again(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = weights_of(tmp_path, Data())
    content = made.path.read_bytes()
    made.path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    assert isinstance(find_or_make(CONFIG, WeightsRequest(Data(), tmp_path)), PendingWeights)
    assert weights_of(tmp_path, Data()) == made
    assert "is damaged" in caplog.text
    assert made.path.read_bytes() == content


def test_a_missing_tensor_is_refused(tmp_path: Path) -> None:
    """Without its first layer a file would be read as one that learnt nothing."""
    path = tmp_path / "weights.safetensors"
    write_tensors(path, {"last.weight": torch.ones(2, 2)}, {"info": {}})
    with pytest.raises(DataError, match=r"damaged.*\['last.weight'\], expected \['first.bias'"):
        _Body(path)


def test_bits_are_morgan_then_maccs() -> None:
    assert bits_of(inputs_of(("CCO",))).shape == (1, 64 + 167)


def test_where_every_read_out_is_hidden_it_reads_the_bits(home: Path, tmp_path: Path) -> None:
    n = len(CHAINS)
    nothing = MatrixBlock(np.full((n, 2), np.nan), np.zeros(n, dtype=bool))
    with pytest.raises(DataError, match="'chains' has no cell read-outs to learn from"):
        weights_of(tmp_path, Data({"morphology": nothing}))
    made = weights_of(tmp_path, Data({"morphology": nothing}, hidden={"share": 1.0}))
    assert made.info["epochs"] == 0
    x = np.random.default_rng(0).integers(0, 2, (5, 64)).astype(np.float32)
    assert _Body(made.path)(x) is x

"""Profiles measured in part: an entry that was not measured reaches no scale, loss or network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.problems import featurised

pytest.importorskip("torch")

import torch

from chmr_bench import DataError, FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.nn.losses import info_nce, vicreg
from chmr_bench.nn.pretraining.files import read_tensors
from chmr_bench.nn.pretraining.values import shuffled, standardised
from chmr_bench_chmr import regressor
from chmr_bench_chmr.cell_input import CellReader
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining.store import find_or_make
from chmr_bench_chmr.regressor_config import RegressorConfig
from chmr_bench_chmr.shape import Modality, NetworkShape
from chmr_bench_chmr.weights import feature_requests, load_network

NAN, INF = np.nan, np.inf


def in_part(values: Any) -> MatrixBlock:
    """Return the block whose finite numbers were measured."""
    values = np.asarray(values, dtype=np.float64)
    return MatrixBlock(values, np.isfinite(values))


def with_holes(atlas: Any, fill: float = NAN, share: float = 0.5) -> Any:
    """Return the atlas with a share of all entries not observed; they hold `fill`."""
    blocks = {}
    for i, (name, block) in enumerate(atlas.blocks.items()):
        there = block.entries & (np.random.default_rng(i).random(block.values.shape) >= share)
        blocks[name] = MatrixBlock(np.where(there, block.values, fill), there)
    return replace(atlas, blocks=blocks)


def weights(tiny: Any, folder: Path, atlas: Any, **changes: Any) -> Any:
    """Pretrain on an atlas, and return the weights."""
    data = tiny.TinyData(atlas)
    return find_or_make(tiny.config(**changes), tiny.request(folder, data=data))


def tensors(made: Any) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in read_tensors(made.path)[0].items()}


# ------------------------------------------------------------------------------------------ scales


def test_columns_are_scaled_over_what_was_measured() -> None:
    """Row 2 and column 2 hold nothing, column 3 is constant, and infinity is no number."""
    rows = [[1, 10, NAN, 5], [3, NAN, NAN, 5], [NAN, NAN, NAN, NAN], [INF, 30, NAN, NAN]]
    values = np.array(rows, dtype=float)
    made = standardised(MatrixBlock(values, ~np.isnan(values)))
    assert made.entries is not None
    np.testing.assert_array_equal(made.entries, np.isfinite(values))
    np.testing.assert_array_equal(made.observed, [True, True, False, True])
    np.testing.assert_array_equal(made.mean, [2, 20, 0, 5])
    np.testing.assert_array_equal(made.sd, [1, 10, 1, 1])
    np.testing.assert_array_equal(
        made.targets(np.arange(4)),
        [[-1, -1, NAN, 0], [1, NAN, NAN, 0], [NAN] * 4, [NAN, 1, NAN, NAN]],
    )
    assert np.isfinite(made.x).all()


def test_calls_stay_calls_where_repeats_were_averaged() -> None:
    calls = np.tile([[0.0, NAN], [NAN, 1.0]], (20, 1))
    calls[0, 0] = 0.5
    made = standardised(in_part(calls))
    assert made.binary
    assert made.x[0, 0] == 0.5
    assert not standardised(in_part(np.where(calls == 0, 0.2, calls))).binary


def test_every_entry_measured_is_the_same_as_a_row_measured() -> None:
    values = np.array([[1.0, 2], [NAN, NAN], [3, 5]])
    rows, entries = ~np.isnan(values).all(axis=1), np.isfinite(values)
    one, two = (standardised(MatrixBlock(values, seen)) for seen in (rows, entries))
    assert two.entries is None
    for first, second in zip(vars(one).values(), vars(two).values(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_permuted_rows_take_with_them_which_entries_they_have() -> None:
    block = in_part([[1, NAN], [NAN, 2], [NAN, NAN], [3, 4]])
    mixed = shuffled(block, np.random.default_rng(0))
    np.testing.assert_array_equal(mixed.observed, np.isfinite(np.asarray(mixed.values)))
    np.testing.assert_array_equal(mixed.observed_rows, block.observed_rows)
    before = [row.tobytes() for row in np.asarray(block.values)[[0, 1, 3]]]
    after = [row.tobytes() for row in np.asarray(mixed.values)[[0, 1, 3]]]
    assert sorted(before) == sorted(after)
    assert all(a != b for a, b in zip(before, after, strict=True))


# ------------------------------------------------------------------------------------------ losses


def test_a_molecule_with_one_line_weighs_less_than_one_with_sixty() -> None:
    """Twice the weight is the same as standing there twice, in every mean over rows."""
    torch.manual_seed(0)
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    twice = torch.tensor([0, 1, 2, 3, 4, 4])
    weight = torch.tensor([1.0, 1, 1, 1, 2])
    invariance = (x[twice] - y[twice]).square().mean()
    found = vicreg(x, y, rows=weight)
    assert float(found) == pytest.approx(float(_vicreg_by_hand(x, y, weight)), rel=1e-5)
    assert float(found) > float(invariance)
    plain = -torch.log_softmax(_cosines(x, y) / 0.2, dim=1).diagonal()
    expected = (plain * weight).sum() / weight.sum()
    assert float(info_nce(x, y, 0.2, weight)) == pytest.approx(float(expected), rel=1e-5)


def _cosines(x: Any, y: Any) -> Any:
    return torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(y, dim=1).T


def _vicreg_by_hand(x: Any, y: Any, weight: Any) -> Any:
    w = weight / weight.mean()
    loss = (w[:, None] * (x - y).square()).mean()
    for part in (x, y):
        covariance = torch.zeros(3, 3)
        middle = (w[:, None] * part).mean(0)
        for row, share in zip(part, w, strict=True):
            covariance += share * torch.outer(row - middle, row - middle) / (len(x) - 1)
        loss += torch.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()
        loss += (covariance.square().sum() - covariance.diagonal().square().sum()) / 3
    return loss


def test_equal_weights_are_none() -> None:
    torch.manual_seed(0)
    x, y, ones = torch.randn(6, 3), torch.randn(6, 3), torch.full((6,), 0.3)
    assert float(vicreg(x, y, rows=ones)) == pytest.approx(float(vicreg(x, y)), rel=1e-5)
    assert float(info_nce(x, y, 0.2, ones)) == pytest.approx(float(info_nce(x, y, 0.2)), rel=1e-5)


def test_the_projector_knows_a_zero_from_a_hole() -> None:
    network = ChmrNetwork(NetworkShape(8, cells=(Modality("growth", 2, in_part=True),), hidden=4))
    network.eval()
    zeros, there = torch.zeros(1, 2), torch.tensor([[True, False]])
    with torch.no_grad():
        hole = network.project("growth", torch.tensor([[0.0, NAN]]), there)
        measured = network.project("growth", zeros, torch.ones(1, 2, dtype=torch.bool))
    assert torch.isfinite(hole).all()
    assert not torch.allclose(hole, measured)
    with pytest.raises(DataError, match="measured in part"):
        network.project("growth", zeros)
    again = NetworkShape.from_json(json.loads(json.dumps(network.shape.to_json())))
    assert again == network.shape
    assert "in_part" not in json.dumps(NetworkShape(8, cells=(Modality("a", 1),)).to_json())


# ----------------------------------------------------------------------------------- pretraining


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"as_published": True}, marks=pytest.mark.slow),
        pytest.param({"fill": "random"}, marks=pytest.mark.slow),
    ],
)
def test_pretraining_reads_no_entry_that_was_not_measured(
    tiny: Any, home: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    atlas = tiny.atlas()
    first = weights(tiny, tmp_path / "a", with_holes(atlas), **changes)
    other = weights(tiny, tmp_path / "b", with_holes(atlas, fill=123.0), **changes)
    one, two = tensors(first), tensors(other)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    material = first.info["material"]["cells"]["morphology"]
    assert material["entries"] == int(with_holes(atlas).blocks["morphology"].observed.sum())
    assert (material["not_finite"], material["empty_columns"]) == (0, 0)
    assert all(np.isfinite(value) for value in first.info["losses"]["train"].values())


@pytest.mark.slow
def test_measured_in_full_the_weights_are_the_same_to_the_last_bit(
    tiny: Any, home: Path, tmp_path: Path
) -> None:
    rows = weights(tiny, tmp_path / "a", tiny.atlas())
    entries = weights(tiny, tmp_path / "b", with_holes(tiny.atlas(), share=0.0))
    one, two = tensors(rows), tensors(entries)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_empty_and_constant_columns_and_infinities_are_counted(
    tiny: Any, home: Path, tmp_path: Path
) -> None:
    atlas = with_holes(tiny.atlas())
    block = atlas.blocks["morphology"]
    values, observed = np.array(block.values), np.array(block.observed)
    values[:, 0], observed[:, 0] = NAN, False
    values[:, 1] = 7.0
    row = int(np.flatnonzero(observed[:, 2])[0])
    values[row, 2] = INF
    spoilt = replace(atlas, blocks={"morphology": MatrixBlock(values, observed)})
    found = weights(tiny, tmp_path, spoilt).info["material"]["cells"]["morphology"]
    counted = {name: found[name] for name in ("not_finite", "empty_columns", "constant_columns")}
    assert counted == {"not_finite": 1, "empty_columns": 1, "constant_columns": 1}


def test_the_control_reads_no_other_entry_either(tiny: Any, home: Path, tmp_path: Path) -> None:
    config = RegressorConfig(atlas=("tiny",), n_bits=64, hidden=8, embedding=4, epochs=2)
    found = []
    for fill in (NAN, 123.0, INF):
        data = tiny.TinyData(with_holes(tiny.atlas(), fill))
        made = regressor.find_or_make(config, tiny.request(tmp_path / str(fill), data=data))
        found.append(tensors(made))
    for other in found[1:]:
        assert all(np.array_equal(found[0][name], other[name]) for name in other)


# ------------------------------------------------------------------------------------- own cells


GROWTH = Modality("growth", 4, in_part=True)


def molecules(tiny: Any, config: Any, observed: Any, fill: float = NAN) -> Inputs:
    smiles = tiny.atlas().smiles
    blocks = dict(featurised(smiles, feature_requests(config)).blocks)
    values = np.random.default_rng(1).normal(size=observed.shape)
    blocks["growth"] = MatrixBlock(np.where(observed, values, fill), observed)
    return Inputs(smiles, blocks)


def test_a_molecules_own_entries_are_read_as_what_they_are(
    tiny: Any, encoder: Callable[..., Path]
) -> None:
    """Molecule 0 has one entry of four, molecule 1 none: its neighbours' are taken."""
    config = tiny.config(n_bits=64, neighbours=5, head_inputs=("bits", "cells"))
    context = FitContext(
        TaskInfo("classification", ("a",), "roc_auc"), weights=encoder(config, GROWTH)
    )
    observed = np.random.default_rng(0).random((64, 4)) < 0.4
    observed[0], observed[1] = [True, False, False, False], False
    train = np.arange(2, 64)
    found = []
    for fill in (NAN, 99.0, INF):
        inputs = molecules(tiny, config, observed, fill)
        reader = CellReader(inputs.take(train), config, context)
        found.append(reader.read(inputs.take(np.arange(2)), None)["cells"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    h = 8
    assert found[0][0, h:].tolist() == [0.25, 0.0]
    assert found[0][1, h] == 0
    assert 0 < found[0][1, h + 1] <= 1
    network, _ = load_network(context.weights)  # type: ignore[arg-type]
    x = network.standardise("growth", torch.tensor(_first(inputs), dtype=torch.float32))
    with torch.no_grad():
        p = network.eval().project("growth", x, torch.from_numpy(observed[:1]))
    np.testing.assert_allclose(found[0][0, :h], p[0].numpy(), rtol=1e-5)


def _first(inputs: Inputs) -> Any:
    return np.nan_to_num(np.asarray(inputs.matrix("growth").values)[:1], posinf=0.0)


def test_weights_of_full_profiles_refuse_others(tiny: Any, encoder: Callable[..., Path]) -> None:
    config = tiny.config(n_bits=64, head_inputs=("bits", "cells"))
    context = FitContext(
        TaskInfo("classification", ("a",), "roc_auc"),
        weights=encoder(config, replace(GROWTH, in_part=False)),
    )
    inputs = molecules(tiny, config, np.random.default_rng(0).random((64, 4)) < 0.5)
    with pytest.raises(DataError, match=r"'growth' is measured in part .* learnt from full ones"):
        CellReader(inputs, config, context)

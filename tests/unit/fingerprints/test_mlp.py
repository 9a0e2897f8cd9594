"""The network's loss counts labelled entries only, and its first layer is a linear layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from chmr_bench import Inputs, MatrixBlock
from chmr_bench.types import FloatArray

torch = pytest.importorskip("torch")

from chmr_bench.metrics import macro, score_tasks  # noqa: E402
from chmr_bench.nn.sparse_network import SparseNetwork  # noqa: E402
from chmr_bench.nn.trainer import masked_loss  # noqa: E402
from chmr_bench_fingerprints.mlp import Mlp, MlpConfig  # noqa: E402

BITS = {"descriptors": ""}
"""The made-up molecules have bits and nothing else."""


@pytest.mark.parametrize("is_classifier", [True, False])
def test_entries_without_a_label_do_not_enter_the_loss(is_classifier: bool) -> None:
    nan = float("nan")
    raw = torch.tensor([[0.3, 1.0], [-0.2, 5.0]], requires_grad=True)
    y = torch.tensor([[1.0, nan], [0.0, nan]])
    loss = masked_loss(raw, y, is_classifier)
    expected = masked_loss(raw[:, :1], y[:, :1], is_classifier)
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert torch.all(raw.grad[:, 1] == 0)
    assert torch.all(raw.grad[:, 0] != 0)


def test_a_batch_without_any_label_has_no_loss() -> None:
    raw = torch.zeros(2, 2, requires_grad=True)
    loss = masked_loss(raw, torch.full((2, 2), float("nan")), is_classifier=True)
    assert loss.item() == 0
    loss.backward()
    assert torch.all(raw.grad == 0)


def test_adding_up_what_is_not_zero_is_a_linear_layer() -> None:
    network = SparseNetwork(6, [4], 2, dropout=0.0).eval()
    x = torch.tensor([[0.7, 0, 0, -2, 0, 0], [0, 0, 0, 0, 0, 0], [0, 1.1, 0, 0, 0, 0.7]])
    values = torch.tensor([0.7, -2, 1.1, 0.7])
    found = network(torch.tensor([0, 3, 1, 5]), torch.tensor([0, 2, 2]), values)
    hidden = x @ network.weight.weight + network.bias
    torch.testing.assert_close(found, network.rest(hidden))


def test_training_leaves_the_global_generator_alone(problem_of: Callable[..., Any]) -> None:
    problem = problem_of("classification")
    settings = MlpConfig.model_validate({**BITS, "shapes": "16", "epochs": 2})
    before = torch.get_rng_state()
    threads = torch.get_num_threads()
    problem.fit(Mlp(settings), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_prediction_is_the_mean_of_the_networks(problem_of: Callable[..., Any]) -> None:
    problem = problem_of("classification")
    predicted = [
        problem.fit(Mlp(MlpConfig.model_validate({**BITS, "shapes": shapes, "epochs": 3}))).predict(
            problem.test
        )
        for shapes in ("16", "8-8", "16,8-8")
    ]
    np.testing.assert_allclose(predicted[2], (predicted[0] + predicted[1]) / 2, atol=1e-7)


def test_it_asks_for_counts_and_descriptors() -> None:
    found = Mlp.needs(MlpConfig.model_validate({"descriptors": "MolWt,TPSA"}))
    assert found["morgan"].settings["counts"] is True
    assert dict(found["descriptors"].settings) == {"names": "MolWt,TPSA"}
    assert set(Mlp.needs(MlpConfig.model_validate(BITS))) == {"morgan"}


@pytest.mark.parametrize("where", ["counts", "descriptors"])
def test_a_rule_in_counts_or_descriptors_alone_is_learnt(
    where: str, problem_of: Callable[..., Any]
) -> None:
    whole = problem_of("regression")

    def inputs(part: Inputs, y: FloatArray) -> Inputs:
        counted = np.where(where == "counts", 1 + np.round(2 * (y - y.min())), 1)
        counted = np.concatenate([counted, np.ones_like(y)], axis=1)
        described = np.where(where == "descriptors", 1000 * y, 0)
        observed = np.ones(len(y), dtype=np.bool_)
        blocks = {
            "morgan": MatrixBlock(sparse.csr_array(counted.astype(np.uint16)), observed),
            "descriptors": MatrixBlock(described, observed),
        }
        return Inputs(part.smiles, blocks)

    names = ("train", "valid", "test")
    given = {n: inputs(getattr(whole, n), getattr(whole, f"y_{n}")[:, :1]) for n in names}
    problem = replace(whole, **given)
    settings = {"shapes": "64", "epochs": 60, "batch_size": 32, "descriptors": "TPSA"}
    found = problem.fit(Mlp(MlpConfig.model_validate(settings))).predict(problem.test)[:, 0]
    y = problem.y_test[:, 0]
    assert np.abs(found - y).mean() < 0.4 * np.abs(problem.y_train[:, 0].mean() - y).mean()


@pytest.mark.parametrize("shapes", ["", "0", "512-", "1-2-3-4-5-6-7", "512,wide"])
def test_a_shape_is_widths(shapes: str) -> None:
    with pytest.raises(ValidationError):
        MlpConfig.model_validate({"shapes": shapes})


def test_it_stops_early_and_keeps_the_best_epoch(problem_of: Callable[..., Any]) -> None:
    whole = problem_of("classification")
    rule = [0]
    problem = replace(whole, y_train=whole.y_train[:, rule], y_valid=whole.y_valid[:, rule])
    seen: list[int] = []
    settings = {**BITS, "shapes": "64", "epochs": 400, "patience": 5, "batch_size": 32}
    model = problem.fit(
        Mlp(MlpConfig.model_validate(settings)), progress=lambda done, *_: seen.append(done)
    )
    assert max(seen) < 400
    scores = score_tasks("roc_auc", ("rule",), problem.y_valid, model.predict(problem.valid))
    best = macro(scores)
    assert best is not None
    assert best > 0.9

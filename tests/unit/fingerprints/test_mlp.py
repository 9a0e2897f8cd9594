"""The network's loss counts labelled entries only, and its first layer is a linear layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from chmr_bench.metrics import macro, score_tasks  # noqa: E402
from chmr_bench.nn.trainer import masked_loss  # noqa: E402
from chmr_bench_fingerprints.mlp import Mlp, MlpConfig  # noqa: E402
from chmr_bench_fingerprints.mlp_network import BitNetwork  # noqa: E402


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


def test_adding_up_set_bits_is_a_linear_layer() -> None:
    network = BitNetwork(6, [4], 2, dropout=0.0).eval()
    bits = torch.tensor([[1.0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1]])
    found = network(torch.tensor([0, 3, 1, 5]), torch.tensor([0, 2, 2]))
    hidden = bits @ network.weight.weight + network.bias
    torch.testing.assert_close(found, network.rest(hidden))


def test_training_leaves_the_global_generator_alone(problem_of: Callable[..., Any]) -> None:
    problem = problem_of("classification")
    settings = MlpConfig.model_validate({"hidden": 16, "epochs": 2})
    before = torch.get_rng_state()
    threads = torch.get_num_threads()
    problem.fit(Mlp(settings), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_it_stops_early_and_keeps_the_best_epoch(problem_of: Callable[..., Any]) -> None:
    whole = problem_of("classification")
    rule = [0]
    problem = replace(whole, y_train=whole.y_train[:, rule], y_valid=whole.y_valid[:, rule])
    seen: list[int] = []
    settings = {"hidden": 64, "epochs": 400, "patience": 5, "batch_size": 32}
    model = problem.fit(
        Mlp(MlpConfig.model_validate(settings)), progress=lambda done, *_: seen.append(done)
    )
    assert max(seen) < 400
    scores = score_tasks("roc_auc", ("rule",), problem.y_valid, model.predict(problem.valid))
    best = macro(scores)
    assert best is not None
    assert best > 0.9

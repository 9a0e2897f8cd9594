"""What the tests of CHMR share: a tiny atlas, an encoder that learnt nothing, and one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.nn import trainer


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Such small networks are slower on many threads."""
    pytest.importorskip("torch")
    with trainer.one_thread():
        yield


@pytest.fixture
def encoder(home: Path, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Write the weights of an untrained encoder of 64 + 167 bits, without geometry.

    A cell state, where one is asked for, has parameters drawn by chance.
    """
    import torch

    from chmr_bench.nn.pretraining.network_file import WeightsMetadata
    from chmr_bench_chmr.network import ChmrNetwork
    from chmr_bench_chmr.shape import NetworkShape
    from chmr_bench_chmr.weights import feature_requests, save_network

    def made(config: Any, *cells: Any, state: int = 0) -> Path:
        torch.manual_seed(0)
        shape = NetworkShape(
            64 + 167, cells=cells, hidden=8, layers=2, decoder_hidden=8, state=state
        )
        network = ChmrNetwork(shape).eval()
        for name, buffer in network.state.named_buffers() if network.state else ():
            if not name.startswith(("noise", "spread")):
                buffer.normal_()
        for cell in cells:
            network.set_scale(cell.name, torch.arange(cell.d) + 1.0, torch.full((cell.d,), 2.0))
        path = tmp_path / "encoder.safetensors"
        save_network(path, network, WeightsMetadata(config, feature_requests(config)))
        return path

    return made

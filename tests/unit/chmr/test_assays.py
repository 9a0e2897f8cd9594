"""CHMR beside labelled assays: targets of the anchor, sparse up to the batch, and no cells."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench.cells import Atlas, assay_block
from chmr_bench.contracts import ASSAY
from chmr_bench.errors import UnknownNameError
from chmr_bench.plugins import registry
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining import loop
from chmr_bench_chmr.pretraining import material as materials
from chmr_bench_chmr.pretraining.assays import scaled_assays
from chmr_bench_chmr.pretraining.batches import Batcher
from chmr_bench_chmr.pretraining.store import find_or_make
from chmr_bench_chmr.shape import NetworkShape
from chmr_bench_chmr.weights import load_network

D = 700
CALLS = assay_block([0, 1, 2], [0, 1, 0], [0.0, 1.0, 1.0], 64, ("a", "b"))


def with_assays(tiny: Any) -> Atlas:
    """Return the tiny atlas, every second molecule with one of 700 assays, three with a call."""
    rows = np.arange(0, 64, 2)
    numbers = assay_block(rows, rows % 5, rows / 10, 64, tuple(f"T{i}" for i in range(D)))
    return dataclasses.replace(tiny.atlas(), assays={"assay.t": numbers, "assay.c": CALLS})


def test_numbers_are_scaled_and_calls_are_not(tiny: Any) -> None:
    assays = {name: scaled_assays(block) for name, block in with_assays(tiny).assays.items()}
    assert assays["assay.c"].binary
    assert assays["assay.c"].targets(np.array([0, 3]))[:, 0].tolist()[0] == 0
    values = assays["assay.t"].block.values
    assert not assays["assay.t"].binary
    for column in range(5):
        own = values.data[values.indices == column]
        assert own.mean() == pytest.approx(0, abs=1e-6)
        assert own.std() == pytest.approx(1, abs=1e-5)


def test_a_batch_alone_is_dense_and_holds_those_measured(
    tiny: Any, home: Path, tmp_path: Path
) -> None:
    config, request = tiny.config(), tiny.request(tmp_path)
    material = materials.prepare(with_assays(tiny), config, request, 0)
    assert set(material.cells) == {"morphology", "expression", "perturbation"}
    assert material.assays["assay.t"].block.values.nnz == 32
    batch = Batcher(material, config, torch.device("cpu")).batch(
        np.array([1, 2, 3, 4]), np.random.default_rng(0)
    )
    targets = batch.walks["assay.t"]
    assert targets.target.shape == (2, D)
    assert targets.molecule.tolist() == [1, 3]
    assert torch.isfinite(targets.target).sum() == 2
    assert "assay.t" not in batch.cells


def test_the_permuted_control_permutes_them_too(tiny: Any, home: Path, tmp_path: Path) -> None:
    config, request = tiny.config(shuffle_cells=True), tiny.request(tmp_path)
    atlas = with_assays(tiny)
    learnt = materials.prepare(atlas, config, request, 0).assays
    assert not learnt["assay.t"].observed[1::2].any()
    told = learnt["assay.c"].block.values.toarray()[:3]
    before = CALLS.values.toarray()[:3]
    rows = [next(i for i in range(3) if (told[row] == before[i]).all()) for row in range(3)]
    assert sorted(rows) == [0, 1, 2]
    assert all(row != source for row, source in enumerate(rows))


def test_a_network_has_a_decoder_for_them_and_no_projector(
    tiny: Any, home: Path, tmp_path: Path
) -> None:
    config, request = tiny.config(), tiny.request(tmp_path)
    material = materials.prepare(with_assays(tiny), config, request, 0)
    network = loop.new_network(material, config, 0)
    assert network.decode("assay.t", torch.zeros(1, config.hidden)).shape == (1, D)
    with pytest.raises(UnknownNameError):
        network.project("assay.t", torch.zeros(1, D))
    plain = loop.new_network(materials.prepare(tiny.atlas(), config, request, 0), config, 0)
    assert [m.name for m in plain.shape.assays] == []
    assert "assays" not in plain.shape.to_json()
    again = NetworkShape.from_json(json.loads(json.dumps(network.shape.to_json())))
    assert again == network.shape
    assert isinstance(ChmrNetwork(again), ChmrNetwork)


def test_weights_are_made_and_the_card_says_so(tiny: Any, home: Path, tmp_path: Path) -> None:
    request = tiny.request(tmp_path, data=tiny.TinyData(with_assays(tiny)))
    weights = find_or_make(tiny.config(epochs=2), request)
    assert weights is not None
    network, _ = load_network(weights.path)
    assert {m.name: m.d for m in network.shape.assays} == {"assay.t": D, "assay.c": 2}
    assert weights.info["material"]["assays"]["assay.t"] == {
        "observed": 32,
        "columns": D,
        "entries": 32,
    }
    losses = weights.info["losses"]["train"]
    assert 0 < losses["reconstruction.assay.t"] < 10
    assert "Labelled assays assay.t: 32 molecules, 700 assays" in (
        weights.path.parent / "README.md"
    ).read_text(encoding="utf-8")


def test_one_variant_alone_learns_from_assays() -> None:
    models = registry().models.values()
    assert [m.spec.name for m in models if ASSAY in m.spec.learns] == ["chmr.with-assays"]
    assert "assays" in registry().model("chmr.with-assays").spec.preset["atlas"]

"""Genes met on walks are reconstructed from the molecule's anchor, as far as they are known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench.cells import Atlas, Genes
from chmr_bench.cells.walks import walk
from chmr_bench.nn.pretraining.material import gene_blocks
from chmr_bench.nn.pretraining.seeding import generator
from chmr_bench_chmr.objective import StepInputs, objective
from chmr_bench_chmr.pretraining import material as materials
from chmr_bench_chmr.pretraining.batches import Batch, Batcher
from chmr_bench_chmr.pretraining.loop import new_network
from chmr_bench_chmr.pretraining.material import Material
from chmr_bench_chmr.pretraining.store import find_or_make
from chmr_bench_chmr.shape import NetworkShape
from chmr_bench_chmr.weights import load_network

CPU = torch.device("cpu")
COLUMNS = tuple(f"g{i}" for i in range(17))
BLOCKS = ("gene.crispr", "gene.orf")


@pytest.fixture
def atlas(tiny: Any) -> Atlas:
    """Return the tiny atlas whose 17 columns of expression are genes, linked in a ring."""
    plain, rng = tiny.atlas(), np.random.default_rng(5)
    known = {
        name: tiny.observed_only(7 + 2 * rng.normal(size=(17, d)), rng.random(17) < share)
        for name, d, share in (("crispr", 4, 0.8), ("orf", 3, 0.5))
    }
    edges = np.stack([np.arange(17), np.roll(np.arange(17), -1)]).astype(np.int64)
    columns = {name: i for i, name in enumerate(COLUMNS)}
    genes = Genes(COLUMNS, known, edges, np.ones(17, dtype=np.float32), columns)
    named = dataclasses.replace(plain.blocks["expression"], names=COLUMNS)
    return dataclasses.replace(plain, blocks={**plain.blocks, "expression": named}, genes=genes)


@pytest.fixture
def material(tiny: Any, atlas: Atlas, home: Path, tmp_path: Path) -> Material:
    return materials.prepare(atlas, tiny.config(), tiny.request(tmp_path), seed=0)


ROWS = np.tile(np.arange(64), 10)
"""Ten walks a molecule."""


def batch(tiny: Any, material: Material) -> Batch:
    return Batcher(material, tiny.config(), CPU).batch(ROWS, generator(7))


def test_the_settings_choose_whether_genes_are_reconstructed(tiny: Any, atlas: Atlas) -> None:
    def found(**changes: Any) -> tuple[str, ...]:
        return tuple(gene_blocks(atlas, tiny.config(**changes), 0))

    assert found() == found(cells=("perturbation",)) == BLOCKS
    assert found(cells=()) == found(cells=("morphology", "expression")) == ()
    assert gene_blocks(tiny.atlas(), tiny.config(), 0) == {}


def test_known_genes_are_standardised(tiny: Any, atlas: Atlas) -> None:
    found = gene_blocks(atlas, tiny.config(), 0)["gene.crispr"]
    assert atlas.genes is not None
    np.testing.assert_array_equal(found.observed, atlas.genes.blocks["crispr"].observed)
    np.testing.assert_allclose(found.x[found.observed].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.x[found.observed].std(0), 1, atol=1e-6)


def test_shuffling_gives_every_gene_what_another_has(tiny: Any, atlas: Atlas) -> None:
    plain = gene_blocks(atlas, tiny.config(), 0)["gene.orf"]
    moved = gene_blocks(atlas, tiny.config(shuffle_cells=True), 0)["gene.orf"]
    np.testing.assert_array_equal(moved.observed, plain.observed)
    rows = np.flatnonzero(plain.observed)
    assert not np.isclose(moved.x[rows], plain.x[rows]).all(axis=1).any()
    np.testing.assert_allclose(np.sort(moved.x, axis=0), np.sort(plain.x, axis=0), atol=1e-6)


def test_targets_are_the_known_genes_that_walks_met(tiny: Any, material: Material) -> None:
    found, links = batch(tiny, material).walks, material.links
    assert links is not None
    met = walk(links, ROWS, 4, generator(7))
    for name in BLOCKS:
        expected = []
        for i, (nodes, weights) in enumerate(zip(met.nodes, met.weight, strict=True)):
            for node, weight in zip(nodes, weights, strict=True):
                gene = int(links.row[node])
                kind = links.kinds[links.kind[node]]
                if kind == "gene" and weight > 0 and material.genes[name].observed[gene]:
                    expected.append((i, weight, material.genes[name].x[gene]))
        assert len(expected) > 10
        assert found[name].molecule.tolist() == [i for i, _, _ in expected]
        np.testing.assert_allclose(found[name].weight, [w for _, w, _ in expected])
        np.testing.assert_array_equal(found[name].target, np.array([x for _, _, x in expected]))


def test_the_encoder_learns_from_genes(tiny: Any, material: Material) -> None:
    network = new_network(material, tiny.config(), 0)
    assert [(g.name, g.d, g.binary) for g in network.shape.genes] == [
        ("gene.crispr", 4, False),
        ("gene.orf", 3, False),
    ]
    cut = batch(tiny, material)
    latents = network.encode(cut.fingerprint, cut.graph)
    step = StepInputs(latents, cut.observed, cut.cells, cut.augmented, cut.walks)
    terms = objective(network, tiny.config(), step)
    for name in BLOCKS:
        network.zero_grad()
        terms[f"reconstruction.{name}"].backward(retain_graph=True)  # type: ignore[no-untyped-call]
        assert network.graph_encoder.atom_table.grad is not None
        assert network.graph_encoder.atom_table.grad.abs().sum() > 0
        touched = {n for n, p in network.decoders.named_parameters() if p.grad is not None}
        assert (
            touched == {n for n in touched if n.startswith("_" + name.replace(".", ":"))} != set()
        )


def test_weights_know_the_genes_they_learnt_from(tiny: Any, atlas: Atlas, home: Path) -> None:
    request = tiny.request(home / "weights", data=tiny.TinyData(atlas))
    made: Any = find_or_make(tiny.config(epochs=1), request)
    losses = (made.path.parent / "losses.csv").read_text().splitlines()[0]
    assert all(f"reconstruction.{name}" in losses for name in BLOCKS)
    network, _ = load_network(made.path)
    assert [gene.name for gene in network.shape.genes] == list(BLOCKS)
    again = NetworkShape.from_json(json.loads(json.dumps(network.shape.to_json())))
    assert again == network.shape

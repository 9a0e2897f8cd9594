"""An outside check: torch-molecule, by InfoAlign's author, given the same weights.

Version 0.2.0 has no class for InfoAlign. It has InfoAlign's graph encoder, with tensors of the
published names; so the molecules' representations are compared, from which mu is one layer away.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest
import torch
from torch_geometric.nn import global_add_pool

from chmr_bench.features.graphs import graph
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.ogb_keys import ENCODER
from chmr_bench_infoalign import parity

pytest.importorskip("torch_molecule", exc_type=ImportError)
SMILES = ("CCO", "c1ccccc1C(=O)O", "C[C@H](N)C(=O)[O-]", "O=S(=O)(c1ccc(Cl)cc1)N1CCNCC1", "C")


def test_the_same_weights_give_the_same_representations(published: Any) -> None:
    from torch_molecule.nn import GNN_node_Virtualnode

    h = 8
    weights = {name: tensor.clone() for name, tensor in published(h).items()}
    theirs = GNN_node_Virtualnode(2, h, drop_ratio=0.5, residual=True)
    own = {n.removeprefix(ENCODER): t for n, t in weights.items() if n.startswith(ENCODER)}
    elements = "atom_encoder.atom_embedding_list.0.weight"
    own[elements] = torch.cat([own[elements], torch.zeros(1, h)])  # theirs has one more, '*'
    theirs.load_state_dict(own)  # strict: every tensor has its place
    network, batch = parity.load(weights), graph_batch(graph(SMILES))
    with torch.no_grad():
        ours = network.graph_encoder(batch)
        nodes, _ = theirs.eval()(batch.x, batch.edge_index, batch.edge_attr, batch.batch)
        expected = global_add_pool(nodes, batch.batch)
        mu = network.latent(ours).mu
        latent = torch.nn.functional.silu(expected) @ weights["dist_net.1.weight"].T
        expected_mu = (latent + weights["dist_net.1.bias"])[:, :h]
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mu, expected_mu, rtol=1e-4, atol=1e-4)


def test_there_is_still_no_class_of_its_own() -> None:
    """Where this fails, compare that class as a whole."""
    import torch_molecule

    assert not [name for name in vars(torch_molecule) if "infoalign" in name.lower()]
    assert metadata.version("torch-molecule")

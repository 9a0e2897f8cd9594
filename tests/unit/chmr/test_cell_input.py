"""A molecule's own cells as an input: its own first, borrowed and marked so where it has none."""

from __future__ import annotations

import itertools
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
from chmr_bench.features.profiles import CLIP
from chmr_bench_chmr.cell_input import CellReader
from chmr_bench_chmr.cell_state import Views
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.model import Chmr
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.reading import bits_of
from chmr_bench_chmr.shape import Modality
from chmr_bench_chmr.weights import load_network

ENDS = ("C", "O", "N", "F", "Cl", "C#N", "C(=O)O", "S")
SMILES = tuple(f"c1c({a})ccc(C{b})c1" for a, b in itertools.product(ENDS, ENDS))
CELLS = (Modality("morphology", 5), Modality("expression", 4))
CONFIG = ChmrConfig(
    n_bits=64,
    geometry="none",
    head_hidden=8,
    head_epochs=4,
    neighbours=5,
    head_inputs=("bits", "cells"),
    heads=("network", "cells"),
)
H, F = 8, 3
READOUTS = np.random.default_rng(5).normal(size=(64, 9)).astype(np.float32)
TRAIN, TEST = np.arange(40), np.arange(40, 64)
OBSERVED = {"morphology": np.arange(64) % 3 > 0, "expression": np.arange(64) % 2 > 0}


@pytest.fixture(scope="module")
def structure() -> Inputs:
    return featurised(SMILES, Chmr.needs(CONFIG))


@pytest.fixture
def context(encoder: Callable[..., Path]) -> FitContext:
    tasks = TaskInfo("classification", ("a",), "roc_auc")
    return FitContext(tasks=tasks, weights=encoder(CONFIG, *CELLS, state=F))


@pytest.fixture
def network(context: FitContext) -> ChmrNetwork:
    assert context.weights is not None
    return load_network(context.weights)[0].eval()


def with_cells(structure: Inputs, observed: Any = OBSERVED, change: Any = None) -> Inputs:
    """Return the molecules with simulated cells; `change` alters the values in place."""
    blocks: dict[str, Any] = dict(structure.blocks)
    rng = np.random.default_rng(0)
    values = {cell.name: 3 * rng.normal(size=(64, cell.d)) for cell in CELLS}
    if change:
        change(values)
    for name, x in values.items():
        seen = observed[name]
        blocks[name] = MatrixBlock(np.where(seen[:, None], x, np.nan), seen)
    return Inputs(structure.smiles, blocks)


def read(inputs: Inputs, context: FitContext, rows: Any = TEST) -> dict[str, Any]:
    """Return what is read of some rows: by modality, and the flags."""
    reader = CellReader(inputs.take(TRAIN), CONFIG, context)
    found = reader.read(inputs.take(rows), READOUTS[rows])
    cells = found["cells"]
    assert cells.shape == (len(rows), 2 * H + 4)
    assert found["state"].shape == (len(rows), F)
    assert cells.dtype == found["state"].dtype == np.float32
    return {
        "morphology": cells[:, :H],
        "expression": cells[:, H : 2 * H],
        "own": dict(zip(OBSERVED, cells[:, [2 * H, 2 * H + 2]].T == 1, strict=True)),
        "borrowed": dict(zip(OBSERVED, cells[:, [2 * H + 1, 2 * H + 3]].T == 1, strict=True)),
        "state": found["state"],
    }


def projected(network: ChmrNetwork, name: str, x: Any) -> Any:
    with torch.inference_mode():
        return network.project(name, torch.from_numpy(np.asarray(x, dtype=np.float32))).numpy()


def standardised(network: ChmrNetwork, inputs: Inputs, name: str) -> Any:
    values = torch.from_numpy(np.asarray(inputs.matrix(name).values))
    return network.standardise(name, values).numpy()


def tanimoto(a: Any, b: Any) -> Any:
    both = a @ b.T
    return both / (a.sum(1)[:, None] + b.sum(1)[None] - both)


# ----------------------------------------------------------------------------------- own, borrowed


def test_what_was_observed_wins(
    structure: Inputs, context: FitContext, network: ChmrNetwork
) -> None:
    inputs = with_cells(structure)
    found = read(inputs, context)
    for name, observed in OBSERVED.items():
        seen = observed[TEST]
        np.testing.assert_array_equal(found["own"][name], seen)
        assert not (found["own"][name] & found["borrowed"][name]).any()
        own = projected(network, name, standardised(network, inputs, name)[TEST][seen])
        np.testing.assert_allclose(found[name][seen], own, atol=1e-5)


@pytest.mark.parametrize("rows", [TRAIN, TEST])
def test_the_rest_borrow_from_their_neighbours_in_training(
    structure: Inputs, context: FitContext, network: ChmrNetwork, rows: Any
) -> None:
    inputs = with_cells(structure)
    found = read(inputs, context, rows)
    bits = bits_of(inputs).astype(float)
    similarity = tanimoto(bits[rows], bits[TRAIN])
    for name, observed in OBSERVED.items():
        x = standardised(network, inputs, name)
        for i in np.flatnonzero(~observed[rows]):
            near = np.argsort(-similarity[i], kind="stable")[: CONFIG.neighbours]
            lenders = [j for j in near if observed[TRAIN[j]]]
            assert found["borrowed"][name][i] == bool(lenders)
            if lenders:
                lent = np.average(x[TRAIN[lenders]], axis=0, weights=similarity[i, lenders])
                expected = projected(network, name, lent[None])[0]
            else:
                expected = np.zeros(H)
            np.testing.assert_allclose(found[name][i], expected, atol=1e-4)


def test_where_nobody_lends_both_flags_are_0(structure: Inputs, context: FitContext) -> None:
    observed = {name: seen & (np.arange(64) >= 40) for name, seen in OBSERVED.items()}
    found = read(with_cells(structure, observed), context)
    for name, seen in observed.items():
        assert not found["borrowed"][name].any()
        assert np.array_equal(found["own"][name], seen[TEST])
        assert np.array_equal(found[name].any(axis=1), seen[TEST])


def test_test_molecules_never_lend(structure: Inputs, context: FitContext) -> None:
    changed = TEST[0] + np.flatnonzero(OBSERVED["morphology"][TEST])[:3]

    def change(values: dict[str, Any]) -> None:
        values["morphology"][changed] += np.arange(5.0)

    before = read(with_cells(structure), context)
    after = read(with_cells(structure, change=change), context)
    others = ~np.isin(TEST, changed)
    for name in (*OBSERVED, "state"):
        np.testing.assert_array_equal(after[name][others], before[name][others])
    for name in ("morphology", "state"):
        assert (after[name][~others] != before[name][~others]).any(axis=1).all()


def test_a_far_read_out_counts_as_while_learning(
    structure: Inputs, context: FitContext, network: ChmrNetwork
) -> None:
    def change(values: dict[str, Any]) -> None:
        values["morphology"][41] = [1e6, -1e6, 3, 4, 5]

    found = read(with_cells(structure, change=change), context)
    expected = projected(network, "morphology", [[10, -10, 0, 0, 0]])[0]
    np.testing.assert_allclose(found["morphology"][1], expected, atol=1e-5)


# ------------------------------------------------------------------------------------------- state


def state_of(network: ChmrNetwork, x: Any, observed: Any, rows: Any = TEST) -> Any:
    assert network.state is not None
    told = {n: torch.from_numpy(v[rows]).clamp(-CLIP, CLIP) for n, v in x.items()}
    seen = {n: torch.from_numpy(o[rows]) for n, o in observed.items()}
    return network.state(Views(torch.from_numpy(READOUTS[rows]), told, seen)).numpy()


def test_the_state_is_told_by_structure_and_what_is_the_molecule_s_own(
    structure: Inputs, context: FitContext, network: ChmrNetwork
) -> None:
    def change(values: dict[str, Any]) -> None:
        values["morphology"][41] *= 1e3  # clipped as while learning

    inputs = with_cells(structure, change=change)
    x = {name: standardised(network, inputs, name) for name in OBSERVED}
    found = read(inputs, context)["state"]
    np.testing.assert_allclose(found, state_of(network, x, OBSERVED), rtol=1e-4, atol=1e-5)
    nobody = {name: np.zeros(64, dtype=bool) for name in OBSERVED}
    alone = state_of(network, x, nobody)
    moved = (np.abs(found - alone) > 1e-3).any(axis=1)
    assert np.array_equal(moved, (OBSERVED["morphology"] | OBSERVED["expression"])[TEST])


def test_what_is_borrowed_tells_nothing_more_of_the_state(
    structure: Inputs, context: FitContext
) -> None:
    def change(values: dict[str, Any]) -> None:
        values["morphology"][TRAIN] *= -1

    before = read(with_cells(structure), context)
    after = read(with_cells(structure, change=change), context)
    np.testing.assert_array_equal(after["state"], before["state"])
    borrowed = before["borrowed"]["morphology"]
    assert (after["morphology"][borrowed] != before["morphology"][borrowed]).any(axis=1).all()


def test_a_modality_the_dataset_lacks_is_observed_in_nobody(
    structure: Inputs, context: FitContext, network: ChmrNetwork
) -> None:
    inputs = with_cells(structure)
    x = {name: standardised(network, inputs, name) for name in OBSERVED}
    blocks = {name: block for name, block in inputs.blocks.items() if name != "morphology"}
    lacking = Inputs(SMILES, blocks)
    found = CellReader(lacking.take(TRAIN), CONFIG, context).read(
        lacking.take(TEST), READOUTS[TEST]
    )
    assert found["cells"].shape == (len(TEST), H + 2)
    observed = {**OBSERVED, "morphology": np.zeros(64, dtype=bool)}
    expected = state_of(network, x, observed)
    np.testing.assert_allclose(found["state"], expected, rtol=1e-4, atol=1e-5)


def test_weights_that_know_no_state(
    structure: Inputs, context: FitContext, encoder: Callable[..., Path]
) -> None:
    context = replace(context, weights=encoder(CONFIG, *CELLS))
    inputs = with_cells(structure)
    found = CellReader(inputs, CONFIG, context).read(inputs, READOUTS)
    assert list(found) == ["cells"]
    model = Chmr(CONFIG.model_copy(update={"heads": ("cells",)}))
    y = np.arange(64.0)[:, None] % 2
    with pytest.raises(DataError, match=r"heads \['cells'\] find nothing to read"):
        model.fit(inputs, y, inputs, y, context)
    model = Chmr(CONFIG.model_copy(update={"heads": ("bits", "cells"), "head_inputs": ("bits",)}))
    with pytest.raises(DataError, match="these weights hold no cell state"):
        model.fit(inputs, y, inputs, y, context)


# ------------------------------------------------------------------------------------------- model


@pytest.mark.parametrize("head", ["network", "cells"])
def test_a_prediction_follows_the_molecule_s_own_cells(
    structure: Inputs, context: FitContext, head: Any
) -> None:
    changed = TEST[0] + np.flatnonzero(OBSERVED["morphology"][TEST])[:3]

    def change(values: dict[str, Any]) -> None:
        values["morphology"][changed] *= np.arange(-2.0, 3.0)

    inputs, other = with_cells(structure), with_cells(structure, change=change)
    y = np.nan_to_num(np.asarray(inputs.matrix("expression").values)[:, :1])
    context = replace(context, tasks=TaskInfo("regression", ("a",), "mae"))
    model = Chmr(CONFIG.model_copy(update={"heads": (head,)}))
    model.fit(inputs.take(TRAIN), y[TRAIN], inputs.take(TEST), y[TEST], context)
    moved = (model.predict(inputs) != model.predict(other)).squeeze(1)
    assert np.flatnonzero(moved).tolist() == changed.tolist()


def test_read_outs_the_weights_do_not_know(structure: Inputs, context: FitContext) -> None:
    with pytest.raises(DataError, match=r"none is common to both"):
        CellReader(structure, CONFIG, context)
    narrow = dict(structure.blocks)
    narrow["morphology"] = MatrixBlock(np.zeros((64, 3)), np.ones(64, dtype=bool))
    with pytest.raises(DataError, match=r"has the read-outs \{'morphology': 3\}"):
        CellReader(Inputs(SMILES, narrow), CONFIG, context)
    with pytest.raises(DataError, match="there are none"):
        CellReader(with_cells(structure), CONFIG, replace(context, weights=None))


def test_where_every_read_out_is_hidden_structure_alone_is_read(
    structure: Inputs, context: FitContext
) -> None:
    inputs = with_cells(structure)
    hidden = {
        name: replace(block, observed=np.zeros(len(inputs), dtype=bool))
        if name in ("morphology", "expression")
        else block
        for name, block in inputs.blocks.items()
    }
    reader = CellReader(Inputs(inputs.smiles, hidden, inputs.keys), CONFIG, context)
    readouts = np.zeros((len(inputs), sum(c.d for c in reader.network.shape.cells)), np.float32)
    found = reader.read(inputs, readouts)
    assert found["cells"].shape[0] == len(inputs)  # the weights still know them
    lone = {**structure.blocks, "morphology": MatrixBlock(np.zeros((64, 3)), np.zeros(64, bool))}
    nobody = CellReader(Inputs(SMILES, lone), CONFIG, context)
    assert nobody.names == []
    assert "cells" not in nobody.read(Inputs(SMILES, lone), None)

"""From an atlas to what is learnt: scales, second views, walks, and who is held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench import MatrixBlock
from chmr_bench.cells.atlas import Bound
from chmr_bench.contracts import HeldRows
from chmr_bench.errors import DataError, UnknownNameError
from chmr_bench.features.profiles import CLIP
from chmr_bench.features.tanimoto import nearest
from chmr_bench.nn.pretraining import features
from chmr_bench.nn.pretraining.material import cell_blocks, check_readouts
from chmr_bench.nn.pretraining.seeding import generator, held_out, number
from chmr_bench.nn.pretraining.values import min_max, shuffled, standardised
from chmr_bench_chmr.pretraining import material as materials
from chmr_bench_chmr.pretraining.batches import Batcher
from chmr_bench_chmr.pretraining.filling import fill
from chmr_bench_chmr.pretraining.material import Material

CPU = torch.device("cpu")


@pytest.fixture
def prepare(tiny: Any, home: Path, tmp_path: Path) -> Any:
    def prepared(**changes: Any) -> Material:
        return materials.prepare(
            tiny.atlas(), tiny.config(**changes), tiny.request(tmp_path), seed=0
        )

    return prepared


# ------------------------------------------------------------------------------------------ scales


def test_columns_are_standardised_over_observed_rows() -> None:
    values = np.array([[1.0, 5, 0], [3, 5, np.nan], [np.nan, np.nan, np.nan], [5, 5, 4]])
    observed = np.array([True, True, False, True])
    made = standardised(MatrixBlock(values, observed))
    np.testing.assert_allclose(made.mean, [3, 5, 2])
    np.testing.assert_allclose(made.sd, [np.sqrt(8 / 3), 1, 2])
    np.testing.assert_allclose(made.x[:, 0], np.array([-2, 0, 0, 2]) / np.sqrt(8 / 3), rtol=1e-6)
    np.testing.assert_array_equal(made.x[:, 1], 0)  # without spread: the mean
    np.testing.assert_array_equal(made.x[1, 2], 0)  # a missing entry: the mean
    assert not made.binary


@pytest.mark.parametrize("scaled", [standardised, min_max])
def test_where_numbers_are_censored_is_scaled_with_them(scaled: Any) -> None:
    values = np.array([[4.0, 7], [4, 4], [9, 5], [2, np.nan]], dtype=np.float32)
    block = MatrixBlock(values, np.isfinite(values))
    made = scaled(block, Bound(4.0, below=True))
    at, below = made.bounds
    assert below
    assert (made.targets(np.arange(4)) == at).tolist() == (values == 4).tolist()
    assert scaled(block).bounds is None


def test_a_batch_says_where_numbers_are_censored(tiny: Any, home: Path, tmp_path: Path) -> None:
    atlas = replace(tiny.atlas(), censored={"morphology": Bound(0.0, below=False)})
    made = materials.prepare(atlas, tiny.config(), tiny.request(tmp_path), seed=0)
    batcher = Batcher(made, tiny.config(), torch.device("cpu"))
    batch = batcher.batch(np.arange(4), np.random.default_rng(0))
    assert list(batch.bounds) == ["morphology"]
    bounds = made.cells["morphology"].bounds
    assert bounds is not None
    assert batch.bounds["morphology"].at.tolist() == bounds[0].tolist()
    assert not batch.bounds["morphology"].below
    assert batch.walks["morphology"].bounds is batch.bounds["morphology"]
    assert batch.walks["molecule"].bounds is None


def test_bits_stay_bits_and_outliers_are_clipped() -> None:
    bits = np.array([[0.0, 1], [1, 1], [np.nan, np.nan]])
    made = standardised(MatrixBlock(bits, np.array([True, True, False])))
    assert made.binary
    np.testing.assert_array_equal(made.x, [[0, 1], [1, 1], [0, 0]])
    far = np.zeros((1000, 1))
    far[0] = 1e6
    assert standardised(MatrixBlock(far, np.ones(1000, dtype=bool))).x.max() == CLIP


def test_a_block_nobody_has() -> None:
    made = standardised(MatrixBlock(np.full((3, 2), np.nan), np.zeros(3, dtype=bool)))
    assert np.isfinite(made.x).all()
    assert (made.sd == 1).all()


# ------------------------------------------------------------------------------------------- cells


def test_the_settings_choose_the_cells(tiny: Any) -> None:
    atlas = tiny.atlas()
    chosen = {c: list(cell_blocks(atlas, tiny.config(cells=c), 0)) for c in (None, ())}
    assert chosen == {None: ["morphology", "expression", "perturbation"], (): []}
    assert list(cell_blocks(atlas, tiny.config(cells=("expression",)), 0)) == ["expression"]
    with pytest.raises(UnknownNameError, match="did you mean 'morphology'"):
        cell_blocks(atlas, tiny.config(cells=("morfology",)), 0)


def test_a_modality_chooses_all_its_sources(tiny: Any) -> None:
    atlas = tiny.atlas()
    blocks = {f"{name}.here": block for name, block in atlas.blocks.items()}
    renamed = type(atlas)(atlas.name, atlas.smiles, atlas.keys, blocks)
    config = tiny.config(cells=("morphology", "expression.here"))
    assert list(cell_blocks(renamed, config, 0)) == ["morphology.here", "expression.here"]


@pytest.mark.parametrize("scaled", [standardised, min_max])
def test_rows_that_are_held_are_scaled_like_all_laid_out(scaled: Any) -> None:
    rng = np.random.default_rng(1)
    held = HeldRows(np.array([2, 5, 6]), rng.normal(size=(3, 4)), 9)
    observed = np.isin(np.arange(9), held.rows)
    made = scaled(MatrixBlock(held, observed))
    expected = scaled(MatrixBlock(np.asarray(held), observed))
    assert isinstance(made.x, HeldRows)
    np.testing.assert_array_equal(made.profiles, expected.profiles)
    np.testing.assert_array_equal(made.targets(held.rows), expected.targets(held.rows))
    mixed = [
        shuffled(MatrixBlock(values, observed), np.random.default_rng(0))
        for values in (held, np.asarray(held))
    ]
    np.testing.assert_array_equal(mixed[0].dense(), mixed[1].dense())


def test_shuffled_rows_all_belong_to_another(tiny: Any) -> None:
    block = tiny.atlas().blocks["morphology"]
    mixed = shuffled(block, np.random.default_rng(0))
    rows = np.flatnonzero(block.observed)
    before, after = np.asarray(block.values)[rows], np.asarray(mixed.values)[rows]
    assert (before != after).any(axis=1).all()
    np.testing.assert_array_equal(np.sort(before[:, 0]), np.sort(after[:, 0]))
    np.testing.assert_array_equal(mixed.observed, block.observed)
    config = tiny.config(shuffle_cells=True)
    first = cell_blocks(tiny.atlas(), config, 0)["morphology"]
    again = cell_blocks(tiny.atlas(), config, 0)["morphology"]
    np.testing.assert_array_equal(first.values, again.values)


# ------------------------------------------------------------------------------------ second views


def views(tiny: Any, prepare: Any, **changes: Any) -> tuple[Material, Any]:
    made = prepare(**changes)
    near = nearest(made.bits[:, :128], 4)
    return made, fill(made.cells, near, tiny.config(**changes), 0)["morphology"]


def test_the_second_view_is_what_the_neighbours_say(tiny: Any, prepare: Any) -> None:
    made, view = views(tiny, prepare, fill="neighbour")
    own, near = made.cells["morphology"], nearest(made.bits[:, :128], 4)
    for i in range(len(made)):
        there = [j for j in near.rows[i] if j >= 0 and own.observed[j]]
        weights = [s for s, j in zip(near.similarity[i], near.rows[i], strict=True) if j in there]
        if there:
            expected = np.average(own.x[there], axis=0, weights=weights)
            np.testing.assert_allclose(view.x[i], expected, rtol=1e-4, atol=1e-5)
        else:
            assert np.isnan(view.x[i]).all()
            assert not view.reached[i]


def test_more_steps_reach_further(tiny: Any, prepare: Any) -> None:
    _, one = views(tiny, prepare, propagation_steps=1)
    made, five = views(tiny, prepare, propagation_steps=5)
    assert five.reached.sum() >= one.reached.sum()
    rows = made.cells["morphology"].observed & five.reached
    assert not np.allclose(five.x[rows], made.cells["morphology"].x[rows])


def test_as_published_puts_observed_rows_back(tiny: Any, prepare: Any) -> None:
    made, view = views(tiny, prepare, as_published=True)
    own = made.cells["morphology"]
    np.testing.assert_array_equal(view.x[own.observed], own.x[own.observed])


def test_zeros_and_noise(tiny: Any, prepare: Any) -> None:
    _, zeros = views(tiny, prepare, fill="zero")
    assert not zeros.x.any()
    made, noise = views(tiny, prepare, fill="random")
    assert noise.x.std() == pytest.approx(1, abs=0.1)
    bits = fill(made.cells, nearest(made.bits, 1), tiny.config(fill="random"), 0)["perturbation"]
    assert set(np.unique(bits.x)) == {0, 1}


# ----------------------------------------------------------------------------------------- batches


def test_a_batch_holds_its_molecules(tiny: Any, prepare: Any) -> None:
    made = prepare()
    rows = np.array([5, 0, 63])
    batch = Batcher(made, tiny.config(), CPU).batch(rows, generator(0))
    assert len(batch) == len(batch.graph) == 3
    np.testing.assert_array_equal(batch.fingerprint.numpy(), made.bits[rows].toarray())
    assert batch.fingerprint.shape[1] == 128 + 167
    assert batch.geometry is None
    for name in made.cells:
        np.testing.assert_array_equal(batch.cells[name].numpy(), made.cells[name].x[rows])
        np.testing.assert_array_equal(batch.observed[name], made.cells[name].observed[rows])
        np.testing.assert_array_equal(batch.augmented[name].numpy(), made.filled[name].x[rows])


def test_walk_targets_are_what_was_met(tiny: Any, prepare: Any) -> None:
    from chmr_bench.cells.walks import walk

    made = prepare()
    rows = np.arange(0, 64, 3)
    targets = Batcher(made, tiny.config(), CPU).batch(rows, generator(7)).walks
    met = walk(made.links, rows, 4, generator(7))
    mean, total = np.zeros((len(rows), made.bits.shape[1])), np.zeros(len(rows))
    own = made.cells["morphology"]
    profiles = [(i, 1.0, own.x[row]) for i, row in enumerate(rows) if own.observed[row]]
    n_own = len(profiles)
    for i, (nodes, weights) in enumerate(zip(met.nodes, met.weight, strict=True)):
        for node, weight in zip(nodes, weights, strict=True):
            kind = made.links.kinds[made.links.kind[node]]
            row = int(made.links.row[node])
            if kind == "molecule":
                mean[i] += weight * made.bits[[row]].toarray()[0]
                total[i] += weight
            elif kind == "morphology" and weight > 0:
                profiles.append((i, weight, made.cells[kind].x[row]))
    np.testing.assert_allclose(targets["molecule"].weight, total, rtol=1e-5)
    np.testing.assert_allclose(targets["molecule"].target, mean / total[:, None], rtol=1e-5)
    found = targets["morphology"]
    assert found.molecule.tolist() == [i for i, _, _ in profiles]
    np.testing.assert_allclose(found.weight, [w for _, w, _ in profiles], rtol=1e-6)
    np.testing.assert_array_equal(found.target, np.array([x for _, _, x in profiles]))
    assert len(profiles) > n_own > 0


def test_no_walk_brings_home_what_is_held_out(tiny: Any, prepare: Any) -> None:
    made = prepare()
    hidden = np.arange(64) % 2 == 0
    batch = Batcher(made, tiny.config(), CPU, hidden).batch(np.flatnonzero(~hidden), generator(3))
    for name, values in made.cells.items():
        told = {x.tobytes() for x in batch.walks[name].target.numpy()}
        secret = {x.tobytes() for x in values.x[hidden & values.observed]}
        known = {x.tobytes() for x in values.x[~hidden & values.observed]}
        assert told <= known
        assert values.binary or not told & secret


def test_without_a_walk_the_molecule_gives_its_own(tiny: Any, prepare: Any) -> None:
    made = prepare(walk=False)
    assert made.links is None
    rows = np.arange(10, 20)
    targets = Batcher(made, tiny.config(walk=False), CPU).batch(rows, generator(0)).walks
    np.testing.assert_array_equal(targets["molecule"].target, made.bits[rows].toarray())
    own = made.cells["expression"]
    there = np.flatnonzero(own.observed[rows])
    assert targets["expression"].molecule.tolist() == there.tolist()
    np.testing.assert_array_equal(targets["expression"].target, own.x[rows[there]])


# -------------------------------------------------------------------------------------------- rest


def test_held_out_molecules_are_drawn_by_the_seed() -> None:
    train, valid = held_out(1000, 0)
    assert len(valid) == 50
    np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.arange(1000))
    assert not np.array_equal(valid, held_out(1000, 1)[1])
    assert len(held_out(64, 0)[1]) == 0  # too few to say anything


def test_every_purpose_has_its_own_chance() -> None:
    drawn = {number(s, *n) for s in (0, 1) for n in (("a",), ("b",), ("a", 1), ("a", 11))}
    assert len(drawn) == 8
    assert number(0, "a", 1, 1) != number(0, "a", 11)


def test_an_untrained_encoder_needs_no_graph(prepare: Any) -> None:
    made = prepare(encoder="random")
    assert made.links is None
    assert not made.filled


def readouts(tiny: Any, values: Any, observed: bool = True) -> Any:
    """Return the tiny atlas with these read-outs alone."""
    there = np.full(64, observed)
    return replace(tiny.atlas(), blocks={"morphology": MatrixBlock(values, there)})


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (np.full((64, 3), np.nan), "'morphology' is not finite in any molecule"),
        (np.full((64, 3), -np.inf), "'morphology' is not finite in any molecule"),
        (np.zeros((64, 0)), "'morphology' has no column"),
    ],
)
def test_read_outs_that_say_nothing_are_refused(tiny: Any, values: Any, what: str) -> None:
    """Else structure alone would be learnt, and called what the cells taught."""
    atlas = readouts(tiny, values)
    for masked in (False, True):
        with pytest.raises(DataError, match=what):
            check_readouts(atlas, tiny.config(), masked=masked)
    check_readouts(atlas, tiny.config(cells=()), masked=False)  # nobody asked for cells


def test_an_atlas_without_read_outs_is_refused_unless_they_were_masked(tiny: Any) -> None:
    nowhere = readouts(tiny, np.full((64, 3), np.nan), observed=False)
    for atlas in (nowhere, replace(nowhere, blocks={})):
        with pytest.raises(DataError, match="'tiny' has no cell read-outs to learn from"):
            check_readouts(atlas, tiny.config(), masked=False)
    check_readouts(nowhere, tiny.config(), masked=True)
    check_readouts(tiny.atlas(), tiny.config(), masked=False)


def test_an_atlas_without_molecules(tiny: Any, home: Path, tmp_path: Path) -> None:
    empty = tiny.atlas().take(np.zeros(0, dtype=np.int64))
    with pytest.raises(DataError, match="0 molecules left"):
        materials.prepare(empty, tiny.config(), tiny.request(tmp_path), 0)


def test_features_are_computed_part_by_part(
    tiny: Any, prepare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare()
    monkeypatch.setattr(features, "PART", 10)
    parts = prepare()
    np.testing.assert_array_equal(whole.bits.toarray(), parts.bits.toarray())
    np.testing.assert_array_equal(whole.graph.edges, parts.graph.edges)
    np.testing.assert_array_equal(whole.graph.atom_offsets, parts.graph.atom_offsets)

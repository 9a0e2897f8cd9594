"""What a run's model may see of each part where something is hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chmr_bench.ablation.missing import Fill, Missing, Stage
from chmr_bench.contracts import FeatureRequest, Inputs, MatrixBlock, Split
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.plugins import registry
from chmr_bench.runner import DatasetRequest, Datasets, LoadedDataset, SplitRequest
from chmr_bench.runner.masking import SplitInputs, split_inputs

pytestmark = pytest.mark.usefixtures("quick")


class Case:
    """A dataset of 200 molecules with two read-outs, its split, and what a reader is given."""

    def __init__(self) -> None:
        self.datasets = Datasets(FetchOptions(offline=True), n_jobs=1)
        self.data: LoadedDataset = self.datasets.load(DatasetRequest(name="quick-cells"))
        self.split: Split = self.data.split(SplitRequest("random", 0))
        spec = registry().model("quick.reader").spec
        needs = {"morgan": FeatureRequest("morgan")}
        self.inputs: Inputs = self.data.inputs(spec, needs)

    def seen(self, missing: Missing | None) -> SplitInputs:
        return split_inputs(self.inputs, self.split, missing, self.data)


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {}


@pytest.fixture
def case(cases: dict[str, Case], quick: Any) -> Case:
    if not cases:
        cases["one"] = Case()
    return cases["one"]


def n_observed(inputs: Inputs, name: str = "size") -> int:
    return int(inputs.matrix(name).observed.sum())


def test_nothing_hidden_is_the_plain_inputs(case: Case) -> None:
    for missing in (None, Missing(0.5, ("pretrain",))):
        seen = case.seen(missing)
        assert seen.masked is None
        plain = case.inputs.take(case.split.test).matrix("size")
        np.testing.assert_array_equal(seen.test.matrix("size").values, plain.values)


@pytest.mark.parametrize(
    ("stages", "whole", "less"),
    [(("test",), ("train", "valid"), ("test",)), (("finetune",), ("test",), ("train", "valid"))],
)
def test_a_stage_is_hidden_from_its_own_parts(
    case: Case, stages: tuple[Stage, ...], whole: tuple[str, ...], less: tuple[str, ...]
) -> None:
    plain, seen = case.seen(None), case.seen(Missing(0.5, stages))
    for part in whole:
        assert n_observed(getattr(seen, part)) == n_observed(getattr(plain, part))
    for part in less:
        assert 0 < n_observed(getattr(seen, part)) < n_observed(getattr(plain, part))
    assert seen.masked is not None
    for part in ("train", "valid", "test"):
        told = seen.masked[part]["size"]
        assert told["observed"] - told["hidden"] == n_observed(getattr(seen, part))
        assert told["filled"] == 0


def test_features_of_the_structure_are_never_hidden(case: Case) -> None:
    plain, seen = case.seen(None), case.seen(Missing(1.0))
    for part in ("train", "valid", "test"):
        found, was = (getattr(s, part).matrix("morgan") for s in (seen, plain))
        assert found.observed.all()
        assert (found.values != was.values).nnz == 0
        assert n_observed(getattr(seen, part)) == 0
        assert n_observed(getattr(seen, part), "mass") == 0


def test_what_a_model_can_do_without_is_hidden_where_it_is_named(case: Case) -> None:
    """The share is the definition's; what stays is as it was, and its cells are let alone."""
    missing = Missing(0.5, ("test",), modalities=("morgan",))
    blind = split_inputs(case.inputs, case.split, missing, case.data)
    assert blind.test.matrix("morgan").observed.all()
    seen = split_inputs(case.inputs, case.split, missing, case.data, views=("morgan",))
    assert seen.train.matrix("morgan").observed.all()
    plain, bits = case.inputs.take(case.split.test).matrix("morgan"), seen.test.matrix("morgan")
    assert 0.3 < bits.observed.mean() < 0.7
    np.testing.assert_array_equal(np.asarray(bits.values.sum(axis=1) > 0), bits.observed)
    left = np.flatnonzero(bits.observed)
    assert (bits.values[left] != plain.values[left]).nnz == 0
    assert seen.masked is not None
    assert seen.masked["test"]["morgan"]["hidden"] == (~bits.observed).sum()
    assert n_observed(seen.test) == n_observed(case.seen(None).test)
    everything = Missing(1.0, ("test",))
    seen = split_inputs(case.inputs, case.split, everything, case.data, views=("morgan",))
    assert seen.test.matrix("morgan").observed.all()


@pytest.mark.parametrize("fill", ["zero", "mean", "neighbour", "propagation"])
def test_holes_are_filled_by_training_molecules(case: Case, fill: Fill) -> None:
    plain, seen = case.seen(None), case.seen(Missing(0.5, ("test",), fill=fill))
    before, after = plain.test.matrix("size"), seen.test.matrix("size")
    assert (after.observed == before.observed).all()  # what nature lacks stays missing
    assert seen.masked is not None
    told = seen.masked["test"]["size"]
    assert told["filled"] == told["hidden"] > 0
    changed = (after.values != before.values)[before.observed].any(axis=1)
    assert changed.sum() == told["hidden"]
    if fill == "mean":
        train = plain.train.matrix("size")
        given = after.values[before.observed][changed]
        np.testing.assert_allclose(
            given, np.tile(train.values[train.observed].mean(0), (len(given), 1))
        )


def test_who_is_hidden_does_not_depend_on_the_part(case: Case) -> None:
    world, test = case.seen(Missing(0.5)), case.seen(Missing(0.5, ("test",)))
    first, second = (s.test.matrix("mass") for s in (world, test))
    assert (first.observed == second.observed).all()


def test_a_model_that_reads_no_cells_is_given_the_same(case: Case) -> None:
    spec = registry().model("quick.noise").spec
    inputs = case.data.inputs(spec, {})
    seen = split_inputs(inputs, case.split, Missing(1.0), case.data)
    assert seen.masked is None
    assert seen.test.blocks == {}


def test_scaffolds_and_shuffling_reach_the_parts(case: Case) -> None:
    families = case.seen(Missing(0.5, mechanism="scaffold"))
    assert 0 < n_observed(families.train) < n_observed(case.seen(None).train)
    control = case.seen(Missing(0.0, shuffled=True)).test.matrix("size")
    plain: MatrixBlock = case.seen(None).test.matrix("size")
    assert (control.observed == plain.observed).all()
    assert not np.array_equal(control.values, plain.values, equal_nan=True)

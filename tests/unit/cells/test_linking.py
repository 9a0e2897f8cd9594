"""A molecule's own profile: found by its connectivity or its neutral parent's, and counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from chmr_bench.cells import Atlas
from chmr_bench.cells.atlas import Forms
from chmr_bench.cells.linking import OwnProfiles, link, together
from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.groups import MoleculeKeys

NAN = float("nan")
MOLECULES = MoleculeKeys(("SALT", "ACID", "", "ELSE", "NEW"), ("ACID", "ACID", "", "ELSE", "NEW"))


def block(*rows: list[float], names: tuple[str, ...] = ()) -> MatrixBlock:
    values = np.array(rows, dtype=np.float32)
    return MatrixBlock(values, np.isfinite(values).any(axis=1), names)


def in_part(*rows: list[float]) -> MatrixBlock:
    values = np.array(rows, dtype=np.float32)
    return MatrixBlock(values, np.isfinite(values))


def atlas(name: str = "one", **blocks: MatrixBlock) -> Atlas:
    """Return the acid, its ester, and another molecule."""
    names = ("ACID", "ESTER", "ELSE")
    forms = Forms(MoleculeKeys(names, names), np.arange(3))
    return Atlas(name, ("O", "OC", "N"), names, blocks, forms=forms)


def linked(made: Atlas, parents: tuple[str, ...] = ()) -> OwnProfiles:
    if parents:
        forms = Forms(MoleculeKeys(made.keys, parents), np.arange(3))
        made = dataclasses.replace(made, forms=forms)
    return link(made, MOLECULES)


def test_a_salt_has_the_profile_of_its_acid_and_nobody_that_of_a_stranger() -> None:
    found = linked(atlas(growth=block([1.0], [2.0], [3.0])))
    full = found.full()["growth"]
    np.testing.assert_array_equal(np.asarray(full.values)[:, 0], [1, 1, NAN, 3, NAN])
    assert full.observed.tolist() == found.observed.tolist() == [True, True, False, True, False]
    assert found.conflicts == 0


def test_molecules_without_a_key_are_linked_to_nothing() -> None:
    bare = Atlas("bare", ("O",), ("X",), {"growth": block([1.0])})
    found = link(bare, MoleculeKeys(("", "X"), ("", "")))
    assert found.observed.tolist() == [False, True]


def test_two_forms_of_one_molecule_in_an_atlas_are_joined_and_what_differs_is_counted() -> None:
    parents = ("ACID", "ACID", "ELSE")
    full = linked(atlas(growth=block([1.0], [2.0], [3.0])), parents)
    assert np.asarray(full.full()["growth"].values)[:2, 0].tolist() == [1.0, 1.0]  # the first
    assert full.conflicts == 1
    part = linked(atlas(growth=in_part([1.0, 5.0], [2.0, NAN], [3.0, NAN])), parents)
    assert np.asarray(part.full()["growth"].values)[0].tolist() == [1.5, 5.0]  # the mean
    assert part.conflicts == 1


def test_a_profile_measured_in_part_stays_so() -> None:
    found = linked(atlas(growth=in_part([1.0, NAN], [2.0, 2.0], [3.0, 4.0]))).full()["growth"]
    assert found.observed.tolist() == [
        [True, False],
        [True, False],
        [False, False],
        [True, True],
        [False, False],
    ]


def test_a_block_that_nobody_has_is_none() -> None:
    found = linked(atlas(growth=block([NAN], [2.0], [NAN]), fitness=block([1.0], [1.0], [1.0])))
    assert list(found.blocks) == ["fitness"]
    nothing = link(atlas(growth=block([1.0], [1.0], [1.0])), MoleculeKeys(("Z",), ("Z",)))
    assert not nothing.blocks
    assert not nothing.observed.any()


def test_the_digest_is_of_what_a_model_may_see() -> None:
    first = linked(atlas(growth=block([1.0], [2.0], [3.0])))
    other_ester = linked(atlas(growth=block([1.0], [9.0], [3.0])))  # nobody's
    other_acid = linked(atlas(growth=block([7.0], [2.0], [3.0])))
    assert first.digest == other_ester.digest != other_acid.digest
    elsewhere = dataclasses.replace(first, rows={"growth": np.array([0, 1, 4])})
    assert elsewhere.digest != first.digest


def test_atlases_that_contradict_each_other_are_counted() -> None:
    first = linked(atlas("a", growth=block([1.0], [2.0], [3.0])))
    second = linked(atlas("b", growth=block([5.0], [2.0], [3.0])))
    blocks, conflicts = together([first, second])
    assert np.asarray(blocks["growth"].values)[:2, 0].tolist() == [1.0, 1.0]
    assert conflicts == 2  # the salt and the acid


@pytest.mark.parametrize(("width", "names"), [(1, ["growth"]), (2, ["growth.a", "growth.b"])])
def test_blocks_of_one_name_are_one_only_with_the_same_columns(
    width: int, names: list[str]
) -> None:
    first = linked(atlas("a", growth=block([1.0], [2.0], [3.0])))
    second = linked(atlas("b", growth=block(*([[1.0] * width] * 3))))
    blocks, _ = together([first, second])
    assert sorted(blocks) == names
    assert all(isinstance(block.values, np.ndarray) for block in blocks.values())

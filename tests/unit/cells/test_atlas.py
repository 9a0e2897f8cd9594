"""Atlas: one row a connectivity, a digest of all content, rows taken and left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chmr_bench import DataError, MatrixBlock
from chmr_bench.cells import Atlas, Genes
from chmr_bench.cells.atlas import Forms
from chmr_bench.contracts import modality_of
from chmr_bench.features.groups import MoleculeKeys


def block(*rows: list[float] | None, names: tuple[str, ...] = ()) -> MatrixBlock:
    """Return a block; None stands for a row that is not observed."""
    width = next(len(row) for row in rows if row is not None)
    values = [row if row is not None else [np.nan] * width for row in rows]
    return MatrixBlock(np.array(values), np.array([row is not None for row in rows]), names)


GENES = Genes(
    names=("10", "20"),
    blocks={"orf": block([1.0], None)},
    edges=np.array([[0], [1]]),
    weights=np.ones(1, dtype=np.float32),
    columns={"g": 1},
)
ATLAS = Atlas(
    name="toy",
    smiles=("C", "CC", "CCC"),
    keys=("A", "B", "C"),
    blocks={
        "expression": block([1.0], None, [3.0], names=("g",)),
        "morphology.x": block([1, 2], [3, 4], None),
    },
    genes=GENES,
    counts={"rows": 3},
)


def test_take_keeps_rows_together_and_genes_whole() -> None:
    taken = ATLAS.take(np.array([2, 0]))
    assert (taken.smiles, taken.keys) == (("CCC", "C"), ("C", "A"))
    assert taken.blocks["expression"].values.tolist() == [[3.0], [1.0]]
    assert taken.blocks["morphology.x"].observed.tolist() == [False, True]
    assert taken.genes is GENES


def test_without_leaves_out_connectivities_and_nothing_else() -> None:
    assert ATLAS.without(own_keys("B", "unknown")).keys == ("A", "C")
    assert ATLAS.without(own_keys("A", "B", "C")).keys == ()
    assert ATLAS.without(own_keys()) is ATLAS


def own_keys(*keys: str) -> MoleculeKeys:
    return MoleculeKeys(keys, ("",) * len(keys))


def test_a_molecule_leaves_in_each_of_its_forms_and_keeps_those_of_the_others() -> None:
    names = MoleculeKeys(("A", "A-SALT", "B", "C"), ("A", "A", "B-ACID", "C"))
    known = replace(ATLAS, forms=Forms(names, np.array([0, 0, 1, 2])))
    assert known.every_key == ("A", "A-SALT", "B", "B-ACID", "C")
    assert known.without(own_keys("A-SALT")).keys == ("B", "C")
    left = known.without(MoleculeKeys(("OTHER-SALT",), ("B-ACID",)))
    assert left.keys == ("A", "C")
    assert left.every_key == ("A", "A-SALT", "C")
    assert left.known_forms.rows.tolist() == [0, 0, 1]
    turned = known.take(np.array([2, 0]))
    assert turned.known_forms.rows.tolist() == [1, 1, 0]


def test_modalities_are_what_stands_before_the_dot() -> None:
    assert ATLAS.modalities == ("expression", "morphology")
    assert modality_of("morphology.bray") == modality_of("morphology") == "morphology"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": ("A", "B", "A")}, "repeated"),
        ({"keys": ("A", "", "C")}, "row 1 .* no connectivity key"),
        ({"keys": ("A", "B")}, "2 keys for 3 molecules"),
        ({"blocks": {"x": block([1.0])}}, "'x': 1 rows, expected 3"),
        ({"blocks": {"x": block([1.0], [1.0], [1.0], names=("a", "b"))}}, "2 column names for 1"),
        ({"blocks": {"x": MatrixBlock(np.ones(3), np.ones(3, dtype=bool))}}, "dense matrix"),
    ],
)
def test_what_is_no_atlas_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(ATLAS, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("10", "10")}, "repeated"),
        ({"edges": np.array([[0], [2]])}, "names gene 2 of 2"),
        ({"edges": np.array([[0], [-1]])}, "names gene"),
        ({"columns": {"g": 5}}, "names gene 5 of 2"),
        ({"weights": np.ones(3)}, "for 3 weights"),
        ({"blocks": {"orf": block([1.0])}}, "1 rows, expected 2"),
    ],
)
def test_what_are_no_genes_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(GENES, **changes)


def other_content() -> dict[str, Atlas]:
    values = np.array([[1.0], [np.nan], [3.5]])
    expression = ATLAS.blocks["expression"]
    rest = {"morphology.x": ATLAS.blocks["morphology.x"]}
    seen = block([1.0], [np.nan], [3.0], names=("g",))
    weights = np.full(1, 0.5, dtype=np.float32)
    return {
        "smiles": replace(ATLAS, smiles=("C", "CC", "OCC")),
        "keys": replace(ATLAS, keys=("A", "B", "D")),
        "value": replace(ATLAS, blocks=rest | {"expression": replace(expression, values=values)}),
        "observed": replace(ATLAS, blocks=rest | {"expression": seen}),
        "column": replace(ATLAS, blocks=rest | {"expression": replace(expression, names=("h",))}),
        "block name": replace(ATLAS, blocks=rest | {"activity": expression}),
        "no genes": replace(ATLAS, genes=None),
        "gene block": replace(ATLAS, genes=replace(GENES, blocks={})),
        "edge": replace(ATLAS, genes=replace(GENES, weights=weights)),
        "gene column": replace(ATLAS, genes=replace(GENES, columns={})),
    }


@pytest.mark.parametrize("what", sorted(other_content()))
def test_the_digest_covers(what: str) -> None:
    assert other_content()[what].digest() != ATLAS.digest()


def test_the_digest_is_of_content_alone() -> None:
    """Neither the name, nor the order of blocks, nor what stands where nothing is observed."""
    blocks = dict(reversed(ATLAS.blocks.items()))
    values = np.array([[1.0], [7.0], [3.0]])
    blocks["expression"] = replace(blocks["expression"], values=values)
    assert replace(ATLAS, name="other", blocks=blocks, counts={}).digest() == ATLAS.digest()

"""The built-in features, registered through the same door as a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chmr_bench import FeatureSpec, hookimpl

KEY_LENGTH = 14
"""The first block of an InChIKey is the hash of formula, connections and hydrogens."""
LEVELS = ("smiles", "parent", "scaffold")
"""What is hashed of a molecule, from the narrowest to the widest."""


def _feature(
    function: str, title: str, settings: Mapping[str, Any] | None = None, **more: Any
) -> FeatureSpec:
    """Return the feature that ``module:function`` of this package computes, called like it."""
    compute = f"chmr_bench.features.{function}"
    return FeatureSpec(function.partition(":")[2], title, compute, settings or {}, **more)


CONNECTIVITY = _feature(
    "identity:connectivity",
    "First 14 characters of the InChIKey, as ASCII codes (n, 14); unobserved where none",
)
NEUTRAL_PARENT = _feature(
    "identity:neutral_parent",
    "First 14 characters of the InChIKey of the neutral parent, as ASCII codes (n, 14)",
)
IDENTITY = FeatureSpec(
    name="identity",
    title="Hashes of the canonical SMILES, of the parent's and of its flat scaffold's (n, 48)",
    compute="chmr_bench.features.identity:levels",
)
"""Not registered: it says which rows are one molecule, and is nothing to learn from."""

FEATURES: tuple[FeatureSpec, ...] = (
    _feature(
        "fingerprints:morgan",
        "Morgan fingerprint, bits or counts",
        {"radius": 2, "n_bits": 2048, "counts": False, "chirality": False},
    ),
    _feature(
        "fingerprints:fcfp",
        "Morgan fingerprint of pharmacophoric atom classes (FCFP), bits or counts",
        {"radius": 2, "n_bits": 2048, "counts": False},
    ),
    _feature("fingerprints:maccs", "MACCS keys, 167 bits"),
    _feature(
        "fingerprints:rdkit",
        "RDKit path fingerprint, bits or counts",
        {"min_path": 1, "max_path": 7, "n_bits": 2048, "counts": False},
    ),
    _feature(
        "fingerprints:atom_pair",
        "Atom-pair fingerprint, bits or counts",
        {"n_bits": 2048, "max_distance": 30, "counts": False, "chirality": False},
    ),
    _feature(
        "fingerprints:torsion",
        "Topological-torsion fingerprint, bits or counts",
        {"n_bits": 2048, "counts": False, "chirality": False},
    ),
    _feature("fingerprints:avalon", "Avalon fingerprint", {"n_bits": 1024}),
    _feature(
        "descriptors:descriptors",
        "RDKit's 2D descriptors, all or those named, float32, unobserved where undefined",
        {"names": ""},
        version="2",
    ),
    _feature("graphs:graph", "Molecular graph: OGB's 9 atom and 3 bond features"),
    _feature(
        "conformers:geometry",
        "Shape of one ETKDGv3 conformer: 399 3D descriptors; unobserved where none embeds",
        {"hydrogens": False, "seed": 0},
    ),
    _feature(
        "conformers:conformer",
        "Heavy atoms of one ETKDGv3 conformer and their places; unobserved where none embeds",
        {"relaxed": False, "seed": 0},
    ),
    _feature(
        "drawings:image",
        "RDKit's drawing in grey, size x size pixels; unobserved where it cannot be drawn",
        {"size": 64},
    ),
    _feature(
        "unimol:unimol",
        "Uni-Mol's representation of one conformer, 512 numbers; needs the extra unimol",
        {"remove_hydrogens": False, "device": "cpu", "seed": 0},
        depends=("rdkit", "unimol_tools"),
    ),
    CONNECTIVITY,
    NEUTRAL_PARENT,
)


@hookimpl
def chmr_bench_features() -> tuple[FeatureSpec, ...]:
    """Return the features that come with chmr-bench."""
    return FEATURES

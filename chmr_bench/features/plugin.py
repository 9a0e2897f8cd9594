"""The built-in features, registered through the same door as a stranger's."""

from __future__ import annotations

from chmr_bench import FeatureSpec, hookimpl

_FINGERPRINTS = "chmr_bench.features.fingerprints"
_IDENTITY = "chmr_bench.features.identity"

KEY_LENGTH = 14
"""The first block of an InChIKey is the hash of formula, connections and hydrogens."""

CONNECTIVITY = FeatureSpec(
    name="connectivity",
    title="First 14 characters of the InChIKey, as ASCII codes (n, 14); unobserved where none",
    compute=f"{_IDENTITY}:connectivity",
)

NEUTRAL_PARENT = FeatureSpec(
    name="neutral_parent",
    title="First 14 characters of the InChIKey of the neutral parent, as ASCII codes (n, 14)",
    compute=f"{_IDENTITY}:neutral_parent",
)

LEVELS = ("smiles", "parent", "scaffold")
"""What is hashed of a molecule, from the narrowest to the widest."""

IDENTITY = FeatureSpec(
    name="identity",
    title="Hashes of the canonical SMILES, of the parent's and of its flat scaffold's (n, 48)",
    compute=f"{_IDENTITY}:levels",
)
"""Not registered: it says which rows are one molecule, and is nothing to learn from."""

FEATURES: tuple[FeatureSpec, ...] = (
    FeatureSpec(
        name="morgan",
        title="Morgan fingerprint, bits or counts",
        compute=f"{_FINGERPRINTS}:morgan",
        settings={"radius": 2, "n_bits": 2048, "counts": False, "chirality": False},
    ),
    FeatureSpec(
        name="fcfp",
        title="Morgan fingerprint of pharmacophoric atom classes (FCFP), bits or counts",
        compute=f"{_FINGERPRINTS}:fcfp",
        settings={"radius": 2, "n_bits": 2048, "counts": False},
    ),
    FeatureSpec(name="maccs", title="MACCS keys, 167 bits", compute=f"{_FINGERPRINTS}:maccs"),
    FeatureSpec(
        name="rdkit",
        title="RDKit path fingerprint, bits or counts",
        compute=f"{_FINGERPRINTS}:rdkit",
        settings={"min_path": 1, "max_path": 7, "n_bits": 2048, "counts": False},
    ),
    FeatureSpec(
        name="atom_pair",
        title="Atom-pair fingerprint, bits or counts",
        compute=f"{_FINGERPRINTS}:atom_pair",
        settings={"n_bits": 2048, "max_distance": 30, "counts": False, "chirality": False},
    ),
    FeatureSpec(
        name="torsion",
        title="Topological-torsion fingerprint, bits or counts",
        compute=f"{_FINGERPRINTS}:torsion",
        settings={"n_bits": 2048, "counts": False, "chirality": False},
    ),
    FeatureSpec(
        name="avalon",
        title="Avalon fingerprint",
        compute=f"{_FINGERPRINTS}:avalon",
        settings={"n_bits": 1024},
    ),
    FeatureSpec(
        name="descriptors",
        title="RDKit's 2D descriptors, all or those named, float32, unobserved where undefined",
        compute="chmr_bench.features.descriptors:descriptors",
        settings={"names": ""},
        version="2",
    ),
    FeatureSpec(
        name="graph",
        title="Molecular graph: OGB's 9 atom and 3 bond features",
        compute="chmr_bench.features.graphs:graph",
    ),
    FeatureSpec(
        name="geometry",
        title="Shape of one ETKDGv3 conformer: 399 3D descriptors; unobserved where none embeds",
        compute="chmr_bench.features.conformers:geometry",
        settings={"hydrogens": False, "seed": 0},
    ),
    FeatureSpec(
        name="conformer",
        title="Heavy atoms of one ETKDGv3 conformer and their places; unobserved where none embeds",
        compute="chmr_bench.features.conformers:conformer",
        settings={"relaxed": False, "seed": 0},
    ),
    FeatureSpec(
        name="image",
        title="RDKit's drawing in grey, size x size pixels; unobserved where it cannot be drawn",
        compute="chmr_bench.features.drawings:image",
        settings={"size": 64},
    ),
    FeatureSpec(
        name="unimol",
        title="Uni-Mol's representation of one conformer, 512 numbers; needs the extra unimol",
        compute="chmr_bench.features.unimol:unimol",
        settings={"remove_hydrogens": False, "device": "cpu", "seed": 0},
        depends=("rdkit", "unimol_tools"),
    ),
    CONNECTIVITY,
    NEUTRAL_PARENT,
)


@hookimpl
def chmr_bench_features() -> tuple[FeatureSpec, ...]:
    """Return the features that come with chmr-bench."""
    return FEATURES

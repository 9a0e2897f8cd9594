"""The shape of a molecule: descriptors of one conformer that RDKit makes, no download needed.

Stated fallback, in this order, the same for every molecule and on every machine:

1. one conformer by ETKDGv3 (Riniker and Landrum 2015; Wang et al. 2020) of the largest fragment;
2. where that fails within its bound, again from random coordinates;
3. where that fails too, from random coordinates without the demands on stereo centres and torsions
   (plain distance geometry);
4. where that fails too, or where there is no shape to speak of (fewer than three atoms) or too much
   of it (above `MAX_ATOMS`): the row is not observed. Its values are 0 and mean nothing.

No force field refines the conformer: it would cost ten times as much. Every bound counts
iterations, never seconds, so the same molecule gives the same numbers on a busy machine too.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.Chem import rdMolDescriptors as described
from scipy import sparse

from chmr_bench.contracts import MatrixBlock
from chmr_bench.errors import SettingError
from chmr_bench.features.molecules import parse_all
from chmr_bench.types import FloatArray

MIN_ATOMS = 3
"""Heavy atoms; USR is defined from three on."""
MAX_ATOMS = 250
"""Heavy atoms of the largest fragment; beyond, one embedding takes many seconds."""
ITERATIONS = (10, 5, 5)
"""Attempts of each step of the fallback."""
MAX_SEED = 2**31 - 1
DISTANCES = 30
"""RDKit's RDF has so many radii: 1.0 to 15.5 A, 0.5 A apart."""
ANGLES = 32
"""RDKit's 3D-MoRSE has so many scattering parameters: 0 to 31 per A."""
WEIGHTINGS = (
    "unit",
    "mass",
    "volume",
    "electronegativity",
    "polarisability",
    "ionisation",
    "state",
)
"""How RDKit weights atoms in RDF and 3D-MoRSE, in its order."""
KEPT_WEIGHTINGS = ("unit", "mass", "electronegativity", "state")
"""The others say nearly the same: volume and polarisability go with mass."""
LAGS = 10
AUTOCORRELATION_WEIGHTINGS = (*WEIGHTINGS, "radius")
USR_ATOMS = ("all", "hydrophobic", "aromatic", "acceptor", "donor")
USR_MOMENTS = tuple(
    f"{point}_{moment}"
    for point in ("centroid", "closest", "farthest", "farthest_from_farthest")
    for moment in ("mean", "deviation", "skew")
)
SHAPES: dict[str, Callable[[Chem.Mol], float]] = {
    "pmi1": described.CalcPMI1,
    "pmi2": described.CalcPMI2,
    "pmi3": described.CalcPMI3,
    "npr1": described.CalcNPR1,
    "npr2": described.CalcNPR2,
    "asphericity": described.CalcAsphericity,
    "eccentricity": described.CalcEccentricity,
    "inertial_shape": described.CalcInertialShapeFactor,
    "gyration": described.CalcRadiusOfGyration,
    "spherocity": described.CalcSpherocityIndex,
    "plane_of_best_fit": described.CalcPBF,
}
"""Moments of inertia, their ratios, and what follows from them (Todeschini and Consonni 2009)."""


def geometry(smiles: Sequence[str], hydrogens: bool = False, seed: int = 0) -> MatrixBlock:
    """Return descriptors of one conformer of each molecule, (n, 399) float32.

    Moments of inertia and shape (11), USRCAT (60), 3D autocorrelation (80), radial distribution
    (120) and 3D-MoRSE (128), the last two weighted by `KEPT_WEIGHTINGS`. All are unchanged by
    turning and moving the molecule. Every value x is stored as sign(x) ln(1 + |x|): moments of
    inertia reach 2e5 and MoRSE 1e5. What RDKit finds undefined (the spherocity of a straight line)
    is 0.

    Parameters
    ----------
    hydrogens : bool
        Embed with explicit hydrogens: 17 ms a drug-like molecule, without them 5.5 ms.
    seed : int
        Of the embedding, at least 0.

    Raises
    ------
    SettingError
        The seed is negative, which RDKit takes for "another one every time".

    Notes
    -----
    The fallback is stated at the top of this module; rows it gives up are not observed.
    """
    check_seed(seed)
    names = _names()
    block = described_block(smiles, lambda mol: _described(mol, hydrogens, seed), len(names))
    return replace(block, names=names)


def described_block(
    smiles: Sequence[str], describe: Callable[[Chem.Mol], FloatArray | None], d: int
) -> MatrixBlock:
    """Return what `describe` gives of each molecule, (n, d) float32; None = not observed."""
    values: Any = np.zeros((len(smiles), d), dtype=np.float32)
    observed = np.zeros(len(smiles), dtype=bool)
    for row, mol in enumerate(parse_all(smiles)):
        numbers = describe(mol)
        if numbers is not None:
            values[row], observed[row] = numbers, True
    return MatrixBlock(values=values, observed=observed)


def conformer(smiles: Sequence[str], relaxed: bool = False, seed: int = 0) -> MatrixBlock:
    """Return the heavy atoms of one conformer of each molecule, (n, 1000) float32, sparse.

    An atom is four columns: its atomic number, and its place x, y, z in Angstrom, the molecule's
    centre at 0. Atoms stand in RDKit's order from the first column on; behind the last one all is
    0, so that an atomic number of 0 says that there is no atom.

    Parameters
    ----------
    relaxed : bool
        Embed with explicit hydrogens and relax by MMFF94: some ten times as slow.
    seed : int
        Of the embedding, at least 0.

    Raises
    ------
    SettingError
        The seed is negative, which RDKit takes for "another one every time".

    Notes
    -----
    The fallback is stated at the top of this module; rows it gives up are not observed.

    Examples
    --------
    >>> atoms = conformer(["CCO"]).values.toarray().reshape(1, -1, 4)
    >>> atoms[0, :4, 0].tolist()
    [6.0, 6.0, 8.0, 0.0]
    """
    check_seed(seed)

    def describe(mol: Chem.Mol) -> FloatArray | None:
        shaped = relax(mol, seed) if relaxed else embed(mol, seed=seed)
        return None if shaped is None else _atoms(Chem.RemoveAllHs(shaped, sanitize=False))

    block = described_block(smiles, describe, 4 * MAX_ATOMS)
    return replace(block, values=sparse.csr_array(block.values))


def _atoms(mol: Chem.Mol) -> FloatArray:
    """Return atomic number and centred place of each atom, (4 x MAX_ATOMS,), zeros behind them."""
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    places = mol.GetConformer().GetPositions()  # (v, 3)
    atoms = np.column_stack([numbers, places - places.mean(axis=0)]).ravel()
    return np.pad(atoms, (0, 4 * MAX_ATOMS - len(atoms)))


def relax(mol: Chem.Mol, seed: int, most: int | None = None) -> Chem.Mol | None:
    """Return the largest fragment with hydrogens, its conformer relaxed by MMFF94 if that knows it.

    None where there is no conformer, or where it has more than `most` atoms.
    """
    shaped = embed(mol, hydrogens=True, seed=seed, most=most)
    if shaped is not None:
        with contextlib.suppress(RuntimeError, ValueError):  # MMFF94 does not know all atoms
            rdForceFieldHelpers.MMFFOptimizeMolecule(shaped)
    return shaped


def embed(
    mol: Chem.Mol, hydrogens: bool = False, seed: int = 0, most: int | None = None
) -> Chem.Mol | None:
    """Return the largest fragment with one conformer; None where the fallback gives it up.

    One of more than `most` atoms, hydrogens included where they are added, is given up at once.
    """
    mol = _largest_fragment(mol)
    if not MIN_ATOMS <= mol.GetNumHeavyAtoms() <= MAX_ATOMS:
        return None
    with contextlib.suppress(RuntimeError, ValueError):  # a valence, or an atom RDKit does not know
        if hydrogens:
            mol = Chem.AddHs(mol)
        if most is not None and mol.GetNumAtoms() > most:
            return None
        for parameters in _attempts(seed):
            if rdDistGeom.EmbedMolecule(mol, parameters) >= 0:
                return mol
    return None


def check_seed(seed: int) -> None:
    """Raise SettingError where RDKit would take the seed for another one every time."""
    if not 0 <= seed <= MAX_SEED:
        raise SettingError(f"setting 'seed' is {seed!r}; expected an integer 0 to {MAX_SEED}")


def _largest_fragment(mol: Chem.Mol) -> Chem.Mol:
    """Return the fragment of most heavy atoms, the first of them: counter-ions have no place."""
    fragments: tuple[Chem.Mol, ...] = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    return max(fragments, key=lambda fragment: fragment.GetNumHeavyAtoms())


def _attempts(seed: int) -> Iterator[rdDistGeom.EmbedParameters]:
    """Yield the parameters of each step of the fallback."""
    for step, iterations in enumerate(ITERATIONS):
        parameters: Any = rdDistGeom.ETKDGv3()
        parameters.randomSeed = seed
        parameters.maxIterations = iterations
        parameters.useRandomCoords = step > 0
        if step == len(ITERATIONS) - 1:
            parameters.enforceChirality = False
            parameters.useExpTorsionAnglePrefs = False
            parameters.useBasicKnowledge = False
            parameters.ignoreSmoothingFailures = True
        yield parameters


def _described(mol: Chem.Mol, hydrogens: bool, seed: int) -> FloatArray | None:
    """Return the tamed descriptors of one molecule, (399,); None where there are none."""
    embedded = embed(mol, hydrogens, seed)
    if embedded is None:
        return None
    try:
        parts = [
            [shape(embedded) for shape in SHAPES.values()],
            described.GetUSRCAT(embedded),
            described.CalcAUTOCORR3D(embedded),
            _kept(described.CalcRDF(embedded), DISTANCES),
            _kept(described.CalcMORSE(embedded), ANGLES),
        ]
    except (RuntimeError, ValueError):
        return None
    raw = np.array(list(itertools.chain.from_iterable(parts)), dtype=np.float64)
    raw[~np.isfinite(raw)] = 0.0
    return np.sign(raw) * np.log1p(np.abs(raw))


def _kept(values: Sequence[float], width: int) -> list[float]:
    """Return the parts of RDF or MoRSE whose weighting is kept."""
    starts = [WEIGHTINGS.index(name) * width for name in KEPT_WEIGHTINGS]
    return [value for start in starts for value in values[start : start + width]]


def _names() -> tuple[str, ...]:
    """Return what each column is called."""
    return (
        *SHAPES,
        *(f"usrcat_{atoms}_{moment}" for atoms in USR_ATOMS for moment in USR_MOMENTS),
        *(f"auto_{w}_{lag + 1}" for w in AUTOCORRELATION_WEIGHTINGS for lag in range(LAGS)),
        *(f"rdf_{w}_{1 + i / 2:.1f}" for w in KEPT_WEIGHTINGS for i in range(DISTANCES)),
        *(f"morse_{w}_{i}" for w in KEPT_WEIGHTINGS for i in range(ANGLES)),
    )

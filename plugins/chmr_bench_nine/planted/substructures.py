"""The substructures from which the planted cell state is made: presence of fixed SMARTS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chmr_bench.types import BoolArray

SUBSTRUCTURES: tuple[tuple[str, str], ...] = (
    ("aliphatic hydroxyl", "[OX2H][CX4]"),
    ("phenol", "[OX2H]c"),
    ("carboxylic acid", "[CX3](=O)[OX2H]"),
    ("ester", "[#6][CX3](=O)[OX2H0][#6]"),
    ("amide", "[NX3][CX3](=O)[#6]"),
    ("ketone", "[#6][CX3](=O)[#6]"),
    ("primary amine", "[NX3;H2][#6]"),
    ("tertiary alkyl amine", "[NX3;H0]([CX4])([CX4])[CX4]"),
    ("amine on an aromatic ring", "c[NX3;!$(N=*);!$(N[O,o])]"),
    ("nitro", "[NX3+](=O)[O-]"),
    ("nitrile", "C#N"),
    ("aryl chloride", "cCl"),
    ("alkyl halide", "[CX4][Cl,Br,I]"),
    ("aryl ether", "c[OX2][#6]"),
    ("methoxy", "[OX2][CH3]"),
    ("thioether", "[#6][SX2][#6]"),
    ("sulfonyl", "S(=O)(=O)"),
    ("imine", "[CX3]=[NX2]"),
    ("nitrogen-nitrogen bond", "[#7]~[#7]"),
    ("alkene", "[CX3]=[CX3]"),
    ("conjugated carbonyl", "[CX3]=[CX3][CX3]=O"),
    ("urea or carbamate", "[NX3][CX3](=[O,S])[NX3,OX2]"),
    ("pyridine-like nitrogen", "[nX2]"),
    ("pyrrole-like nitrogen", "[nX3]"),
    ("aromatic five-membered ring", "[a;r5]"),
    ("two joined rings", "[R]!@[R]"),
    ("fused aromatic ring", "c(:c)(:c):c"),
    ("benzyl", "c[CH2]"),
    ("ortho pair", "[!#1;!R]c:c[!#1;!R]"),
    ("meta pair", "[!#1;!R]c:c:c[!#1;!R]"),
    ("para pair", "[!#1;!R]c1aac([!#1;!R])aa1"),
    ("ethyl", "[CH3][CH2]"),
    ("isopropyl", "[CH3][CX4;H1][CH3]"),
    ("tert-butyl or gem-dimethyl", "[CH3][CX4;H0][CH3]"),
    ("four-carbon chain", "[CH2;!R][CH2;!R][CH2;!R]"),
    ("saturated six-membered ring", "[CX4;r6][CX4;r6]"),
    ("saturated ring nitrogen", "[NX3;R][CX4;R]"),
    ("methyl on an aromatic ring", "c[CH3]"),
    ("aryl ketone", "c[CX3]=O"),
    ("three aromatic CH in a row", "[cH][cH][cH]"),
    ("carbonyl", "[CX3]=O"),
    ("halogen", "[F,Cl,Br,I]"),
    ("two-carbon chain", "[CH2;!R][CH2;!R]"),
    ("hydrogen on nitrogen", "[#7;!H0]"),
    ("sulfur", "[#16]"),
    ("saturated ring", "[CX4;R]"),
    ("basic alkyl amine", "[NX3;!$(N*=*);!$(Na)][CX4]"),
)


def presence(mols: Sequence[Any]) -> BoolArray:
    """Return (n, len(SUBSTRUCTURES)) bool, True where the molecule holds the substructure."""
    from rdkit import Chem

    patterns = [Chem.MolFromSmarts(smarts) for _, smarts in SUBSTRUCTURES]
    return np.array([[mol.HasSubstructMatch(p) for p in patterns] for mol in mols], dtype=bool)

"""Molecules that break careless features; imported by tests only."""

EDGE_MOLECULES = {
    "one atom": "C",
    "ion": "[Na+]",
    "salt": "CC(=O)[O-].[Na+]",
    "no bonds": "[Na+].[Cl-]",
    "300 atoms": "C" * 150 + "OC" * 75,
    "dummy atom": "*CCO",
    "hydrogen": "[H][H]",
    "isotopes": "[2H]C([2H])([2H])O",
    "uranium": "O=[U+2]=O",
    "aluminium of valence 6": "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3",
    "stereo": "C/C=C/[C@H](N)C(=O)O",
}

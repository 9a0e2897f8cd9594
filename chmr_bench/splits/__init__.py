"""Which rows are train, valid and test.

The methods: ``reference`` (the dataset's own rule), ``scaffold`` (whole Bemis-Murcko families, the
largest to train, the rule of OGB), ``strict`` (no molecule in any form, no flat scaffold in two
parts), ``random``, ``cv5x5`` (repeated cross-validation) and ``deepchem:NAME`` (deepchem's own).
"""

from __future__ import annotations

from chmr_bench.splits.assignment import (
    ascending,
    group_by_scaffold,
    pour_balanced,
)
from chmr_bench.splits.checks import check_split
from chmr_bench.splits.methods import (
    check_method,
    check_seed,
    depends_on_seed,
    make_split,
    methods,
    needs_keys,
)
from chmr_bench.splits.scaffolds import scaffold_smiles

__all__ = [
    "ascending",
    "check_method",
    "check_seed",
    "check_split",
    "depends_on_seed",
    "group_by_scaffold",
    "make_split",
    "methods",
    "needs_keys",
    "pour_balanced",
    "scaffold_smiles",
]

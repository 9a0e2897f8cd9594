"""The two published split rules of the nine benchmarks.

Both go by Bemis-Murcko scaffolds with chirality, which is why stereoisomers of one compound can end
up in train and test (Broad6K: 39.2 % of the test rows). They are kept as published.
"""

from __future__ import annotations

import numpy as np

from chmr_bench import Dataset, Split
from chmr_bench.splits import ascending, group_by_scaffold, pour_balanced, scaffold_smiles

INFOALIGN_SEED = 3
INFOALIGN_TRAIN, INFOALIGN_VALID = 0.6, 0.15


def ogb_split(dataset: Dataset) -> Split:
    """Split as OGB does (Hu et al. 2020): big scaffold families to train, 80/10/10."""
    return pour_balanced(group_by_scaffold(scaffold_smiles(dataset.smiles)))


def infoalign_split(dataset: Dataset) -> Split:
    """Split as InfoAlign does (Liu et al. 2025): shuffled scaffold families poured in, 60/15/25.

    Families in the order of their first row are shuffled, laid end to end, and cut after
    int(0.6 n) rows and int(0.15 n) rows further on: a family can straddle a cut.
    """
    families = group_by_scaffold(scaffold_smiles(dataset.smiles))
    order = np.arange(len(families))
    # numpy's legacy generator is part of the rule: the newer ones shuffle otherwise.
    np.random.RandomState(INFOALIGN_SEED).shuffle(order)
    poured = [row for family in order for row in families[family]]
    n_train, n_valid = int(INFOALIGN_TRAIN * len(dataset)), int(INFOALIGN_VALID * len(dataset))
    return Split(
        train=ascending(poured[:n_train]),
        valid=ascending(poured[n_train : n_train + n_valid]),
        test=ascending(poured[n_train + n_valid :]),
    )

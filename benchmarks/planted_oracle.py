"""How far the head of `chmr.cell-input` comes with the simulator's own cell state in place of ours.

    python benchmarks/planted_oracle.py

It tells what the few labels of the planted data cost from what a learnt cell state costs. The
ideal states use what no model is given; nothing here enters a record.
"""

from __future__ import annotations

import sys

import numpy as np

from chmr_bench.contracts import FitContext, TaskInfo
from chmr_bench.nn.linear import LinearHead
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.model import SHARED_ROUNDS
from chmr_bench_nine.planted.ceilings import classification_ceilings, macro_auc, posterior
from chmr_bench_nine.planted.load import classes, split_of
from chmr_bench_nine.planted.simulate import Settings, world


def main() -> int:
    """Print the macro ROC-AUC on the published test labels, and the ceilings beside it."""
    made, settings = world(), Settings()
    rows = made.labelled
    y = np.where(made.measured, classes(made), np.nan)[rows]
    states = {
        "state from structure and profiles": np.array(
            [posterior(made, int(row), settings)[0] for row in rows]
        ),
        "state from structure": np.sqrt(settings.from_structure) * made.structure[rows],
    }
    split = split_of(len(rows))
    names = tuple(f"task {task}" for task in range(y.shape[1]))
    context = FitContext(tasks=TaskInfo("classification", names, "roc_auc"))
    for name, state in states.items():
        x = (state - state[split.train].mean(0)) / state[split.train].std(0)
        head = LinearHead(ChmrConfig().head_strengths, SHARED_ROUNDS)
        head.fit(x[split.train], y[split.train], x[split.valid], y[split.valid], context)
        score = macro_auc(y[split.test], head.predict(x[split.test]))
        sys.stdout.write(f"ideal {name}, {len(split.train)} labelled molecules: {score:.3f}\n")
    ceilings = classification_ceilings()
    for source in ("structure", "profiles"):
        sys.stdout.write(f"ceiling from {source}: {ceilings[f'roc_auc_{source}_actual']:.3f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

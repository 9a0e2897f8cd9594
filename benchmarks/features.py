"""Features of the nine benchmarks: cold and warm, against a plain Python loop, side by side.

    python benchmarks/features.py [--quick] [--features morgan,maccs,graph] [--jobs N]

For every dataset and feature the plain loop, a cold computation (an empty cache, all cores) and a
warm one (the cache just filled) run one after the other, so that other work on the machine bears
on all three alike. Their numbers are compared too: a fast wrong answer does not count.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator as generators
from rdkit.Chem import rdMolDescriptors
from results import result, use_mirror

from chmr_bench.contracts import Block, GraphBlock
from chmr_bench.data.datasets import open_dataset
from chmr_bench.data.fetch import options_from_env
from chmr_bench.errors import ChmrBenchError
from chmr_bench.features.cache import available_cores, featurise
from chmr_bench.plugins import registry

COLD_TARGET, WARM_TARGET = 1.7, 20.0
QUICK_STRIDE = 8
"""--quick takes every eighth molecule."""


# ---------------------------------------------------------------- the plain way, feature by feature


def plain_generated(generator: Any) -> Callable[[Sequence[str]], Any]:
    """One molecule after the other through an RDKit generator, as its manual shows."""

    def loop(smiles: Sequence[str]) -> Any:
        rows = []
        for text in smiles:
            mol = Chem.MolFromSmiles(text)
            rows.append(None if mol is None else generator.GetFingerprintAsNumPy(mol))
        return rows

    return loop


def plain_maccs(smiles: Sequence[str]) -> Any:
    """MACCS keys, one molecule after the other."""
    rows = []
    for text in smiles:
        mol = Chem.MolFromSmiles(text)
        rows.append(
            None if mol is None else np.array(list(rdMolDescriptors.GetMACCSKeysFingerprint(mol)))
        )
    return rows


ATOMIC_NUMBERS = list(range(1, 119))
CHIRALITIES = ["CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER"]
HYBRIDIZATIONS = ["SP", "SP2", "SP3", "SP3D", "SP3D2"]
BOND_TYPES = ["SINGLE", "DOUBLE", "TRIPLE", "AROMATIC"]
STEREOS = ["STEREONONE", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS", "STEREOANY"]


def position(vocabulary: Sequence[Any], value: Any) -> int:
    """The place of a value in a list, or the place after its end."""
    return vocabulary.index(value) if value in vocabulary else len(vocabulary)


def plain_graph(smiles: Sequence[str]) -> Any:
    """Atom and bond features looked up in lists, as the usual featurisers do."""
    rows: list[Any] = []
    for text in smiles:
        mol: Chem.Mol | Any = Chem.MolFromSmiles(text)
        if mol is None:
            rows.append(None)
            continue
        atoms = [
            [
                position(ATOMIC_NUMBERS, atom.GetAtomicNum()),
                position(CHIRALITIES, str(atom.GetChiralTag())),
                position(list(range(11)), atom.GetTotalDegree()),
                position(list(range(-5, 6)), atom.GetFormalCharge()),
                position(list(range(9)), atom.GetTotalNumHs()),
                position(list(range(5)), atom.GetNumRadicalElectrons()),
                position(HYBRIDIZATIONS, str(atom.GetHybridization())),
                [False, True].index(atom.GetIsAromatic()),
                [False, True].index(atom.IsInRing()),
            ]
            for atom in mol.GetAtoms()
        ]
        bonds = []
        for bond in mol.GetBonds():
            features = [
                position(BOND_TYPES, str(bond.GetBondType())),
                position(STEREOS, str(bond.GetStereo())),
                [False, True].index(bond.GetIsConjugated()),
            ]
            bonds += [features, features]
        rows.append((np.array(atoms), np.array(bonds).reshape(-1, 3)))
    return rows


PLAIN: dict[str, Callable[[Sequence[str]], Any]] = {
    "morgan": plain_generated(generators.GetMorganGenerator(radius=2, fpSize=2048)),
    "atom_pair": plain_generated(generators.GetAtomPairGenerator(fpSize=2048)),
    "torsion": plain_generated(generators.GetTopologicalTorsionGenerator(fpSize=2048)),
    "rdkit": plain_generated(generators.GetRDKitFPGenerator(fpSize=2048)),
    "maccs": plain_maccs,
    "graph": plain_graph,
}


def check_equal(rows: Sequence[Any], block: Block) -> None:
    """Stop where the loop and the computation disagree (rows RDKit refuses are left out)."""
    for i, row in enumerate(rows):
        if row is None:
            continue
        if isinstance(block, GraphBlock):
            one = block.take(np.array([i]))
            same = np.array_equal(one.atoms, row[0]) and np.array_equal(one.bonds, row[1])
        else:
            values: Any = block.values
            same = np.array_equal(
                np.flatnonzero(row), values.indices[values.indptr[i] :][: int(row.sum())]
            )
            same = same and values.indptr[i + 1] - values.indptr[i] == row.sum()
        if not same:
            sys.exit(f"row {i}: the plain loop and chmr-bench disagree")


# ------------------------------------------------------------------------------------- measurement


@dataclass(frozen=True)
class Timing:
    """Seconds of the three ways for one dataset and feature."""

    dataset: str
    feature: str
    n: int
    plain: float
    cold: float
    warm: float


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it gives."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def measure(dataset: str, smiles: list[str], feature: str, jobs: int) -> Timing:
    """Time the three ways on the same molecules."""
    spec = registry().feature(feature).spec
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> Block:
            return featurise(spec, {}, smiles, n_jobs=jobs, cache=Path(folder))

        with rdBase.BlockLogs():
            plain, rows = timed(lambda: PLAIN[feature](smiles))
        cold, block = timed(ours)
        warm, _ = timed(ours)
    check_equal(rows, block)
    return Timing(dataset, feature, len(smiles), plain, cold, warm)


def molecules(quick: bool) -> dict[str, list[str]]:
    """Return the SMILES of the nine; of the embedded demo, saying so, where they cannot be had."""
    use_mirror()
    stride = QUICK_STRIDE if quick else 1
    try:
        return load_suite("all", stride)
    except ChmrBenchError as error:
        print(f"the nine benchmarks are not here ({error})\nusing the embedded demo molecules\n")
        return load_suite("demo", stride)


def load_suite(suite: str, stride: int) -> dict[str, list[str]]:
    """Return dataset -> SMILES, every `stride`-th."""
    registered = registry()
    options = options_from_env()
    return {
        name: list(open_dataset(registered.dataset(name).spec, options).smiles)[::stride]
        for name in registered.suite(suite)
    }


def report(timings: Sequence[Timing], jobs: int) -> bool:
    """Print the table and the two ratios (also as `run.py` reads them); return if both are met."""
    print(f"{'dataset':<20} {'feature':<10} {'n':>6} {'plain s':>8} {'cold s':>8} {'warm s':>8}")
    for t in timings:
        print(
            f"{t.dataset:<20} {t.feature:<10} {t.n:>6} {t.plain:8.2f} {t.cold:8.2f} {t.warm:8.4f}"
        )
    plain, cold, warm = (sum(getattr(t, way) for t in timings) for way in ("plain", "cold", "warm"))
    print(f"\nall, {jobs} cores: plain loop {plain:.1f} s, cold {cold:.1f} s, warm {warm:.3f} s")
    ratios = (("cold", plain / cold, COLD_TARGET), ("warm", plain / warm, WARM_TARGET))
    kept = []
    for way, ratio, target in ratios:
        print(f"{way} {ratio:7.2f} x the plain loop (target on two cores: {target:g})")
        what = f"features of all nine, {way}, times a plain loop"
        kept.append(result(what, ratio, at_least=target))
    return all(kept)


def main() -> None:
    """Parse the arguments, measure, report; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="every eighth molecule")
    parser.add_argument("--features", default="morgan,maccs,graph", help=f"of {','.join(PLAIN)}")
    parser.add_argument("--jobs", type=int, default=available_cores())
    arguments = parser.parse_args()
    features = arguments.features.split(",")
    if unknown := sorted(set(features) - set(PLAIN)):
        parser.error(f"no plain loop for {', '.join(unknown)}; there are: {', '.join(PLAIN)}")
    sets = molecules(arguments.quick)
    timings = [
        measure(name, smiles, feature, arguments.jobs)
        for feature in features
        for name, smiles in sets.items()
    ]
    if not report(timings, arguments.jobs):
        sys.exit(1)


if __name__ == "__main__":
    main()

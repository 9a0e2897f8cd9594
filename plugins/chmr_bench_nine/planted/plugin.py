"""Registers the embedded demo data. Nothing here is heavy: the simulator runs in `load`."""

from __future__ import annotations

from chmr_bench import AtlasSpec, DatasetSpec, hookimpl

TASK_NAMES = tuple(f"simulated_{i:02d}" for i in range(1, 13))
NOTES = (
    "Synthetic: real molecules, a simulated cell; a score here says nothing of biology.",
    "Planted on purpose: a model that learns from the atlas of profiles has something to gain.",
    "Split: 220 train and 80 valid molecules drawn by the seed, 600 test; no shared connectivity.",
    "About one label in ten is not measured; morphology and expression are missing not at random.",
)
COMMON = {
    "task_names": TASK_NAMES,
    "n_molecules": 900,
    "load": "chmr_bench_nine.planted.load:load",
    "split": "reference",
    "split_rule": "chmr_bench_nine.planted.load:reference_split",
    "split_sizes": (220, 80, 600),
    "split_digests": (
        "cf05e36f6fdbe14171a0dfd01447f0c3f498d516a2e1d65ce02ce4be7b22fc36",
        "7c0aeec1de8baabb45ab4020eea921c5d5676ced1093e27897af437da29d1a79",
        "5f3b7df24caf4914ba4bc3ea7a9474c1cedd41b5f26a129cee0b24c25627c1d8",
    ),
    "modalities": ("structure", "morphology", "expression"),
    "suites": ("demo",),
    "licence": "simulated values: as chmr-bench; molecules: NCI open data, as shipped by rdkit",
    "source": "embedded: simulated on the NCI molecules that rdkit installs",
    "notes": NOTES,
    "details": "chmr_bench_nine.planted.ceilings:describe",
    "synthetic": True,
    "version": "1",
}


@hookimpl
def chmr_bench_datasets() -> list[DatasetSpec]:
    """Return the planted data and its regression twin."""
    return [
        DatasetSpec(
            name="planted",
            title="Planted: real molecules, a simulated cell",
            task_type="classification",
            metric="roc_auc",
            ceilings="chmr_bench_nine.planted.ceilings:classification_ceilings",
            **COMMON,  # type: ignore[arg-type]  # one table for both twins
        ),
        DatasetSpec(
            name="planted-regression",
            title="Planted, regression twin: real molecules, a simulated cell",
            task_type="regression",
            metric="mae",
            ceilings="chmr_bench_nine.planted.ceilings:regression_ceilings",
            unit="simulated units",
            **COMMON,  # type: ignore[arg-type]
        ),
    ]


@hookimpl
def chmr_bench_atlases() -> list[AtlasSpec]:
    """Return the unlabelled molecules with simulated profiles."""
    return [
        AtlasSpec(
            name="planted",
            title="Planted: real molecules, simulated morphology and expression",
            load="chmr_bench_nine.planted.load:load_atlas",
            modalities=("morphology", "expression"),
            n_molecules=2335,
            synthetic=True,
            licence=str(COMMON["licence"]),
            source=str(COMMON["source"]),
            notes=(
                "Synthetic: a pretraining on it can help on the planted data, and nowhere else.",
                "No molecule shares its connectivity with a labelled one of the planted data.",
            ),
            version=str(COMMON["version"]),
        )
    ]

"""The built-in atlases, registered through the same door as a stranger's."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from chmr_bench import AtlasSpec, ReadOuts, SourceFile, hookimpl

_GITHUB = "https://raw.githubusercontent.com/srijitseal"

JUMP_ACTIVITY = AtlasSpec(
    name="jump-activity",
    title="Phenotypic activity of 115,723 JUMP compounds in Cell Painting: mAP and its p-values",
    load="chmr_bench.cells.sources.jump_activity:load",
    modalities=("activity",),
    n_molecules=115717,
    sources=(
        SourceFile(
            path="cells/jump_map/JUMPCP_compounds.csv.gz",
            sha256="0c6251414b610e81a9c05ac02ba43dc85e60fc52d08da970ff61cb2bd18726de",
            n_bytes=1732823,
            address=f"{_GITHUB}/JUMPCP_Exploration/a5076fdadbdb1cdeb026831ca1e3ddd85a014fa8/data/raw/"
            "JUMPCP_compounds/JUMPCP_compounds.csv.gz",
        ),
        SourceFile(
            path="cells/jump_map/phenotypic-activity-profiles_SAMPLE_harmony.csv.gz",
            sha256="562cb4fb6429886dd8f1dccd52a6758342ab705d46e3573f1bc48145adbe99a3",
            n_bytes=3224630,
            address=f"{_GITHUB}/JUMPCP_Production_Analysis/dde368930a284fe25932ed104bb4f86031cce1f1/"
            "01_mAP/output/phenotypic-activity-profiles_SAMPLE_harmony.csv.gz",
        ),
    ),
    licence="JUMP Cell Painting data: CC0 1.0; the two repositories state no licence of their own",
    citation="Chandrasekaran et al. 2023 (JUMP); Kalinin et al. 2025 (mAP)",
    source="https://github.com/srijitseal/JUMPCP_Production_Analysis",
    readouts=(ReadOuts("activity", 3, unit="mAP; -log10 p", direction="high = far from DMSO"),),
    notes=(
        "Strength of the phenotype only: three numbers a compound, no profile.",
        "1,030 of the 116,753 JUMP compounds have no read-out and are left out.",
    ),
)


_NEEDS_MIRROR = "The files have no public address: needs --mirror."

CMEA = AtlasSpec(
    name="cmea",
    title="CMEA: 162 compounds with Cell Painting morphology and L1000 expression",
    load="chmr_bench.cells.sources.small:load_cmea",
    modalities=("morphology", "expression"),
    n_molecules=155,
    sources=(
        SourceFile(
            path="cells/cmea/index.csv.gz",
            sha256="6d704492fd3d010e36cc2865f06645ca9a7b138422bcfa9810d403504ffbba63",
            n_bytes=6682,
        ),
        SourceFile(
            path="cells/cmea/CP-MLPCN_feature.npz",
            sha256="1db8b916074c67a6701f06d77272b33fa086b21990ef9ffad3774b05f9d49e50",
            n_bytes=499843,
        ),
        SourceFile(
            path="cells/cmea/GE_feature.npz",
            sha256="2d63477339f8f38505047b68f329af601eeaf7c386fece83186e186094309197",
            n_bytes=572978,
        ),
    ),
    licence="see the source; not redistributed here",
    citation="Nassiri and McCall 2018 (CMEA)",
    source="https://github.com/isarnassiri/CMEA",
    readouts=(ReadOuts("morphology", 812), ReadOuts("expression", 978)),
    notes=(_NEEDS_MIRROR, "Every molecule has both read-outs."),
)

LINCS_CELLCOUNT = AtlasSpec(
    name="lincs-cellcount",
    title="LINCS Cell Painting, A549: log2 cell count of 1,570 compounds at six doses",
    load="chmr_bench.cells.sources.small:load_lincs_cellcount",
    modalities=("viability",),
    n_molecules=1545,
    sources=(
        SourceFile(
            path="cells/lincs_cellcount/cellcount_log2fc.csv.gz",
            sha256="c481060668de8b6894331b546fc351a57595c6fe62e24cde4f560bb4cffb8617",
            n_bytes=88360,
        ),
    ),
    licence="CC0 1.0",
    citation="Way et al. 2022 (LINCS Cell Painting)",
    source="https://github.com/broadinstitute/lincs-cell-painting",
    readouts=(
        ReadOuts("viability", 6, unit="log2 cell count", direction="low = fewer cells than DMSO"),
    ),
    notes=(_NEEDS_MIRROR,),
)

L1000_SKB100 = AtlasSpec(
    name="l1000-skb100",
    title="LINCS L1000: 100 signatures of 978 landmark genes in SKB cells",
    load="chmr_bench.cells.sources.small:load_l1000_skb100",
    modalities=("expression",),
    n_molecules=74,
    sources=(
        SourceFile(
            path="cells/l1000_skb100/index.csv.gz",
            sha256="694d3e624ad20339377e2d6da17bdc6c8ac1fea4a9e1117db9e8e3f3b2ddf9db",
            n_bytes=3622,
        ),
        SourceFile(
            path="cells/l1000_skb100/GE_feature.npz",
            sha256="6c6e5348cb30a0616f57b440320287b8ed397e45a40144416e7523d1400198c7",
            n_bytes=182654,
        ),
    ),
    licence="see the source; not redistributed here",
    citation="Duan et al. 2020 (signatureSearch); Subramanian et al. 2017 (L1000)",
    source="https://github.com/girke-lab/signatureSearch",
    readouts=(ReadOuts("expression", 978, unit="z-score"),),
    notes=(_NEEDS_MIRROR, "25 of the 100 signatures come without a structure and are left out."),
)

REVISION_VARIABLE = "CHMR_BENCH_INFOALIGN_REVISION"
"""Branch, tag or commit to take, ``main`` where unset; its commit is pinned at the first fetch."""
INFOALIGN = AtlasSpec(
    name="infoalign",
    title="InfoAlign's corpus: morphology (Bray, JUMP), L1000 expression, perturbed genes",
    load="chmr_bench.cells.sources.infoalign:load",
    modalities=("morphology", "expression", "perturbation"),
    licence="as its sources: JUMP and LINCS CC0 1.0, others see the source; not redistributed here",
    citation="Liu et al. 2025 (InfoAlign, arXiv 2406.12056)",
    source="https://huggingface.co/datasets/liuganghuggingface/InfoAlign-Data",
    notes=(
        "Fetched through huggingface_hub, of one commit, verified against the hub's hashes.",
        "CHMR_BENCH_INFOALIGN_REVISION names a revision; HF_ENDPOINT a mirror of the hub.",
        "Tested on a small corpus of this layout; the published one was not to be reached.",
    ),
)


PRETRAIN_VARIABLE = "CHMR_BENCH_CHMR_PRETRAIN"
"""Environment variable with the sha256 of CHMR's zip and its size in bytes, a colon between."""
PRETRAIN_ADDRESS = "https://zenodo.org/records/17303120/files/pretrain.zip?download=1"
CHMR_PRETRAIN = AtlasSpec(
    name="chmr-pretrain",
    title="CHMR's own pretraining data, pretrain.zip of Zenodo record 17303120",
    load="chmr_bench.cells.sources.archive:load",
    modalities=(),
    licence="see the source; not redistributed here",
    citation="CHMR (arXiv 2511.21120)",
    source="https://zenodo.org/records/17303120",
    notes=(
        "Opens with a hash that you give alone: CHMR_BENCH_CHMR_PRETRAIN=SHA256:BYTES.",
        "Its content has not been seen here: InfoAlign's layout, or index.csv.gz and matrices.",
    ),
)


@hookimpl
def chmr_bench_atlases() -> tuple[AtlasSpec, ...]:
    """Return the atlases that come with chmr-bench; one file is pinned by the user."""
    infoalign = INFOALIGN
    if revision := os.environ.get(REVISION_VARIABLE):  # weights of another corpus are others
        infoalign = replace(INFOALIGN, version=f"{INFOALIGN.version} of {revision}")
    pinned = replace(CHMR_PRETRAIN, sources=_pinned_by_user())
    return (JUMP_ACTIVITY, CMEA, LINCS_CELLCOUNT, L1000_SKB100, infoalign, pinned)


def _pinned_by_user() -> tuple[SourceFile, ...]:
    """Return the zip as the user pins it; nothing where what the user says cannot be read."""
    pinned = re.fullmatch(r"([0-9a-f]{64}):([0-9]+)", os.environ.get(PRETRAIN_VARIABLE, "").lower())
    if pinned is None:
        return ()
    return (SourceFile("cells/chmr/pretrain.zip", pinned[1], int(pinned[2]), PRETRAIN_ADDRESS),)

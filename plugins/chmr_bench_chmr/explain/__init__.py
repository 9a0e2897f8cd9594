"""What the tree of CHMR makes of molecules: their codes, how codes are used, and a picture.

The tree (eq. 5 to 9 of arXiv 2511.21120) is shared by all modalities: where two modalities of a
molecule share a code, its structure and its cells tell the same story at that level.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from chmr_bench import FitContext, Inputs
from chmr_bench.errors import DataError, SettingError
from chmr_bench_chmr import reading
from chmr_bench_chmr.config import ChmrConfig

__all__ = ["explain"]


def explain(
    config: ChmrConfig, inputs: Inputs, weights: Path, out: Path, context: FitContext
) -> list[Path]:
    """Write tree codes, their usage and a picture of the latents; return the files.

    ``codes.csv``    a row for each molecule and modality: its code at every level, and the path
                     through the tree (0 left, 1 right); empty where it is not observed.
    ``usage.csv``    how many molecules take each code, by modality and level.
    ``levels.csv``   by modality and level: codes used, perplexity (1 = one code takes all, the
                     number of codes = all alike), and how often it agrees with other modalities.
    ``latents.png``  the latents in two dimensions, coloured by modality and by code.

    Parameters
    ----------
    inputs : Inputs
        All molecules, with the blocks that the model `needs`; a cell block that the network knows
        by name and width gets codes too.
    weights : Path
        A file of ``chmr-bench pretrain``.
    out : Path
        The folder of the files; made where it is missing.
    context : FitContext
        Its seed places the picture; device, precision, cores and progress are those of a fit; its
        `weights` are not looked at.

    Raises
    ------
    SettingError
        The weights have no tree, or the settings read no encoder.
    DataError
        No molecules, or weights of other features than the settings ask for.
    """
    from chmr_bench_chmr.explain.coding import coded_latents
    from chmr_bench_chmr.explain.picture import draw
    from chmr_bench_chmr.explain.tables import write_tables

    if not reading.uses_encoder(config):
        raise SettingError(
            f"head_inputs is {config.head_inputs!r}: this variant reads no encoder, so there is no "
            "tree to explain; try explain chmr"
        )
    if len(inputs) == 0:
        raise DataError("there are no molecules to explain; expected one at least")
    coded = coded_latents(config, inputs, dataclasses.replace(context, weights=weights))
    out.mkdir(parents=True, exist_ok=True)
    files = write_tables(out, inputs, coded)
    draw(out / "latents.png", coded, context.seed)
    return [*files, out / "latents.png"]

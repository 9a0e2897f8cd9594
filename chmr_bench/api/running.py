"""What computes: `run`, `ablate` and `match`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from chmr_bench.api.arguments import checked
from chmr_bench.api.options import (
    DEFAULT_OUT,
    MaskingOptions,
    MatchOptions,
    Names,
    SweepOptions,
    with_named,
)

if TYPE_CHECKING:
    import pandas as pd


@checked(SweepOptions)
def run(
    model: Names,
    dataset: Names = (),
    *,
    suite: Names = (),
    out: str | Path = DEFAULT_OUT,
    **options: Unpack[SweepOptions],
) -> pd.DataFrame:
    """Run models on datasets; what is on record is not computed again.

    Parameters
    ----------
    model
        One or more models; ``chmr-bench list models`` shows them.
    dataset
        Registered names, files of tables, or ``molnet:NAME``; ``NAME+ATLAS`` for the molecules of
        a dataset that an atlas has measured.
    suite
        Datasets by suite: ``all``, ``demo``, ...
    out
        Folder of the records and tables; for a table of your own one without boards, for it then
        holds your molecules.
    **options
        See `SweepOptions`.

    Returns
    -------
    pandas.DataFrame
        A row a model, dataset and split: mean and s.d. over seeds, and the 95 % interval.

    Raises
    ------
    ChmrBenchError
        What the command line would say; a job that fails is counted in ``n_failed`` instead.

    Examples
    --------
    >>> from chmr_bench import run
    >>> frame = run(["mean", "fingerprint.knn"], "planted", out="runs")  # doctest: +SKIP
    >>> frame[["model", "mean", "low", "high"]]  # doctest: +SKIP
    >>> print(frame.to_markdown(index=False))  # a table for a page  # doctest: +SKIP
    """
    import pandas as pd

    from chmr_bench.api.requests import make_request
    from chmr_bench.api.sweeps import done
    from chmr_bench.report import results

    given = with_named(options, model=model, dataset=dataset, suite=suite, out=out)
    work = done(make_request(given), given)
    return pd.DataFrame(results.rows(work.records(), work.store))


@checked(MaskingOptions)
def ablate(
    missing: float | Sequence[float] = 0.5,
    *,
    model: Names = (),
    dataset: Names = (),
    suite: Names = (),
    out: str | Path = DEFAULT_OUT,
    **options: Unpack[MaskingOptions],
) -> pd.DataFrame:
    """Mask a share of the cell read-outs, and measure what each model loses.

    Parameters
    ----------
    missing
        Shares that are masked, 0 to 1; 0 is always run.
    model
        As in `run`; ``chmr`` where none is named.
    dataset
        As in `run`.
    suite
        As in `run`; ``cells`` where no data is named.
    out
        Folder of the records and tables.
    **options
        See `MaskingOptions`.

    Returns
    -------
    pandas.DataFrame
        A row a model, dataset, setting and share: the paired change with its 95 % interval.

    Examples
    --------
    >>> from chmr_bench import ablate
    >>> ablate([0.5, 1], model="cells.forest", dataset="planted", seeds=3)  # doctest: +SKIP
    """
    import pandas as pd

    from chmr_bench.api.requests import make_masked_request
    from chmr_bench.api.sweeps import done
    from chmr_bench.report.curve_tables import as_rows

    given = with_named(options, model=model, dataset=dataset, suite=suite, out=out)
    shares = [missing] if isinstance(missing, int | float) else missing
    given["missing"] = ",".join(map(str, shares))
    families = done(make_masked_request(given), given).families()
    curves = [curve for family in families for curve in family.curves]
    atlases = [curve.facts["own_profiles"] for curve in curves for _ in curve.points]
    return pd.DataFrame(as_rows(families)).assign(own_profiles=atlases)


@checked(MatchOptions)
def match(
    model: Names, atlas: Names, *, out: str | Path | None = None, **options: Unpack[MatchOptions]
) -> pd.DataFrame:
    """Rank held-out profiles for a molecule, and molecules for a profile.

    Parameters
    ----------
    model
        One or more models; those that cannot match are left out, unless none can.
    atlas
        Atlases whose pairs are matched, by name or ``folder:PATH``.
    out
        Folder for a page and a JSON file with every rank, written after each model; what it holds
        already is not matched again. None where it is not said.
    **options
        See `MatchOptions`.

    Returns
    -------
    pandas.DataFrame
        A row a model, block of the atlas, way and measure: the score with its 95 % interval, what
        chance gives, and whether the interval is above it, below it, or includes it.

    Raises
    ------
    UsageError
        No named model can match.
    DataError
        An atlas cannot be had, or has too few pairs.
    PluginError
        A model failed; what the others did is in `out`.

    Examples
    --------
    >>> from chmr_bench import match
    >>> match("infoalign", "planted")  # doctest: +SKIP
    """
    import pandas as pd

    from chmr_bench.api.matching import check_failed, matchings_of
    from chmr_bench.isolation import Receiver
    from chmr_bench.report.matching import match_rows

    given = with_named(options, model=model, atlas=atlas)
    folder = None if out is None else Path(out)
    matchings = matchings_of(given, lambda job: Receiver(), folder)
    check_failed(matchings)
    return pd.DataFrame(match_rows(matchings))

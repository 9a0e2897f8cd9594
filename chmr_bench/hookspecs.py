"""The whole extension surface. A plugin implements any of these and names its module in the
entry-point group ``chmr_bench.v1``::

    [project.entry-points."chmr_bench.v1"]
    mine = "my_package.plugin"

Specs are light: name classes and functions as ``"module:name"`` strings, import nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from chmr_bench.contracts import AtlasSpec, DatasetSpec, FeatureSpec, ModelSpec

PROJECT = "chmr_bench"
ENTRY_POINT_GROUP = "chmr_bench.v1"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def chmr_bench_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Return the models this plugin offers.

    Examples
    --------
    ```python
    @hookimpl
    def chmr_bench_models():
        return [ModelSpec("my.ridge", "Ridge on bits", "my_model:Ridge", "my_model:Config")]
    ```
    """


@hookspec
def chmr_bench_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the datasets this plugin offers.

    Examples
    --------
    ```python
    @hookimpl
    def chmr_bench_datasets():
        return [DatasetSpec("my-assay", "Solubility of my series", load="my_assay:load", ...)]
    ```
    """


@hookspec
def chmr_bench_features() -> Iterable[FeatureSpec]:  # type: ignore[empty-body]
    """Return the features this plugin offers.

    Examples
    --------
    ```python
    @hookimpl
    def chmr_bench_features():
        return [FeatureSpec("my-counts", "Counts of my groups", "my_package.groups:count")]
    ```
    """


@hookspec
def chmr_bench_atlases() -> Iterable[AtlasSpec]:  # type: ignore[empty-body]
    """Return the cell atlases this plugin offers.

    Examples
    --------
    ```python
    @hookimpl
    def chmr_bench_atlases():
        return [AtlasSpec("my-screen", "My screen", "my_atlas:load", ("morphology",))]
    ```
    """

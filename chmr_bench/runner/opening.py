"""Load datasets by what is asked for, each at most once."""

from __future__ import annotations

from dataclasses import dataclass, field

from chmr_bench.contracts import Dataset, DatasetSpec, Progress, no_progress
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.data.requests import MEASURED_IN, MOLNET_PREFIX, DatasetRequest
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.runner.own_profiles import attached
from chmr_bench.streams import stdout_to_stderr


def load(
    request: DatasetRequest,
    options: FetchOptions,
    n_jobs: int = 1,
    progress: Progress = no_progress,
    whole: LoadedDataset | None = None,
) -> LoadedDataset:
    """Return a dataset that is registered, of MoleculeNet, or a user's table.

    Parameters
    ----------
    whole : LoadedDataset or None
        Of molecules that atlases measured: the dataset that they are part of; None = load it.

    Raises
    ------
    UnknownNameError, SettingError, DataError
        What the loaders raise.

    Examples
    --------
    >>> load(DatasetRequest(name="bace"), FetchOptions()).digest  # doctest: +SKIP
    """
    if request.atlases:
        whole = whole or load(request.whole, options, n_jobs, progress)
        name = MEASURED_IN.join([whole.spec.name, *request.atlases])
        return attached(whole, request.atlases, options, progress).measured(name, request)
    with stdout_to_stderr():
        spec, dataset = _opened(request, options, progress)
    return LoadedDataset(request, spec, dataset, dataset.digest(), n_jobs, options.load_limit)


def _opened(
    request: DatasetRequest, options: FetchOptions, progress: Progress
) -> tuple[DatasetSpec, Dataset]:
    if request.file:
        from chmr_bench.data import tables

        return tables.read_table(request.file, request)
    if request.name.startswith(MOLNET_PREFIX):
        from chmr_bench.data import molnet

        return molnet.molnet(request.name, on_invalid=request.on_invalid, offline=options.offline)
    from chmr_bench.data.datasets import open_dataset
    from chmr_bench.plugins import registry

    spec = registry().dataset(request.name).spec
    return spec, open_dataset(spec, options, progress)


@dataclass
class Datasets:
    """Datasets by request, each loaded at most once."""

    options: FetchOptions
    n_jobs: int = 1
    _loaded: dict[DatasetRequest, LoadedDataset] = field(default_factory=dict)

    def load(self, request: DatasetRequest, progress: Progress = no_progress) -> LoadedDataset:
        """Return the dataset; see `load`."""
        if request not in self._loaded:
            whole = self.load(request.whole, progress) if request.atlases else None
            made = load(request, self.options, self.n_jobs, progress, whole)
            self._loaded[request] = made
        return self._loaded[request]

    def keep_features_of(self, one: LoadedDataset) -> None:
        """Let go of the features of all others."""
        for other in self._loaded.values():
            if other._blocks is not one._blocks:  # shared where profiles were attached
                other.forget_features()

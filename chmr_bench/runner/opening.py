"""Load datasets by what is asked for, each at most once."""

from __future__ import annotations

from dataclasses import dataclass, field

from chmr_bench.contracts import Dataset, DatasetSpec, Progress, no_progress
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.data.requests import MEASURED_IN, MOLNET_PREFIX, DatasetRequest
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.runner.own_profiles import attached
from chmr_bench.streams import stdout_to_stderr


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
    """Datasets by request, each loaded at most once: registered, of MoleculeNet, or users' tables.

    Examples
    --------
    >>> Datasets(FetchOptions()).load(DatasetRequest(name="bace")).digest  # doctest: +SKIP
    """

    options: FetchOptions
    n_jobs: int = 1
    _loaded: dict[DatasetRequest, LoadedDataset] = field(default_factory=dict)

    def load(self, request: DatasetRequest, progress: Progress = no_progress) -> LoadedDataset:
        """Return the dataset.

        Raises
        ------
        UnknownNameError, SettingError, DataError
            What the loaders raise.
        """
        if request not in self._loaded:
            self._loaded[request] = self._made(request, progress)
        return self._loaded[request]

    def _made(self, request: DatasetRequest, progress: Progress) -> LoadedDataset:
        options = self.options
        if request.atlases:
            whole = self.load(request.whole, progress)
            name = MEASURED_IN.join([whole.spec.name, *request.atlases])
            return attached(whole, request.atlases, options, progress).measured(name, request)
        with stdout_to_stderr():
            spec, dataset = _opened(request, options, progress)
        digest = dataset.digest()
        return LoadedDataset(request, spec, dataset, digest, self.n_jobs, options.load_limit)

    def keep_features_of(self, one: LoadedDataset) -> None:
        """Let go of the features of all others."""
        for other in self._loaded.values():
            if other._blocks is not one._blocks:  # shared where profiles were attached
                other.forget_features()

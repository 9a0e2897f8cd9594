"""A pretrained network as one file: tensors, and in the header shape, settings and features."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from chmr_bench import FeatureRequest, FitContext
from chmr_bench.data.fetch import file_sha256
from chmr_bench.errors import DataError, UsageError
from chmr_bench.nn.pretraining.features import feature_versions
from chmr_bench.nn.pretraining.files import read_header, read_tensors, write_tensors

if TYPE_CHECKING:
    import torch

FORMAT = 1

Config = TypeVar("Config", bound=BaseModel)
Network = TypeVar("Network", bound="torch.nn.Module")
Shape = TypeVar("Shape")


@dataclass(frozen=True)
class WeightsMetadata(Generic[Config]):
    """What the header of a weights file says.

    Attributes
    ----------
    config : Config
        The settings of pretraining.
    features : Mapping[str, FeatureRequest]
        Name of an input of the network -> the feature it is.
    feature_versions : Mapping[str, Any]
        Feature -> version and the versions of the packages it was computed with.
    info : Mapping[str, Any]
        JSON-able; what a record says of the weights (atlas, molecules, epochs, hardware).
    """

    config: Config
    features: Mapping[str, FeatureRequest] = field(default_factory=dict)
    feature_versions: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def now(
        cls, config: Config, features: Mapping[str, FeatureRequest], info: Mapping[str, Any]
    ) -> WeightsMetadata[Config]:
        """Return what is said of weights made here, with the versions of features as they are."""
        return cls(config, features, feature_versions(features.values()), info)


class WeightsHeader(BaseModel):
    """The header of a weights file as it is written."""

    format: Literal[1]
    shape: dict[str, Any]
    config: dict[str, Any]
    features: dict[str, FeatureRequest]
    feature_versions: dict[str, Any]
    info: dict[str, Any]


@dataclass(frozen=True)
class NetworkFile(Generic[Config, Network]):
    """How one model's networks are stored.

    Attributes
    ----------
    config : type[Config]
        The settings of pretraining.
    build : Callable[[Mapping[str, Any], int], Network]
        Gives a network of a shape, as stored; called with the shape and the number of tensors.
    half : bool
        Parameters are rounded to float16 in the file, which is half as large; scales and
        statistics, whose range may be wider, are not.
    """

    config: type[Config]
    build: Callable[[Mapping[str, Any], int], Network]
    half: bool = False

    def save(
        self,
        path: Path,
        network: torch.nn.Module,
        metadata: WeightsMetadata[Config],
        write_card: Callable[[str], None] = lambda sha256: None,
    ) -> str:
        """Write the network, atomically; return the sha256 of the file.

        The same network and metadata always give the same bytes.

        Parameters
        ----------
        network : torch.nn.Module
            Has a ``shape`` that gives itself as JSON.
        write_card : Callable[[str], None]
            Called with the sha256 before the file is there.
        """
        shape: Any = network.shape
        settings = set(self.config.model_fields)
        header = {
            "format": FORMAT,
            "shape": dict(shape.to_json()),
            "config": metadata.config.model_dump(mode="json", include=settings),
            "features": {name: asdict(request) for name, request in metadata.features.items()},
            "feature_versions": dict(metadata.feature_versions),
            "info": dict(metadata.info),
        }
        tensors = dict(network.state_dict())
        if self.half:
            tensors |= {name: tensors[name].half() for name, _ in network.named_parameters()}
        return write_tensors(path, tensors, header, write_card)

    def load(self, path: Path) -> tuple[Network, WeightsMetadata[Config]]:
        """Return the network, in eval mode on the CPU, and what the file says of it.

        Raises
        ------
        DataError
            There is no such file, or it is damaged, or holds something else.
        """
        metadata, header = self._metadata(path)
        tensors, _ = read_tensors(path)
        try:
            network = self.build(header.shape, len(tensors))
            network.load_state_dict(tensors, strict=True)
        except (
            ArithmeticError,
            LookupError,
            MemoryError,
            TypeError,
            ValueError,
            RuntimeError,
        ) as error:
            raise DataError(
                f"{path}: its tensors do not fit the network its header describes: {error}; "
                "make the weights again with chmr-bench pretrain"
            ) from error
        except UsageError as error:
            raise DataError(f"{path}: its header describes no network: {error}") from error
        network.eval()
        return network, metadata

    def of_context(
        self, context: FitContext, why: str
    ) -> tuple[Network, WeightsMetadata[Config], str]:
        """Return the network of a fit's weights, what its file says, and the sha256 of that.

        It is read once a process and shared by all: not to be trained, and its device may change.

        Raises
        ------
        DataError
            There are no weights, and the message is `why`; or they are damaged.
        """
        if context.weights is None:
            raise DataError(why)
        sha256 = file_sha256(context.weights)
        return *_loaded(self, context.weights, sha256), sha256

    def described(
        self, context: FitContext, shape_of: Callable[[Mapping[str, Any]], Shape], why: str
    ) -> tuple[Shape, WeightsMetadata[Config], str]:
        """Return as `of_context` does, but the network's shape alone: no tensor is read.

        Parameters
        ----------
        shape_of : Callable[[Mapping[str, Any]], Shape]
            Gives the shape of what is stored of it.

        Raises
        ------
        DataError
            As `of_context`; or the header describes no network.
        """
        if context.weights is None:
            raise DataError(why)
        metadata, header = self._metadata(context.weights)
        try:
            shape = shape_of(header.shape)
        except (LookupError, TypeError, ValueError, UsageError) as error:
            raise DataError(
                f"{context.weights}: its header describes no network: {error}; "
                "make the weights again with chmr-bench pretrain"
            ) from error
        return shape, metadata, file_sha256(context.weights)

    def read_metadata(self, path: Path) -> WeightsMetadata[Config]:
        """Return what the file says of its network, without reading a tensor.

        Raises
        ------
        DataError
            There is no such file, or it is damaged, or holds something else.
        """
        return self._metadata(path)[0]

    def _metadata(self, path: Path) -> tuple[WeightsMetadata[Config], WeightsHeader]:
        stored = read_header(path)
        if stored.get("format") != FORMAT:
            raise DataError(
                f"{path} has format {stored.get('format')!r}, expected {FORMAT}: it is no file of "
                "chmr-bench pretrain, or of another version"
            )
        try:
            header = WeightsHeader.model_validate(stored)
            config = self.config.model_validate(header.config)
        except ValidationError as error:
            raise DataError(f"{path}: its header cannot be read: {error}") from error
        parts = (header.features, header.feature_versions, header.info)
        return WeightsMetadata(config, *parts), header


@functools.lru_cache(maxsize=2)
def _loaded(file: NetworkFile[Any, Any], path: Path, sha256: str) -> tuple[Any, Any]:
    """Return what `load` does; `sha256` names the content."""
    return file.load(path)

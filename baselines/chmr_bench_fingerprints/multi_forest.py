"""A random forest on each of several fingerprints, averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.features.bits import Fingerprint, FingerprintConfig, requests
from chmr_bench.nn.trainer import validation_score
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.forest import Forest, ForestConfig, Share


class MultiForestConfig(FingerprintConfig):
    """Settings of `fingerprint.multi-forest`."""

    features: tuple[Fingerprint, ...] = Field(
        ("fcfp", "morgan", "maccs", "atom_pair"),
        min_length=1,
        description="fingerprints; each has a forest of its own",
    )
    n_trees: int = Field(250, ge=1, le=10_000, description="trees a task and fingerprint")
    max_features: tuple[Literal["sqrt"] | Share, ...] = Field(
        ("sqrt", 0.1, 0.2),
        min_length=1,
        description="bits tried at a node: the square root of their number, or a share of them; "
        "of several, the one with the best validation score is kept",
    )
    min_leaf: int = Field(2, ge=1, le=1000, description="smallest number of draws in a leaf")

    @field_validator("max_features", mode="before")
    @classmethod
    def _one_or_more_shares(cls, value: Any) -> Any:
        """Take ``0.2`` or ``sqrt,0.2`` for a list, as a command line gives it."""
        if isinstance(value, str):
            return tuple(part if part == "sqrt" else float(part) for part in value.split(","))
        return (value,) if isinstance(value, float | int) else value


class MultiForest:
    """The mean of one forest a fingerprint: what one misreads, another may not.

    How many bits a node tries is chosen for all of them at once, by the validation score of their
    mean. Without validation labels it is the first of `max_features`.
    """

    def __init__(self, config: MultiForestConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: MultiForestConfig) -> Mapping[str, FeatureRequest]:
        """Return the fingerprints it reads."""
        return requests(config)

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Grow the forests for each share of the bits; keep those with the best score."""
        best = -np.inf
        self._forests: list[Forest] = []
        for share in self.config.max_features:
            forests = [Forest(self._settings(name, share)) for name in self.config.features]
            for forest in forests:
                forest.fit(train, y_train, valid, y_valid, context)
            score = validation_score(context.tasks, y_valid, _mean(forests, valid))
            context.log.info("max_features %s: validation score %s", share, score)
            if not self._forests or (score is not None and score > best):
                best, self._forests = -np.inf if score is None else score, forests

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return _mean(self._forests, inputs)

    def _settings(self, name: Fingerprint, share: Literal["sqrt"] | float) -> ForestConfig:
        config = self.config
        return ForestConfig(
            features=(name,),
            radius=config.radius,
            n_bits=config.n_bits,
            n_trees=config.n_trees,
            min_leaf=config.min_leaf,
            max_features=share,
            max_features_regression=share,
        )


def _mean(forests: list[Forest], inputs: Inputs) -> FloatArray:
    """Return the mean prediction, (n, t)."""
    return np.asarray(np.mean([forest.predict(inputs) for forest in forests], axis=0))

"""CHMR and a random forest together, under a name of their own.

The published code adds the forest's probabilities to the network's output on four datasets, with
a weight so small (0.001 to 0.1 for the network) that the result is nearly the forest alone. Here
the two are averaged, on every dataset, and the result is never called `chmr`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.lazy import load_object
from chmr_bench.types import FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.model import Chmr

FOREST = "chmr_bench_fingerprints.forest"
"""The forest is another plugin's: loaded by name, with the recipe it has there."""
PREFIX = "forest."


class ForestEnsemble:
    """(gamma x chmr + forest) / (gamma + 1), gamma the setting `forest_weight`."""

    def __init__(self, config: ChmrConfig) -> None:
        self.config = config
        self._chmr = Chmr(config.model_copy(update={"forest_weight": None}))
        self._forest = load_object(f"{FOREST}:Forest")(_forest_config())

    @classmethod
    def needs(cls, config: ChmrConfig) -> Mapping[str, FeatureRequest]:
        """Return the features of both; the forest's blocks carry a prefix."""
        forest = load_object(f"{FOREST}:Forest").needs(_forest_config())
        return {**reading.requests(config), **{PREFIX + name: r for name, r in forest.items()}}

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit both on the training rows."""
        self._forest.fit(_of_forest(train), y_train, _of_forest(valid), y_valid, context)
        self._chmr.fit(train, y_train, valid, y_valid, context)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return the weighted mean of both, (n, t): probabilities stay probabilities."""
        gamma = 1.0 if self.config.forest_weight is None else self.config.forest_weight
        forest: FloatArray = self._forest.predict(_of_forest(inputs))
        mixed: FloatArray = (gamma * self._chmr.predict(inputs) + forest) / (gamma + 1)
        return mixed


def _forest_config() -> Any:
    """Return the settings of `fingerprint.forest`: its defaults under its own recipe."""
    package = resources.files(FOREST.partition(".")[0])
    text = (package / "recipes" / "fingerprint.forest.toml").read_text(encoding="utf-8")
    return load_object(f"{FOREST}:ForestConfig")(**tomllib.loads(text)["settings"])


def _of_forest(inputs: Inputs) -> Inputs:
    """Return what the forest reads, under the names it knows."""
    blocks = {
        name.removeprefix(PREFIX): block
        for name, block in inputs.blocks.items()
        if name.startswith(PREFIX)
    }
    return Inputs(inputs.smiles, blocks, inputs.keys)

"""The control that reads no molecule: every molecule gets the task's mean training label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from chmr_bench import FeatureRequest, FitContext, Inputs
from chmr_bench.tasks import NO_LABEL, constants, fill_constants
from chmr_bench.types import FloatArray


class MeanConfig(BaseModel):
    """Settings of `mean`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    statistic: Literal["mean", "median"] = Field(
        "mean",
        description="what a regression task predicts; the median is the best constant for mae. "
        "Classification always predicts the share of actives",
    )


class Mean:
    """Predict the share of actives, or the mean label, of the training rows."""

    def __init__(self, config: MeanConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: MeanConfig) -> Mapping[str, FeatureRequest]:
        """Return nothing: it reads no molecule."""
        return {}

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Take the mean (or median) label of each task."""
        task_type = context.tasks.task_type
        self._constants = constants(y_train, task_type)
        if task_type == "regression" and self.config.statistic == "median":
            for task in range(y_train.shape[1]):
                labels = y_train[np.isfinite(y_train[:, task]), task]
                self._constants[task] = np.median(labels) if len(labels) else NO_LABEL[task_type]

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return the same row for every molecule, (n, t)."""
        return fill_constants(self._constants, len(inputs))

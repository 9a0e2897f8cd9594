"""Short names for the values that cross every border: arrays, task types, metric names."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

TaskType = Literal["classification", "regression"]
MetricName = Literal["roc_auc", "average_precision", "mae", "rmse", "r2"]
Part = Literal["train", "valid", "test"]
DeviceKind = Literal["cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]

PARTS: tuple[Part, ...] = ("train", "valid", "test")
JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

"""Settings of models as a user gives them with ``--set``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from chmr_bench.errors import UsageError
from chmr_bench.settings import EVERY


@dataclass(frozen=True)
class ModelSetting:
    """``--set key=value``, or ``--set model:key=value`` aimed at one model."""

    key: str
    value: Any
    model: str = ""


def check_settings(settings: Sequence[ModelSetting], models: Sequence[str]) -> None:
    """Raise UsageError where a setting is aimed at a model that is not among these."""
    for setting in settings:
        if setting.model and setting.model not in models:
            raise UsageError(
                f"--set {setting.model}:{setting.key}=...: {setting.model!r} is not among the "
                f"models of this run: {', '.join(models)}"
            )


def overrides_for(settings: Sequence[ModelSetting], model: str) -> Mapping[str, Any]:
    """Return a model's settings; those aimed at it win over those for all."""
    general = {s.key: s.value for s in settings if not s.model}
    return general | {s.key: s.value for s in settings if s.model == model}


def changed(config: BaseModel, plain: BaseModel) -> dict[str, Any]:
    """Return the settings whose value is not the model's own."""
    own = plain.model_dump(mode="json", context=EVERY)
    settled = config.model_dump(mode="json", context=EVERY)
    return {key: value for key, value in settled.items() if own[key] != value}

"""What a model reads, asked once: a plugin's function may end its process or never return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from chmr_bench import foreign
from chmr_bench.contracts import FeatureRequest, ModelSpec
from chmr_bench.errors import PluginError

_answers: dict[tuple[str, str], Mapping[str, FeatureRequest] | PluginError] = {}
"""Of models that are not ours, by factory and settings; a failure is not tried again."""


def needs_of(spec: ModelSpec, config: BaseModel) -> Mapping[str, FeatureRequest]:
    """Return block name -> feature, as the model's `needs` says.

    Raises
    ------
    PluginError
        It is no such mapping. What the model's own code raises comes as `foreign.call` says.
    """
    if not foreign.is_foreign(spec.factory):
        return _asked(spec, config)
    key = (spec.factory, config.model_dump_json())
    if key not in _answers:
        try:
            _answers[key] = _asked(spec, config)
        except PluginError as error:
            _answers[key] = error
    answer = _answers[key]
    if isinstance(answer, PluginError):
        raise answer
    return answer


def _asked(spec: ModelSpec, config: BaseModel) -> Mapping[str, FeatureRequest]:
    needs: Any = foreign.call(spec.factory, config, method="needs", seconds=foreign.QUICK_SECONDS)
    if not isinstance(needs, Mapping) or not all(
        isinstance(request, FeatureRequest) for request in needs.values()
    ):
        raise PluginError(
            f"model {spec.name!r}: needs() gave {needs!r}; expected a mapping of names to "
            "FeatureRequest"
        )
    return needs

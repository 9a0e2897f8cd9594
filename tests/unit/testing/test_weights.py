"""The contract of pretrained weights: kept by the fixture, and each breach is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import CELL_MODALITIES, PendingWeights, connectivity_hash
from chmr_bench.errors import PluginError
from chmr_bench.lazy import load_object
from chmr_bench.plugins import registry
from chmr_bench.settings import build_config
from chmr_bench.testing import check_model
from chmr_bench.testing.weights import SampleAtlas, check_weights

pytestmark = pytest.mark.usefixtures("quick")


def check(folder: Path, **settings: Any) -> Path | None:
    spec = registry().model("quick.started").spec
    return check_weights(spec, build_config(spec, settings), folder)


def test_weights_that_keep_their_promises(tmp_path: Path) -> None:
    path = check(tmp_path)
    assert path is not None
    assert path.is_relative_to(tmp_path)
    assert check(tmp_path, plain=True) is None


def test_a_model_is_checked_with_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import quick_models  # type: ignore[import-not-found]

    def constant(self: Any, inputs: Any) -> Any:
        return np.full((len(inputs), self.n_tasks), np.clip(self.scale, 0, 1))

    monkeypatch.setattr(quick_models.Started, "predict", constant)
    check_model("quick.started")
    with pytest.raises(PluginError, match="expected Weights once made"):
        check_model("quick.stubborn")


def changed(**fields: Any) -> Any:
    def change(weights: Any) -> Any:
        return dataclasses.replace(weights, **fields)

    return change


def unsorted(weights: Any) -> Any:
    np.save(weights.seen, connectivity_hash(SampleAtlas().atlas.keys))
    return weights


def of_others(weights: Any) -> Any:
    np.save(weights.seen, np.arange(3, dtype=np.uint64))
    return weights


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: PendingWeights("later"), "expected Weights once made"),
        (lambda weights: None, "expected Weights once made"),
        (changed(sha256="0" * 64), "sha256 is not that of the file"),
        (changed(info={"x": float("nan")}), "info is not JSON"),
        (unsorted, "sorted"),
        (of_others, "connectivity_hash"),
        (lambda weights: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_broken_promise_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, message: str
) -> None:
    import quick_weights  # type: ignore[import-not-found]

    real = load_object("quick_weights:find_or_make")

    def broken(config: Any, request: Any) -> Any:
        found = real(config, request)
        return found if isinstance(found, PendingWeights) else change(found)

    monkeypatch.setattr(quick_weights, "find_or_make", broken)
    with pytest.raises(PluginError, match=message):
        check(tmp_path)


def test_weights_that_are_lost_again_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import quick_weights

    real = quick_weights.find_or_make

    def forgetful(config: Any, request: Any) -> Any:
        return real(config, request) if request.make else PendingWeights("again and again")

    monkeypatch.setattr(quick_weights, "find_or_make", forgetful)
    with pytest.raises(PluginError, match="does not find again"):
        check(tmp_path)


def test_the_sample_has_what_the_model_learns_from() -> None:
    """Cells of its modalities, one as an atlas names it and measured in part; assays if named."""
    atlas = SampleAtlas(("viability", "fitness")).atlas
    assert list(atlas.blocks) == ["viability", "fitness", "fitness.sample"]
    assert [block.in_part for block in atlas.blocks.values()] == [False, False, True]
    assert {*CELL_MODALITIES} == {*SampleAtlas().atlas.modalities}
    labelled = SampleAtlas(("assay",)).atlas
    assert (list(labelled.blocks), list(labelled.assays)) == ([], ["assay.sample"])


def test_weights_may_refuse_profiles_measured_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import quick_weights

    real = quick_weights.find_or_make

    def strict(config: Any, request: Any) -> Any:
        for name, block in request.data.open((), False)[0].blocks.items():
            block.complete_rows(name, "quick.started")
        return real(config, request)

    monkeypatch.setattr(
        quick_weights, "find_or_make", lambda c, r: strict(c, r) if r.make else real(c, r)
    )
    assert check(tmp_path) is not None

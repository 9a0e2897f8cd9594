"""The identity of a run changes with all that can change a number, and with nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from chmr_bench.records import RunKey, canonical_json

KEY = RunKey(
    model="m",
    model_version="1",
    params={"trees": 5},
    plugin="p",
    plugin_version="1.0",
    dataset="d",
    dataset_digest="dd",
    metric="roc_auc",
    split_digest="ss",
    seed=0,
)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"model_version": "2"},
        {"params": {"trees": 6}},
        {"plugin": "other"},
        {"plugin_version": "1.1"},
        {"dataset": "other"},
        {"dataset_digest": "other"},
        {"metric": "average_precision"},  # models stop early on it
        {"split_digest": "other"},
        {"seed": 1},
        {"seed": None},
        {"features": {"morgan": "2"}},
        {"weights": "other"},
        {"missing": {"rate": 0.5}},
        {"cells": {"nci60": "digest"}},
        {"precision": "bfloat16"},
        {"device": "cuda"},
    ],
)
def test_identity_changes_with_everything_that_can_change_a_number(change: dict[str, Any]) -> None:
    assert dataclasses.replace(KEY, **change).identity() != KEY.identity()


def test_identity_of_equal_keys_is_equal_and_pinned() -> None:
    reordered = dataclasses.replace(KEY, params=dict(reversed({"a": 1, "b": [1.5, None]}.items())))
    ordered = dataclasses.replace(KEY, params={"a": 1, "b": [1.5, None]})
    assert reordered.identity() == ordered.identity()
    # pinned: a change here orphans every stored record
    assert KEY.identity() == "27a4164aa3faa97d19fd25a9e9b44d67084b2561b64cb41bd18f4cac7e1cb325"


def test_canonical_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_the_first_version_of_a_feature_is_not_in_the_identity() -> None:
    assert dataclasses.replace(KEY, features={"morgan": "1"}).identity() == KEY.identity()

"""The settings of a fingerprint model say what it reads."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from chmr_bench import DataError, Inputs, MatrixBlock
from chmr_bench.features.bits import FingerprintConfig, bits_of, log_counts_of, requests


def config(**settings: object) -> FingerprintConfig:
    return FingerprintConfig.model_validate(settings)


def test_requests_carry_the_settings_that_each_fingerprint_has() -> None:
    found = requests(config(features=["morgan", "maccs", "rdkit"], radius=3, n_bits=1024))
    assert {name: dict(r.settings) for name, r in found.items()} == {
        "morgan": {"radius": 3, "n_bits": 1024},
        "maccs": {},
        "rdkit": {"n_bits": 1024},
    }


def test_counts_are_asked_of_what_can_count() -> None:
    found = requests(config(features=["morgan", "maccs", "avalon"]), counts=True)
    assert {name: "counts" in r.settings for name, r in found.items()} == {
        "morgan": True,
        "maccs": False,
        "avalon": False,
    }


def test_log_counts_are_zero_where_nothing_is_observed() -> None:
    counts = np.array([[0, 3, 0], [1, 0, 0]], dtype=np.uint16)
    block = MatrixBlock(sparse.csr_array(counts), np.array([True, False]))
    found = log_counts_of(Inputs(("C", "CC"), {"morgan": block}), ["morgan"])
    np.testing.assert_allclose(found.toarray(), [[0, np.log(4), 0], [0, 0, 0]], rtol=1e-6)
    assert (found.nnz, found.dtype) == (1, np.float32)


def test_one_name_or_several_with_commas_are_taken_from_a_command_line() -> None:
    assert config(features="maccs").features == ("maccs",)
    assert config(features="morgan,maccs").features == ("morgan", "maccs")


@pytest.mark.parametrize(
    "settings",
    [
        {"features": []},
        {"features": ["morgan", "morgan"]},
        {"features": ["ecfp"]},
        {"radius": 9},
        {"n_bits": 0},
        {"radios": 2},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)


def test_fingerprints_lie_side_by_side_as_zeros_and_ones() -> None:
    left = np.array([[0, 3, 0], [1, 0, 0]], dtype=np.uint16)
    right = np.array([[1, 0], [1, 1]], dtype=np.uint8)
    observed = np.array([True, True])
    inputs = Inputs(
        ("C", "CC"),
        {
            "morgan": MatrixBlock(sparse.csr_array(left), observed),
            "maccs": MatrixBlock(sparse.csr_array(right), np.array([False, True])),
        },
    )
    found = bits_of(inputs, config(features=["maccs", "morgan"]))
    np.testing.assert_array_equal(found.toarray(), [[0, 0, 0, 1, 0], [1, 1, 1, 0, 0]])
    assert found.dtype == np.float32
    assert found.nnz == 4


def test_a_block_of_another_length_is_an_error() -> None:
    block = MatrixBlock(sparse.csr_array(np.ones((2, 3))), np.ones(2, dtype=np.bool_))
    with pytest.raises(DataError, match="'morgan' has 2 rows, expected 1"):
        bits_of(Inputs(("C",), {"morgan": block}), config())

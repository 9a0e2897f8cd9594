"""Modalities masked while learning: the columns named, in a share of the rows, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.nn.modality_dropout import masked, masked_sparse

torch = pytest.importorskip("torch")

MODALITIES = (slice(2, 5), slice(5, 6))


def test_each_modality_is_zero_in_a_share_of_the_rows() -> None:
    x = torch.ones(4000, 7)
    torch.manual_seed(0)
    read = masked(x, MODALITIES, 0.25)
    assert x.eq(1).all()
    assert read[:, [0, 1, 6]].eq(1).all()
    first, second = read[:, 2] == 0, read[:, 5] == 0
    assert (read[:, 2:5].sum(dim=1) == torch.where(first, 0, 3)).all()
    for share in (first, second):
        assert share.float().mean().item() == pytest.approx(0.25, abs=0.03)
    both = (first & second).float().mean().item()
    assert both == pytest.approx(0.0625, abs=0.015)  # drawn apart
    assert not torch.equal(masked(x, MODALITIES, 0.25), read)


def test_a_sparse_matrix_loses_the_same() -> None:
    x = np.random.default_rng(0).integers(0, 3, (200, 7)).astype(np.float32)
    kept = sparse.csr_array(x)
    torch.manual_seed(1)
    read = masked_sparse(kept, MODALITIES, 0.5)
    torch.manual_seed(1)
    lost = np.stack([(torch.rand(200) < 0.5).numpy() for _ in MODALITIES])
    expected = x.copy()
    for rows, columns in zip(lost, MODALITIES, strict=True):
        expected[rows, columns] = 0.0
    np.testing.assert_array_equal(read.toarray(), expected)
    np.testing.assert_array_equal(kept.toarray(), x)


def test_without_a_modality_nothing_is_drawn() -> None:
    x = torch.ones(3, 2)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    assert masked(x, (), 0.5).eq(x).all()
    assert masked_sparse(sparse.csr_array(x.numpy()), (), 0.5).nnz == 6
    assert torch.rand(1).equal(expected)

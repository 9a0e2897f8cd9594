"""A molecule's own cell read-outs as an input of the head: observed, or borrowed and marked so.

Only `chmr.cell-input` reads them. Where a molecule has no read-out of its own, its structural
neighbours among the *training* molecules lend theirs (one step of eq. 1); two flags say which of
both it is, and where nobody lends, both are 0.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from chmr_bench import DataError, FitContext, Inputs
from chmr_bench.cells.neighbours import nearest
from chmr_bench.cells.propagation import borrow
from chmr_bench.nn.steps import one_thread
from chmr_bench.types import BoolArray, FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.embedding import network_of
from chmr_bench_chmr.weights import sha256_of


class CellReader:
    """Projects the read-outs of molecules; `train` are those that may lend theirs.

    Raises
    ------
    DataError : the dataset has no cell read-out that the weights know.
    """

    def __init__(self, train: Inputs, config: ChmrConfig, context: FitContext) -> None:
        if context.weights is None:
            raise DataError("cell read-outs are projected by pretrained weights; there are none")
        self.network, _ = network_of(context.weights, sha256_of(context.weights))
        self.neighbours, self.n_jobs = config.neighbours, context.n_jobs
        known = {cell.name: cell.d for cell in self.network.shape.cells}
        self.names = [n for n, d in known.items() if n in train.blocks and _width(train, n) == d]
        if not self.names:
            raise DataError(
                f"the dataset has the read-outs {sorted(n for n in train.blocks if n in known)} "
                f"and the weights know {sorted(known)}, in these widths; none is common to both: "
                "choose a dataset that comes with cell read-outs"
            )
        self.bits = _bits(train)
        self.lenders = {name: self._standardised(train, name) for name in self.names}

    def read(self, inputs: Inputs) -> FloatArray:
        """Return (n, m (h + 2)) float32: per modality the projection, observed, borrowed."""
        parts: list[FloatArray] = []
        for name in self.names:
            x, observed = self._standardised(inputs, name)
            lent, borrowed = self._borrowed(inputs, name)
            borrowed &= ~observed
            x = np.where(observed[:, None], x, np.where(borrowed[:, None], lent, 0.0))
            with one_thread(), torch.inference_mode():
                values = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
                p = self.network.cpu().project(name, values).numpy()
            p = np.where((observed | borrowed)[:, None], p, 0.0)
            parts += [p, observed[:, None].astype(np.float32), borrowed[:, None].astype(np.float32)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _standardised(self, inputs: Inputs, name: str) -> tuple[FloatArray, BoolArray]:
        """Return the read-outs in the network's scale, 0 where not observed, and who has them."""
        block = inputs.matrix(name)
        raw = torch.from_numpy(np.asarray(block.values, dtype=np.float32))
        values = self.network.standardise(name, raw).numpy()
        x: FloatArray = np.where(block.observed[:, None], np.nan_to_num(values), 0.0)
        return x, block.observed

    def _borrowed(self, inputs: Inputs, name: str) -> tuple[FloatArray, BoolArray]:
        """Return what the training molecules lend, and who is lent anything."""
        values, observed = self.lenders[name]
        k = min(self.neighbours, len(observed))
        near = nearest(self.bits, k, queries=_bits(inputs), exclude_self=False, n_jobs=self.n_jobs)
        lent = borrow(values.astype(np.float32), observed, near)
        return np.nan_to_num(lent.values), lent.reached


def _bits(inputs: Inputs) -> sparse.csr_array:
    return sparse.csr_array(reading.bits_of(inputs).astype(np.uint8))


def _width(inputs: Inputs, name: str) -> int:
    return int(inputs.matrix(name).values.shape[1])

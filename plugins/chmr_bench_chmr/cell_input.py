"""A molecule's own cell read-outs as an input of the head: observed, or imputed and marked so.

Only `chmr.cell-input` reads them. Where a molecule has no read-out of its own, its structural
neighbours among the *training* molecules impute it (one step of eq. 1); two flags say which of both
it is, and where no neighbour has one, both are 0. Of a read-out measured in part the network reads
the entries that there are and which they are, and the flags are their share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from scipy import sparse

from chmr_bench import DataError, FitContext, Inputs
from chmr_bench.cells.propagation import borrow
from chmr_bench.features.profiles import CLIP
from chmr_bench.features.tanimoto import nearest
from chmr_bench.nn.trainer import one_thread
from chmr_bench.types import BoolArray, FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.cell_state import CellState, Views
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.weights import WEIGHTS_FILE


class CellReader:
    """Projects the read-outs of molecules; others are imputed from `train`.

    Where the weights know no read-out, or no training molecule has one, since all of them were
    masked on purpose, there is nothing to project: `names` is empty.

    Raises
    ------
    DataError
        The dataset has no cell read-out that the weights know.
    """

    def __init__(self, train: Inputs, config: ChmrConfig, context: FitContext) -> None:
        why = "cell read-outs are projected by pretrained weights; there are none"
        self.network, *_ = WEIGHTS_FILE.of_context(context, why)
        self.network.cpu()
        self.neighbours, self.n_jobs = config.neighbours, context.n_jobs
        known = {cell.name: cell.d for cell in self.network.shape.cells}
        self.names = [n for n, d in known.items() if n in train.blocks and _width(train, n) == d]
        if not self.names and known and not _all_masked(train, config):
            raise DataError(
                f"the dataset has the read-outs {_widths(train, known)} and the weights know "
                f"{known} (columns of each); none is common to both: choose a dataset that comes "
                "with the read-outs the weights were pretrained on, and a model that is given "
                "them (chmr.cell-input)"
            )
        if not self.names:
            context.log.warning("nobody has a cell read-out: structure alone is read")
        self.bits = _bits(train)
        self.in_part = {cell.name for cell in self.network.shape.cells if cell.in_part}
        self.donors = {name: self._standardised(train, name) for name in self.names}

    def read(self, inputs: Inputs, readouts: FloatArray | None) -> dict[str, FloatArray]:
        """Return what the head may read of n molecules: no ``cells`` where `names` is empty.

        Parameters
        ----------
        readouts : FloatArray | None
            (n, q) predicted from structure, as `embedding.embed` gives them; None where the weights
            know no read-out.

        Returns
        -------
        dict of str to FloatArray
            ``cells``: (n, m (h + 2)) float32, the projections, and per modality observed, imputed.
            ``state``: (n, f) float32, the cell state given the structure and the molecule's own
            read-outs, where the weights know one; what is imputed says nothing more of it.
        """
        self.network.cpu()  # embedding the molecules may have moved it
        flags: list[FloatArray] = []
        latents: dict[str, FloatArray] = {}
        own: dict[str, tuple[FloatArray, BoolArray]] = {}
        for name in self.names:
            own[name] = self._standardised(inputs, name)
            read = self._read_entries if name in self.in_part else self._read_rows
            latents[name], observed, imputed = read(name, *own[name], *self._imputed(inputs, name))
            flags += [observed, imputed]
        values: dict[str, FloatArray] = {}
        if self.names:
            marks = np.stack(flags, axis=1).astype(np.float32)  # (n, 2 m)
            cells = np.concatenate([*latents.values(), marks], axis=1)
            values["cells"] = cells.astype(np.float32)
        if self.network.state is not None and readouts is not None:
            values["state"] = _state(self.network.state, readouts, own)
        return values

    def _read_rows(
        self, name: str, x: FloatArray, observed: BoolArray, values: FloatArray, imputed: BoolArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the projections (n, h), and who has own read-outs, and who imputed ones, (n,)."""
        imputed = imputed & ~observed
        x = np.where(observed[:, None], x, np.where(imputed[:, None], values, 0.0))
        p = np.where((observed | imputed)[:, None], self._projected(name, x), 0.0)
        return p, observed.astype(np.float32), imputed.astype(np.float32)

    def _read_entries(
        self, name: str, x: FloatArray, observed: BoolArray, values: FloatArray, imputed: BoolArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the same of a modality measured in part, with (n, d) entries, and their shares."""
        rows = observed.any(axis=1, keepdims=True)
        imputed = imputed & ~rows  # nothing is put between what was measured
        entries = observed | imputed
        p = self._projected(name, np.where(observed, x, np.where(imputed, values, 0.0)), entries)
        p = np.where(entries.any(axis=1, keepdims=True), p, 0.0)
        return p, observed.mean(axis=1), imputed.mean(axis=1)

    def _projected(self, name: str, x: FloatArray, entries: BoolArray | None = None) -> FloatArray:
        with one_thread(), torch.inference_mode():
            values = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
            known = None if entries is None else torch.from_numpy(entries)
            return np.asarray(self.network.project(name, values, known).numpy())

    def _standardised(self, inputs: Inputs, name: str) -> tuple[FloatArray, BoolArray]:
        """Return the read-outs in the network's scale, 0 where not observed, and who has them.

        That is (n,), or (n, d) where the network reads the modality in part.
        """
        block = inputs.matrix(name).settled()
        raw = torch.from_numpy(np.asarray(block.values, dtype=np.float32))
        values = self.network.standardise(name, raw).numpy()
        values = np.clip(np.nan_to_num(values), -CLIP, CLIP)  # as while learning
        if name in self.in_part:
            entries = block.entries
            return np.asarray(np.where(entries, values, 0.0)), entries
        observed = block.complete_rows(name, "a network that learnt from full ones")
        x: FloatArray = np.where(observed[:, None], values, 0.0)
        return x, observed

    def _imputed(self, inputs: Inputs, name: str) -> tuple[FloatArray, BoolArray]:
        """Return the neighbours' means, and which molecules have one."""
        values, observed = self.donors[name]
        k = min(self.neighbours, len(observed))
        near = nearest(self.bits, k, queries=_bits(inputs), n_jobs=self.n_jobs)
        means = borrow(values.astype(np.float32), observed, near)
        return np.nan_to_num(means.values), means.reached


def _state(
    state: CellState, readouts: FloatArray, own: Mapping[str, tuple[FloatArray, BoolArray]]
) -> FloatArray:
    """Return (n, f) float32; a modality the dataset lacks is observed in no molecule."""
    n = len(readouts)
    x, observed = {}, {}
    for name, d in state.cells.items():
        values, seen = own.get(name, (np.zeros((n, d)), np.zeros(n, dtype=np.bool_)))
        x[name], observed[name] = torch.from_numpy(values), torch.from_numpy(seen)
    with one_thread(), torch.inference_mode():
        values = state(Views(torch.from_numpy(readouts), x, observed))
    return np.asarray(values.numpy(), dtype=np.float32)


def _all_masked(inputs: Inputs, config: ChmrConfig) -> bool:
    """Return whether there are cell read-outs, and no molecule has one."""
    cells = set(inputs.blocks) - set(reading.requests(config))
    return bool(cells) and not any(inputs.blocks[name].observed.any() for name in cells)


def _bits(inputs: Inputs) -> sparse.csr_array:
    return sparse.csr_array(reading.bits_of(inputs).astype(np.uint8))


def _widths(inputs: Inputs, names: Iterable[str]) -> dict[str, int]:
    return {name: _width(inputs, name) for name in names if name in inputs.blocks}


def _width(inputs: Inputs, name: str) -> int:
    return int(inputs.matrix(name).values.shape[1])

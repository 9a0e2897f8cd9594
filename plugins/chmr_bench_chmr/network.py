"""The network of CHMR: encoders of a molecule, projectors into a shared space, decoders, tree.

Equation numbers are those of arXiv 2511.21120. Everything here takes *standardised* cell and
geometry values; `ChmrNetwork.standardise` makes them from raw ones with the network's own scales,
so that a file of its tensors is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from chmr_bench.errors import DataError, SettingError, UnknownNameError
from chmr_bench.nn.gnn import GinVirtualNode
from chmr_bench_chmr.cell_state import CellState
from chmr_bench_chmr.shape import FINGERPRINT, GEOMETRY, GRAPH, MOLECULE, NetworkShape
from chmr_bench_chmr.tree_vq import Codes, FlatVQ, TreeVQ


class ChmrNetwork(nn.Module):
    """Encoders, projectors (p = f(x), eq. 2), decoders (eq. 10) and the tree (eq. 5 to 9)."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        h = shape.hidden
        self.graph_encoder = GinVirtualNode(h, shape.layers, shape.dropout)
        widths = {FINGERPRINT: shape.fingerprint, GRAPH: h}
        scaled = {cell.name: cell.d for cell in shape.cells}
        if shape.geometry:
            scaled = {GEOMETRY: shape.geometry, **scaled}
        self._in_part = frozenset(cell.name for cell in shape.cells if cell.in_part)
        self.projectors = nn.ModuleDict(
            {
                _key(n): _projector(
                    2 * d if n in self._in_part else d, h, shape.latent_dropout, self._inner(n)
                )
                for n, d in (widths | scaled).items()
            }
        )
        targets = {MOLECULE: shape.target_bits or shape.fingerprint} if shape.decodes_bits else {}
        known_parts = (*shape.cells, *shape.genes, *shape.assays)
        targets |= {known.name: known.d for known in known_parts}
        self.decoders = nn.ModuleDict(
            {
                _key(n): _decoder(h, shape.decoder_hidden, d, shape.dropout)
                for n, d in targets.items()
            }
        )
        self.scales = nn.ModuleDict({_key(n): Scale(d) for n, d in scaled.items()})
        self.tree: TreeVQ | FlatVQ | None = _tree(shape)
        self.state: CellState | None = None
        if shape.state:
            full = (cell for cell in shape.cells if not (cell.binary or cell.in_part))
            known = {cell.name: cell.d for cell in full}
            self.state = CellState(sum(cell.d for cell in shape.cells), known, shape.state)

    def drop_bit_decoder(self) -> None:
        """Leave out the decoder of molecular bits: a third of all parameters, for pretraining."""
        if self.shape.decodes_bits:
            del self.decoders[_key(MOLECULE)]
            self.shape = replace(self.shape, decodes_bits=False)

    def _inner(self, name: str) -> int:
        return self.shape.fingerprint_hidden if name == FINGERPRINT else 0

    def encode(
        self,
        fingerprint: Tensor,
        graph: Batch,
        geometry: Tensor | None = None,
        geometry_observed: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the projected molecular modalities, name -> (b, h).

        Parameters
        ----------
        fingerprint : Tensor
            (b, d) bits in any numeric type.
        geometry : Tensor | None
            (b, d) standardised; rows that are not observed may hold anything, NaN included.
        geometry_observed : Tensor | None
            (b,) bool; none given = all.
        """
        latents = {
            FINGERPRINT: self.project(FINGERPRINT, fingerprint),
            GRAPH: self.project(GRAPH, self.graph_encoder(graph)),
        }
        if self.shape.geometry:
            if geometry is None:
                raise DataError("the network has a geometry modality: encode() needs `geometry`")
            if geometry_observed is not None:
                geometry = torch.where(geometry_observed[:, None], geometry, 0.0)
            latents[GEOMETRY] = self.project(GEOMETRY, geometry)
        return latents

    def anchor(
        self, latents: Mapping[str, Tensor], observed: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the sum of the molecular latents, (b, h); what is not observed adds nothing.

        Parameters
        ----------
        observed : Mapping[str, Tensor] | None
            Name -> (b,) bool; a modality not named is observed in all molecules.
        """
        parts = []
        for name in self.shape.molecular:
            p = latents[name]
            rows = (observed or {}).get(name)
            parts.append(p if rows is None else torch.where(rows[:, None], p, 0.0))
        return torch.stack(parts).sum(0)

    def project(self, name: str, x: Tensor, entries: Tensor | None = None) -> Tensor:
        """Return p = f(x) of one modality, (b, d) -> (b, h) (eq. 2).

        Parameters
        ----------
        entries : Tensor | None
            (b, d) bool, what was measured: needed where the modality is measured in part, whose
            projector reads it beside x; x may hold anything elsewhere, NaN included.
        """
        module, x = self._of(self.projectors, name), x.to(self._dtype())
        if name in self._in_part:
            if entries is None:
                raise DataError(f"{name} is measured in part: project() needs `entries`")
            x = torch.cat([torch.where(entries, x, 0.0), entries.to(x.dtype)], dim=1)  # (b, 2 d)
        projected: Tensor = module(x)
        return projected

    def decode(self, name: str, z: Tensor) -> Tensor:
        """Return g(z), (b, h) -> (b, d): logits of bits or standardised values (eq. 10)."""
        decoded: Tensor = self._of(self.decoders, name)(z)
        return decoded

    def standardise(self, name: str, values: Tensor) -> Tensor:
        """Return (values - mean) / sd with the network's scale of a modality; NaN stays NaN."""
        scaled: Tensor = self._of(self.scales, name)(values)
        return scaled

    def set_scale(self, name: str, mean: Tensor, sd: Tensor) -> None:
        """Store the mean and standard deviation, (d,) each, of a modality's columns."""
        scale = self._of(self.scales, name)
        scale.get_buffer("mean").copy_(mean)
        scale.get_buffer("sd").copy_(torch.where(sd > 0, sd, 1.0))

    def codes(self, p: Tensor) -> Codes:
        """Return the tree codes of (b, h) latents; SettingError where the network has no tree."""
        if self.tree is None:
            raise SettingError("the network has no tree: it was made with tree = 'none'")
        codes: Codes = self.tree(p)
        return codes

    def readouts(self, anchor: Tensor) -> Tensor:
        """Return every read-out as predicted from the anchor, (b, h) -> (b, sum of d)."""
        return torch.cat([self.decode(cell.name, anchor) for cell in self.shape.cells], dim=1)

    def _of(self, modules: nn.ModuleDict, name: str) -> nn.Module:
        if _key(name) not in modules:
            known = [key[1:].replace(":", ".") for key in modules]
            raise UnknownNameError("modality of the network", name, known)
        return modules[_key(name)]

    def _dtype(self) -> torch.dtype:
        return self.graph_encoder.atom_table.dtype


class Scale(nn.Module):
    """Mean and standard deviation of each column, kept with the weights."""

    mean: Tensor
    sd: Tensor

    def __init__(self, d: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("sd", torch.ones(d))

    def forward(self, values: Tensor) -> Tensor:
        """Return the standardised values."""
        return (values.to(self.mean.dtype) - self.mean) / self.sd


def _key(name: str) -> str:
    """Return a modality's key in a ModuleDict: no dot, and no name of a method."""
    return "_" + name.replace(".", ":")


def _projector(d: int, hidden: int, dropout: float, inner: int) -> nn.Sequential:
    """Return LayerNorm, Linear, SiLU (eq. 2); before them a hidden layer where `inner` is not 0."""
    first: list[nn.Module] = [nn.LayerNorm(d)]
    if inner:
        first += [nn.Linear(d, inner), nn.SiLU(), nn.Dropout(dropout)]
    return nn.Sequential(*first, nn.Linear(inner or d, hidden), nn.SiLU(), nn.Dropout(dropout))


def _decoder(hidden: int, wide: int, d: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(hidden),
        nn.Linear(hidden, wide),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(wide, d),
    )


def _tree(shape: NetworkShape) -> TreeVQ | FlatVQ | None:
    if shape.tree == "none":
        return None
    return (TreeVQ if shape.tree == "tree" else FlatVQ)(shape.hidden, shape.depth)

"""The objective of CHMR's pretraining: L = L_CPR + lambda1 L_SCA + lambda2 L_TreeVQ.

Equation numbers are those of arXiv 2511.21120. Only what was observed enters; what was filled in
serves as the second view of distribution alignment alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from chmr_bench.nn.losses import Bounds, info_nce, nothing, reconstruction, vicreg
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import MOLECULE
from chmr_bench_chmr.tree_vq import code_to_sample_loss, tree_loss

NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class StepInputs:
    """One batch of b molecules as the objective reads it.

    Attributes
    ----------
    latents : Mapping[str, Tensor]
        Molecular modality -> (b, h), as `ChmrNetwork.encode` gives them.
    observed : Mapping[str, Tensor]
        Modality -> (b,) bool, for every cell modality; a molecular modality that is not named is
        observed in all molecules.
    cells : Mapping[str, Tensor]
        Cell modality -> (b, d) standardised; rows not observed may hold NaN.
    augmented : Mapping[str, Tensor]
        Cell modality -> (b, d), the second view of eq. 3; rows with a NaN have none. For an
        observed row it should be what its neighbours say: eq. 1 leaves such a row as it was, and a
        view equal to the first aligns nothing.
    walks : Mapping[str, WalkTargets]
        ``molecule``, a cell modality or what is known of genes -> what walks met; labelled assays
        -> those of the molecules themselves.
    entries : Mapping[str, Tensor]
        Cell modality measured in part -> (b, d) bool. Its terms weigh a molecule by the share of
        the entries it has.
    bounds : Mapping[str, Bounds]
        Cell modality -> where its numbers are censored: a prediction beyond is no error.
    """

    latents: Mapping[str, Tensor]
    observed: Mapping[str, Tensor]
    cells: Mapping[str, Tensor] = field(default_factory=dict)
    augmented: Mapping[str, Tensor] = field(default_factory=dict)
    walks: Mapping[str, WalkTargets] = field(default_factory=dict)
    entries: Mapping[str, Tensor] = field(default_factory=dict)
    bounds: Mapping[str, Bounds] = field(default_factory=dict)


@dataclass(frozen=True)
class _Projected:
    """A cell modality of the molecules that have it: `rows` (k,) of the batch, `p` (k, h).

    Where it is measured in part `entries` (k, d) says what of `x` (k, d) was measured.
    """

    rows: Tensor
    x: Tensor
    p: Tensor
    entries: Tensor | None = None

    @property
    def weight(self) -> Tensor | None:
        """(k,) share of the entries that a molecule has, never 0; None = all have all."""
        return None if self.entries is None else _share(self.entries)

    @property
    def target(self) -> Tensor:
        """(k, d) the read-outs, NaN where nothing was measured."""
        return self.x if self.entries is None else torch.where(self.entries, self.x, torch.nan)


def objective(
    network: ChmrNetwork,
    config: PretrainConfig,
    step: StepInputs,
    weights: Mapping[str, float] = NO_WEIGHTS,
) -> dict[str, Tensor]:
    """Return the loss terms by name, unweighted scalars, and ``total``.

    Names are ``instance_alignment.CELL``, ``distribution_alignment.CELL``, ``reconstruction.KIND``
    (from the anchor), ``own.CELL`` (an observed profile from its own latent) and ``tree``.
    Terms of one kind are summed over modalities; those of the tree are their mean (eq. 9).

    With `as_published`, every row counts as observed (a missing one is the mean), the cell
    decoders read their own latents instead of the anchor, and the tree has the extra term.

    Parameters
    ----------
    weights : Mapping[str, float]
        What the terms of a cell modality are multiplied by in the total; 1 where it is not named.
    """
    anchor = network.anchor(step.latents, step.observed)  # (b, h)
    cells = {name: _projected(network, config, step, name) for name in step.cells}
    terms = _alignment(network, config, step, anchor, cells)
    sca = _sum(anchor, terms, weights)
    cpr: dict[str, Tensor] = {}
    if config.reconstruction:
        cpr = _reconstruction(network, config, step, anchor, cells)
    terms |= cpr
    total = _sum(anchor, cpr, weights) + config.sca_weight * sca
    if network.tree is not None:
        terms["tree"] = _tree(network, config, step, cells)
        total = total + config.tree_weight * terms["tree"]
    return {**terms, "total": total}


def _projected(
    network: ChmrNetwork, config: PretrainConfig, step: StepInputs, name: str
) -> _Projected:
    observed, x = step.observed[name], step.cells[name]
    if config.as_published:
        rows = torch.arange(len(x), device=x.device)
        x = torch.where(observed[:, None], x, 0.0)
    else:
        rows = observed.nonzero().squeeze(1)
        x = x.index_select(0, rows)
    entries = step.entries.get(name)
    if entries is not None:
        entries = entries.index_select(0, rows)
    return _Projected(rows, x, network.project(name, x, entries), entries)


def _alignment(
    network: ChmrNetwork,
    config: PretrainConfig,
    step: StepInputs,
    anchor: Tensor,
    cells: Mapping[str, _Projected],
) -> dict[str, Tensor]:
    """Return the terms of L_SCA: InfoNCE (eq. 2) and VICReg (eq. 3)."""
    terms = {}
    for name, cell in cells.items():
        if config.instance_alignment:
            partner = anchor.index_select(0, cell.rows)
            terms[f"instance_alignment.{name}"] = info_nce(
                partner, cell.p, config.temperature, cell.weight
            )
        if config.distribution_alignment and name in step.augmented:
            second = step.augmented[name].index_select(0, cell.rows)
            terms[f"distribution_alignment.{name}"] = _views_alike(network, name, cell, second)
    return terms


def _views_alike(network: ChmrNetwork, name: str, cell: _Projected, second: Tensor) -> Tensor:
    """Return VICReg of both views (eq. 3), of the molecules that have a second one.

    In part, the second view is read where the first is known: the views differ by their numbers,
    not by which of them there are.
    """
    known = torch.isfinite(second)  # (k, d)
    if cell.entries is None:
        there = known.all(1).nonzero().squeeze(1)
        view = network.project(name, second.index_select(0, there))
        return vicreg(cell.p.index_select(0, there), view)
    known = known & cell.entries
    there = known.any(1).nonzero().squeeze(1)
    known = known.index_select(0, there)
    view = network.project(name, second.index_select(0, there), known)
    return vicreg(cell.p.index_select(0, there), view, rows=_share(known))


def _share(entries: Tensor) -> Tensor:
    """Return the share of the entries (k, d) that are there, (k,), one at least counting."""
    return entries.float().mean(1).clamp(min=1 / entries.shape[1])


def _reconstruction(
    network: ChmrNetwork,
    config: PretrainConfig,
    step: StepInputs,
    anchor: Tensor,
    cells: Mapping[str, _Projected],
) -> dict[str, Tensor]:
    """Return the terms of L_CPR (eq. 10 and 11): the anchor gets cell supervision."""
    shape = network.shape
    known = (*shape.cells, *shape.genes, *shape.assays)
    binary = {MOLECULE: True} | {modality.name: modality.binary for modality in known}
    terms = {}
    for kind, walk in step.walks.items():
        source = anchor
        if config.as_published and kind in cells:
            source = cells[kind].p  # (b, h): every row counts as observed
        once, place = torch.unique(walk.molecule, return_inverse=True)  # decode a molecule once
        given = network.decode(kind, source.index_select(0, once)).index_select(0, place)  # (k, d)
        terms[f"reconstruction.{kind}"] = reconstruction(
            given, walk.target, walk.weight, binary=binary[kind], bounds=walk.bounds
        )
    if not config.as_published:
        for name, cell in cells.items():
            given = network.decode(name, cell.p)
            weight = torch.ones(len(given), device=given.device)
            terms[f"own.{name}"] = reconstruction(
                given, cell.target, weight, binary=binary[name], bounds=step.bounds.get(name)
            )
    return terms


def _tree(
    network: ChmrNetwork,
    config: PretrainConfig,
    step: StepInputs,
    cells: Mapping[str, _Projected],
) -> Tensor:
    """Return L_TreeVQ, the mean over modalities (eq. 9); a modality nobody has does not count."""
    latents = [(_seen(step, name), None) for name in network.shape.molecular]
    everything = [*latents, *((cell.p, cell.weight) for cell in cells.values())]
    terms = []
    for p, weight in everything:
        if not len(p):
            continue
        codes = network.codes(p)
        loss = tree_loss(p, codes, config.commitment, weight)
        if config.as_published and network.tree is not None:
            loss = loss + code_to_sample_loss(network.tree, p, codes)
        terms.append(loss)
    return torch.stack(terms).mean() if terms else nothing(*step.latents.values())


def _seen(step: StepInputs, name: str) -> Tensor:
    """Return a molecular modality's latents of the molecules that have it."""
    p, observed = step.latents[name], step.observed.get(name)
    return p if observed is None else p.index_select(0, observed.nonzero().squeeze(1))


def _sum(anchor: Tensor, terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the sum of terms KIND.MODALITY, each times the weight of its modality."""
    if not terms:
        return nothing(anchor)
    weighed = [weights.get(n.partition(".")[2], 1.0) * term for n, term in terms.items()]
    return torch.stack(weighed).sum()

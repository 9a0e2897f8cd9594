"""The shape of CHMR's network: its modalities and widths, as a weights file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chmr_bench.errors import SettingError

FINGERPRINT, GRAPH, GEOMETRY, MOLECULE = "fingerprint", "graph", "geometry", "molecule"
"""The molecular modalities, and the name of the decoder of molecular bits."""

PARTS = ("cells", "genes", "assays")


@dataclass(frozen=True)
class Modality:
    """A modality: `d` columns, binary (zeros and ones) or continuous.

    Of one measured in part the projector reads which entries were measured, too.
    """

    name: str
    d: int
    binary: bool = False
    in_part: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-able values; measured in full as it was before others were read."""
        values = asdict(self)
        return values if self.in_part else {n: v for n, v in values.items() if n != "in_part"}


@dataclass(frozen=True)
class NetworkShape:
    """All that is needed to build the network; JSON-able through `to_json` and `from_json`.

    Attributes
    ----------
    fingerprint : int
        Width of the bits.
    geometry : int
        Of the 3D descriptors, 0 = no such modality.
    cells : tuple[Modality, ...]
        The cell modalities, each with a projector and a decoder.
    genes : tuple[Modality, ...]
        What is known of the genes on the walks, each with a decoder.
    assays : tuple[Modality, ...]
        Labelled assays, each block with a decoder: targets, no views of a cell.
    target_bits : int
        Width of the bits the molecule decoder gives; 0 = as `fingerprint`.
    fingerprint_hidden : int
        Width of a hidden layer in the projector of the bits; 0 = none.
    latent_dropout : float
        Dropout of every projected modality.
    state : int
        Factors of the cell state that `cell_state` learns; 0 = none.
    decodes_bits : bool
        The anchor is decoded into molecular bits, which pretraining alone needs.
    """

    fingerprint: int
    geometry: int = 0
    cells: tuple[Modality, ...] = ()
    hidden: int = 300
    layers: int = 5
    dropout: float = 0.5
    decoder_hidden: int = 1200
    tree: Literal["tree", "flat", "none"] = "tree"
    depth: int = 6
    target_bits: int = 0
    fingerprint_hidden: int = 0
    latent_dropout: float = 0.0
    state: int = 0
    genes: tuple[Modality, ...] = ()
    assays: tuple[Modality, ...] = ()
    decodes_bits: bool = True

    def __post_init__(self) -> None:
        names = [known.name for known in (*self.cells, *self.genes, *self.assays)]
        taken = {FINGERPRINT, GRAPH, GEOMETRY, MOLECULE} & set(names)
        if len(set(names)) < len(names) or taken:
            raise SettingError(
                f"the cell modalities of a network (and its genes') are {names}; the names must "
                f"differ from each other and from {FINGERPRINT!r}, {GRAPH!r}, {GEOMETRY!r} and "
                f"{MOLECULE!r}"
            )

    @property
    def molecular(self) -> tuple[str, ...]:
        """Names of the molecular modalities."""
        return (FINGERPRINT, GRAPH, GEOMETRY) if self.geometry else (FINGERPRINT, GRAPH)

    def to_json(self) -> dict[str, Any]:
        """Return the shape as JSON-able values; without genes, say, as before there were any."""
        values = asdict(self)
        for name in PARTS:
            values[name] = [modality.to_json() for modality in getattr(self, name)]
        if self.decodes_bits:
            del values["decodes_bits"]
        return {n: v for n, v in values.items() if v or n not in ("genes", "assays")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NetworkShape:
        """Return the shape that `to_json` wrote."""
        parts = {n: tuple(Modality(**m) for m in values.get(n, ())) for n in PARTS}
        return cls(**{**values, **parts})

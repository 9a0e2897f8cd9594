"""The records of an SD file, each read by itself: a broken one takes no other with it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

END = "$$$$"
"""How the line begins that ends a record."""


def read_records(text: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield the number of each record, from 1, and what it holds, or why it cannot be used.

    What it holds are its properties, its name, and a SMILES made of the structure. RDKit's own
    reader of whole files loses the neighbour of a record that it cannot read.

    Examples
    --------
    >>> list(read_records("no structure\\n$$$$\\n"))
    [(1, 'RDKit cannot read this record')]
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        for number, block in enumerate(_blocks(text), 1):
            if not block.removesuffix(END).strip():
                yield number, "this record is blank"
                continue
            mol: Any = next(Chem.ForwardSDMolSupplier(io.BytesIO(block.encode())), None)
            if mol is None:
                yield number, "RDKit cannot read this record"
            elif not mol.GetNumAtoms():
                yield number, "this record has no atoms"
            else:
                # A property of that name may be of another molecule: the structure counts.
                kept = (name for name in mol.GetPropNames() if name != "smiles")
                own = {name: mol.GetProp(name) for name in kept}
                name = mol.GetProp("_Name") if mol.HasProp("_Name") else ""
                yield number, {"smiles": Chem.MolToSmiles(mol), "name": name} | own


def _blocks(text: str) -> Iterator[str]:
    """Yield the text of each record up to its end; blank lines after the last are none."""
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith(END):
            yield "\n".join([*lines, END])
            lines = []
        else:
            lines.append(line)
    if any(line.strip() for line in lines):
        yield "\n".join(lines)

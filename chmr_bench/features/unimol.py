"""Uni-Mol's representation of a molecule in three dimensions (Zhou et al., ICLR 2023).

The network and its weights are those of the package `unimol_tools`, which downloads the weights
when they are first used; `pip install 'chmr-bench[unimol]'` installs it. The conformer is ours, so
that the fallback stated in `chmr_bench.features.conformers` holds here too: where it gives up, the
row is not observed.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rdkit import Chem

from chmr_bench.contracts import MatrixBlock
from chmr_bench.errors import FeatureError, MissingDependencyError, SettingError
from chmr_bench.features.conformers import check_seed, described_block, relax
from chmr_bench.types import FloatArray

WIDTH = 512
"""Of the representation of the [CLS] token."""
MAX_ATOMS = 256
"""With hydrogens; of a larger molecule Uni-Mol would keep a random part."""
DEVICES = ("cpu", "cuda")


def unimol(
    smiles: Sequence[str], remove_hydrogens: bool = False, device: str = "cpu", seed: int = 0
) -> MatrixBlock:
    """Return Uni-Mol's [CLS] representation of one conformer of each molecule, (n, 512) float32.

    The conformer is embedded with hydrogens and relaxed by MMFF94, as those that Uni-Mol learnt
    from. Molecules go through the network one by one: in a batch the last digits of one would
    depend on the others.

    Parameters
    ----------
    remove_hydrogens : bool
        Use the weights without hydrogens, and show the network heavy atoms alone.
    device : str
        ``cpu`` or ``cuda``.
    seed : int
        Of the embedding, at least 0.

    Raises
    ------
    MissingDependencyError
        `unimol_tools` is not installed.
    SettingError
        A setting's value does not fit.
    FeatureError
        `unimol_tools` gives something else than 512 finite numbers a molecule.
    """
    check_seed(seed)
    if device not in DEVICES:
        raise SettingError(f"setting 'device' is {device!r}; expected one of {', '.join(DEVICES)}")
    network = _network(remove_hydrogens, device)

    def describe(mol: Chem.Mol) -> FloatArray | None:
        shaped = _relaxed(mol, remove_hydrogens, seed)
        return None if shaped is None else _represented(network, shaped)

    names = tuple(f"unimol_{i}" for i in range(WIDTH))
    return replace(described_block(smiles, describe, WIDTH), names=names)


@functools.lru_cache(maxsize=1)
def _network(remove_hydrogens: bool, device: str) -> Any:
    """Return Uni-Mol with its weights; kept, since a feature is computed chunk by chunk."""
    try:
        from unimol_tools import UniMolRepr
    except ImportError as error:
        raise MissingDependencyError(
            f"feature 'unimol' needs the package 'unimol_tools', which cannot be imported ({error})"
            "; pip install 'chmr-bench[unimol]', or use the feature 'geometry', which needs no more"
        ) from error
    with _quiet():
        return UniMolRepr(
            data_type="molecule",
            batch_size=1,
            remove_hs=remove_hydrogens,
            model_name="unimolv1",
            use_cuda=device == "cuda",
        )


def _relaxed(mol: Chem.Mol, remove_hydrogens: bool, seed: int) -> Chem.Mol | None:
    """Return the molecule with a conformer that Uni-Mol can take; None where there is none."""
    # A large molecule's shape takes seconds: found only where hydrogens may yet make it small.
    shaped = relax(mol, seed, most=None if remove_hydrogens else MAX_ATOMS)
    if shaped is None:
        return None
    if remove_hydrogens:
        shaped = Chem.RemoveAllHs(shaped, sanitize=False)
    return shaped if shaped.GetNumAtoms() <= MAX_ATOMS else None


def _represented(network: Any, mol: Chem.Mol) -> FloatArray:
    """Return the representation of one molecule, (512,).

    Versions of `unimol_tools` differ: most read element symbols, some convert atomic numbers and
    fail on symbols, loudly. Symbols go first: numbers would silently be unknown to the former.
    """
    coordinates = mol.GetConformer().GetPositions().astype(np.float32)
    symbols = [atom.GetSymbol() for atom in mol.GetAtoms()]
    with _quiet():
        try:
            output = network.get_repr({"atoms": [symbols], "coordinates": [coordinates]})
        except ValueError:
            numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
            output = network.get_repr({"atoms": [numbers], "coordinates": [coordinates]})
    rows = output["cls_repr"] if isinstance(output, Mapping) else output
    values = np.asarray(rows, dtype=np.float64)
    if values.shape != (1, WIDTH) or not np.isfinite(values).all():
        raise FeatureError(
            f"unimol_tools gave an array of shape {values.shape}, or one that is not finite; "
            f"expected (1, {WIDTH}) finite numbers: another version of it may be needed"
        )
    return np.asarray(values[0])


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep the progress bars and messages of `unimol_tools` from the terminal."""
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        yield

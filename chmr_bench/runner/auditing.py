"""What an audit reads: a dataset, its split and names, fingerprints, what weights learnt from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chmr_bench import paths
from chmr_bench.audit import Audit, Subject, audit
from chmr_bench.contracts import Progress, no_progress
from chmr_bench.errors import UsageError
from chmr_bench.features import cache
from chmr_bench.features.groups import molecule_groups
from chmr_bench.runner.features import FINGERPRINT, bits_of, feature_of
from chmr_bench.runner.loading import LoadedDataset, SplitRequest
from chmr_bench.runner.weights import seen_hashes

SEEN, CARD = "seen.npy", "card.json"


@dataclass(frozen=True)
class Seen:
    """Molecules that weights learnt from.

    Attributes
    ----------
    title :
        The atlases, where the model cards say them, and how many weights.
    hashes :
        Sorted uint64 of `connectivity_hash`.
    n :
        Molecules, where a model card says it; else keys.
    """

    title: str
    hashes: Any
    n: int


def subject(
    data: LoadedDataset,
    split: SplitRequest,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
) -> Subject:
    """Return a dataset with its split and its molecules' names at each level, cached on disk."""
    step("connectivity")
    keys = data.keys(progress)
    step(f"split {split.method}")
    made = data.split(split)
    step("SMILES, parents and scaffolds")
    identities = cache.identities(
        data.dataset.smiles,
        n_jobs=data.n_jobs,
        progress=progress,
        cache=paths.feature_folder(),
    )
    step("salts, charges and tautomers")
    molecules = data.molecules(progress)
    named = [key or other for key, other in zip(keys, identities["smiles"], strict=True)]
    parents = [
        key or other for key, other in zip(molecules.parents, identities["parent"], strict=True)
    ]
    return Subject(
        spec=data.spec,
        dataset=data.dataset,
        digest=data.digest,
        split=made,
        method=split.method,
        seed=split.seed,
        molecules=molecules,
        names={
            "smiles": identities["smiles"],
            "parent": identities["parent"],
            "connectivity": named,
            "molecule": [str(group) for group in molecule_groups([named, parents]).tolist()],
            "scaffold": identities["scaffold"],
        },
    )


def examine(
    one: Subject,
    n_jobs: int,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
) -> Audit:
    """Return the audit of a subject; its fingerprints come from the cache of features."""
    step("fingerprints")
    bits = bits_of(feature_of(one.dataset.smiles, FINGERPRINT, n_jobs, progress))
    step("nearest training molecules")
    return audit(one, bits, n_jobs, progress)


def seen_by_weights(files: Sequence[Path] = ()) -> list[Seen]:
    """Return what weights learnt from, once where several learnt from the same molecules.

    Parameters
    ----------
    files :
        Weights files, each beside its ``seen.npy``; none = all below the home's weights folder.

    Raises
    ------
    UsageError
        A file is not there, or has no ``seen.npy`` beside it.
    DataError
        One is damaged.
    """
    if files:
        lists = [_beside(file) for file in files]
    else:
        lists = sorted(paths.weights_folder().rglob(SEEN))
    groups: dict[str, list[Path]] = {}
    for path in dict.fromkeys(lists):
        groups.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), []).append(path)
    return [_seen(group) for group in groups.values()]


def _seen(group: Sequence[Path]) -> Seen:
    hashes = seen_hashes(group[0])
    n = _atlas(group[0].parent / CARD).get("n_molecules")
    return Seen(_title(group), hashes, n if isinstance(n, int) else len(hashes))


def _beside(file: Path) -> Path:
    if not file.is_file():
        raise UsageError(f"--weights {file}: no such file")
    seen = file.parent / SEEN
    if not seen.is_file():
        raise UsageError(
            f"--weights {file}: there is no {SEEN} beside it, so what it learnt from is not known; "
            "name weights that chmr-bench pretrain made"
        )
    return seen


def _title(group: Sequence[Path]) -> str:
    """Return ``planted (3 weights files)``: the atlases of the cards, else the folder's name."""
    named = [_atlas(path.parent / CARD).get("atlases") for path in group]
    atlases = sorted({str(name) for names in named if isinstance(names, list) for name in names})
    first = " + ".join(atlases) or f"{group[0].parent.parent.name}/{group[0].parent.name}"
    return f"{first} ({len(group)} weights file{'s' * (len(group) > 1)})"


def _atlas(card: Path) -> dict[str, Any]:
    """Return what a model card says of the atlas; nothing where there is no card, or none in it."""
    try:
        atlas = json.loads(paths.read_bytes(card))["atlas"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return atlas if isinstance(atlas, dict) else {}

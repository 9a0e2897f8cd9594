"""The model card: what the weights were made from, how, on what, and what came of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from chmr_bench.nn.pretraining import files

if TYPE_CHECKING:
    from chmr_bench.nn.pretraining.learner import Learner

LOSS_FILES = (
    f"- `{files.LOSSES}`, from two epochs on `{files.FIGURE}`: every loss term of every epoch"
)
UNTRAINED = "A control: the encoder as initialised; nothing was learnt."


def circumstances(learner: Learner) -> dict[str, Any]:
    """Return what may differ between two makings of the very same weights: hardware and time."""
    standing = learner.standing
    steps = [row for row in standing.history if row["part"] == "train"]
    molecules = len(steps) * len(learner.material.train)
    seconds = standing.seconds
    cuda = learner.request.device == "cuda"
    return {
        "seconds": round(seconds, 1),
        "molecules_per_second": round(molecules / seconds, 1) if molecules and seconds else None,
        "sittings": standing.sittings,
        "peak_memory_mb": peak_memory_mb(),
        "peak_device_memory_mb": torch.cuda.max_memory_allocated() / 2**20 if cuda else None,
        "processor": platform.processor() or platform.machine(),
        "accelerator": torch.cuda.get_device_name() if cuda else None,
        "threads": learner.request.n_jobs,
        "torch": torch.__version__,
        "repeatable": not cuda,
    }


def peak_memory_mb() -> float | None:
    """Return the largest memory this process has held, MB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    scale = 2**20 if platform.system() == "Darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)


def write(
    folder: Path, info: Mapping[str, Any], made: Mapping[str, Any], sha256: str, readme: str
) -> None:
    """Write the card of the weights with this sha256 twice: for programs, and for people."""
    card = {**info, "made": dict(made), "sha256": sha256}
    text = json.dumps(card, indent=1, sort_keys=True) + "\n"
    files.write_atomically(folder / files.CARD_JSON, text.encode())
    files.write_atomically(folder / files.CARD, readme.encode())


def readme(
    title: str,
    what: str,
    info: Mapping[str, Any],
    made: Mapping[str, Any],
    more: Sequence[str],
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    title, what : str
        The model's name, and a sentence on what trained weights are.
    more : Sequence[str]
        Lines of its list that are this model's own.
    """
    config, untrained = info["config"], info["config"]["encoder"] == "random"
    epochs = f"- Epochs: {config['epochs']}; the weights are those of epoch {info['kept_epoch']}"
    lines = [
        f"# Pretrained weights of {title}",
        "",
        UNTRAINED if untrained else what,
        "",
        *_atlas_lines(info),
        *([] if untrained else [epochs]),
        *more,
        *_making_lines(info, made),
        "",
        "## Files",
        "",
        f"- `{files.WEIGHTS}`: the tensors, with shape, settings and features in the header",
        f"- `{files.SEEN}`: sorted 64-bit hashes of the keys of all molecules learnt from",
        *([LOSS_FILES] if info["losses"] else []),
        f"- `{files.CARD_JSON}`: all of this, and more, for programs",
        "",
        "## Settings",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {_shown(value)} |" for name, value in sorted(config.items())),
        *_loss_lines(info["losses"]),
    ]
    return "\n".join(lines) + "\n"


def _atlas_lines(info: Mapping[str, Any]) -> list[str]:
    """Return what was learnt from."""
    atlas, material = info["atlas"], info["material"]
    return [
        f"- Atlas: {', '.join(info['config']['atlas'])}, {material['n_molecules']} molecules, of "
        f"which {info['n_held_out']} held out to choose the epoch; digest `{info['data'][:16]}`"
        + ("; SYNTHETIC: the read-outs are simulated" if atlas.get("synthetic") else ""),
        f"- Test molecules of the benchmarks: {_left_out(atlas)}",
        *_cell_lines(material),
    ]


def _making_lines(info: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Return on what, and how fast, they were made."""
    return [
        f"- Seed {info['seed']}, {info['device']}, {info['precision']}",
        f"- Made in {made['seconds']} s at {made['molecules_per_second']} molecules a second, "
        f"{made['sittings']} sitting(s), {made['threads']} thread(s), "
        f"{made['accelerator'] or made['processor']}, torch {made['torch']}, "
        f"peak memory {made['peak_memory_mb']} MB",
    ]


def _left_out(atlas: Mapping[str, Any]) -> str:
    if atlas.get("transductive"):
        return "kept in the atlas (transductive), without their labels"
    return f"left out ({atlas.get('n_left_out', 'unknown')} of them were in the atlas)"


def _cell_lines(material: Mapping[str, Any]) -> list[str]:
    lines = [
        f"- Read-out {name}: {cell['observed']} molecules have it, {cell['columns']} columns"
        + (f", {cell['entries']} entries measured" if "entries" in cell else "")
        + (f"; {cell['not_reached']} have no second view" if "not_reached" in cell else "")
        for name, cell in material["cells"].items()
    ]
    lines += [
        f"- Labelled assays {name}: {block['observed']} molecules, {block['columns']} assays, "
        f"{block['entries']} values"
        for name, block in material.get("assays", {}).items()
    ]
    if "geometry_failed" in material:
        lines.append(f"- Without a 3D shape: {material['geometry_failed']} molecules")
    return lines


def _loss_lines(losses: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a table of the loss terms at the epoch that is kept."""
    parts = list(losses)
    if not parts:
        return []
    head = ["", "## Losses at the kept epoch", ""]
    head += ["| term | " + " | ".join(parts) + " |", "|---" * (len(parts) + 1) + "|"]
    terms = sorted(losses[parts[0]], key=lambda term: (term != "total", term))
    return head + [
        f"| {term} | " + " | ".join(f"{losses[part][term]:.4f}" for part in parts) + " |"
        for term in terms
    ]


def _shown(value: Any) -> str:
    return f"`{json.dumps(value)}`"

"""What the card of CHMR's weights says beside what every card says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chmr_bench.nn.pretraining import card

WHAT = (
    "An encoder of molecules that learnt from cell read-outs, after arXiv 2511.21120 "
    "(made by `chmr-bench pretrain`). Research use; what it learnt is that of its atlas."
)


def readme(info: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    more = _tree_lines(made["tree"]) + _state_lines(made["cell_state"])
    return card.readme("CHMR", WHAT, info, made, more)


def _tree_lines(levels: Sequence[Mapping[str, Any]]) -> list[str]:
    if not levels:
        return []
    levels_used = ", ".join(
        f"{at['used']} of {at['codes']} ({at['perplexity']:g})" for at in levels
    )
    return [f"- Codes used by level of the tree, and their perplexity: {levels_used}"]


def _state_lines(state: Mapping[str, float]) -> list[str]:
    if not state:
        return []
    return [
        f"- Cell state: by {state['held_out']} molecules held out, what structure predicts counts "
        f"{state['trust']:g} times, and its variance {state['width']:g} times, as while learning"
    ]

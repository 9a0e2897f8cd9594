"""The section on matching: what is stored below leaderboards/matching, a file an atlas.

Each folder there is what ``chmr-bench match --control shuffled --out FOLDER`` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sections import RECORDS, markdown

STORED = RECORDS / "matching"
WAYS = {"profiles": "profile", "molecules": "molecule"}
"""What is ranked -> what a query looks for."""
HITS = ("hit@1", "hit@5", "hit@10")
OTHERS = (
    "The other scores of the same ranks: hit@1 / hit@5 / hit@10 in percent, and NDCG. A query is "
    "ranked among the pairs of its fold: the fewer these are, the more hits by chance."
)
NONE = "*No matching is on record yet.*"
NOTE = (
    "MRR, and in brackets what it gains over a fit on permuted profiles. Bold: the 95 % intervals "
    "lie above chance, and above no gain. Each row for itself; nothing is corrected for their "
    "number. One repeat of five folds."
)


def section() -> str:
    """Return the tables of every stored matching, with a sentence an atlas between them."""
    blocks = list(_blocks())
    if not blocks:
        return NONE
    models = list(dict.fromkeys(model for *_, cells in blocks for model in cells))
    scores, hits = [], []
    for atlas, block, n, way, cells in blocks:
        first, looked_for = next(iter(cells.values())), WAYS[way]
        chance = f"{first['scores']['mrr']['chance']:.3f}"
        shown = (_cell(cells[model]) if model in cells else "-" for model in models)
        scores.append((atlas, block, f"{n:,}", looked_for, chance, *shown))
        shown = (_hits(cells[model], "score") if model in cells else "-" for model in models)
        hits.append((atlas, block, looked_for, _hits(first, "chance"), *shown))
    words = ("atlas", "read-outs", "looks for")
    heads = ("atlas", "read-outs", "pairs", "looks for", "MRR by chance", *models)
    said = [f"- {s}" for s in (*_sentences(blocks), NOTE)]
    others = markdown((*words, "by chance", *models), hits, left=words)
    return "\n".join([markdown(heads, scores, left=words), "", *said, "", OTHERS, "", others])


def _blocks() -> Iterator[tuple[str, str, int, str, dict[str, dict[str, Any]]]]:
    """Yield atlas, block, pairs, way, and model -> its scores, of every stored matching."""
    for path in sorted(STORED.glob("*/match.json")):
        matched = [
            one
            for one in json.loads(path.read_text(encoding="utf-8"))["matchings"]
            if not one["shuffled"]
        ]
        names = [block["block"] for block in matched[0]["blocks"]]
        for i, name in enumerate(names):
            for way in WAYS:
                cells = {one["model"]: one["blocks"][i][way] for one in matched}
                n = matched[0]["blocks"][i]["n_pairs"]
                star = "*" if matched[0]["atlas"]["synthetic"] else ""
                yield path.parent.name + star, name, n, way, cells


def _found(cell: dict[str, Any]) -> bool:
    """Return whether a model is above chance and above its control."""
    return bool(cell["scores"]["mrr"]["verdict"] == "above" and cell["over_shuffled"]["low"] > 0)


def _cell(cell: dict[str, Any]) -> str:
    score, gain = cell["scores"]["mrr"]["score"], cell["over_shuffled"]["gain"]
    number = f"**{score:.3f}**" if _found(cell) else f"{score:.3f}"
    return f"{number} ({gain:+.3f})"


def _hits(cell: dict[str, Any], what: str) -> str:
    """Return hits in percent and NDCG, a model's or those by chance."""
    hits = " / ".join(f"{100 * cell['scores'][name][what]:.1f}" for name in HITS)
    return f"{hits} · {cell['scores']['ndcg'][what]:.3f}"


def _sentences(blocks: list[Any]) -> Iterator[str]:
    """Yield what an atlas shows, in plain words."""
    for atlas in dict.fromkeys(block[0] for block in blocks):
        own = [cells for name, *_, cells in blocks if name == atlas]
        counts = {model: sum(_found(cells[model]) for cells in own) for model in own[0]}
        some = [f"{model} in {n} of {len(own)}" for model, n in counts.items() if n]
        none = [model for model, n in counts.items() if not n]
        said = f"`{atlas.rstrip('*')}`: "
        if some:
            said += f"structure tells something of the profile, by {', '.join(some)} rows"
        if none:
            said += f"{'; ' if some else ''}nothing is shown by {', '.join(none)}"
        yield f"{said}{' (simulated)' if atlas.endswith('*') else ''}."

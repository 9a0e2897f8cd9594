"""What a record says of its pretrained weights, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chmr_bench.records.identity import canonical_json
from chmr_bench.records.schema import Record

SEED_SETTING = "pretrain_seed"
SEED_OF_RUN = "run"
"""A model whose setting of that name has that value is pretrained anew for every seed: its weights
differ between the seeds of one row."""
NOTE = "note"
"""Entry of ``pretraining`` with what every board is to say of the model: a reconstruction, say."""
ON_ASSAYS = "; pretrained on labelled assays of other molecules"
"""What every board is to say of a model that learnt from assays."""
NAMED = 2
"""Benchmarks whose test parts are left out and that are named one by one, at most."""
FILE_SETTING = "weights"
"""A setting of that name is a file of weights, the same for every seed."""
MAKING = ("version", "data", "config", "features", "atlas")
"""Entries of ``pretraining`` that are the same for every seed."""


def weights_of_row(record: Record) -> str | None:
    """Return the digest of the weights that all seeds of a row share; None = they share none."""
    params = record.model.params
    if params.get(SEED_SETTING) == SEED_OF_RUN and not params.get(FILE_SETTING):
        return None
    return record.model.weights


def making_of_row(record: Record) -> str | None:
    """Return what the weights of a row's seeds have in common: themselves, or how they were made.

    Of the latter, what the plugin says under `MAKING`: weights of another atlas, or made by another
    version, never share a row.
    """
    if record.model.weights is None or weights_of_row(record) is not None:
        return weights_of_row(record)
    pretraining = record.model.pretraining or {}
    return canonical_json({name: pretraining[name] for name in MAKING if name in pretraining})


def labels_seen(record: Record) -> str:
    """Return why the weights may have learnt from labels of a benchmark; "" = they have not."""
    words = (record.model.pretraining or {}).get("labels_seen")
    if isinstance(words, str):
        return words
    n = _n_test_seen(record) if _assays(record) else 0
    return f"{n:,} test molecules are among the labelled assays it learnt from" if n else ""


def _assays(record: Record) -> list[Any]:
    """Return the labelled assays that weights learnt from: blocks, none of cells."""
    inner = (record.model.pretraining or {}).get("atlas")
    return list(inner.get("assays") or ()) if isinstance(inner, Mapping) else []


def atlas_entry(pretraining: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what ``pretraining`` says of the atlas: its entry ``atlas``, else itself."""
    inner = pretraining.get("atlas")
    return inner if isinstance(inner, Mapping) else pretraining


def pretrained_on(record: Record) -> str:
    """Return what the weights were made from, "" where the model starts from none.

    The words of `PretrainingData.open` are looked for in ``pretraining`` itself and in its entry
    ``atlas``; a plugin that keeps neither gets less said.
    """
    if record.model.weights is None:
        return ""
    seen = labels_seen(record)
    return _made_from(record) + (f"; LABELS POSSIBLY SEEN, so no rank: {seen}" if seen else "")


def _made_from(record: Record) -> str:
    """Return what weights were made from, but for the labels."""
    weights = record.model.weights or ""
    pretraining: Mapping[str, Any] = record.model.pretraining or {}
    note, pretraining = pretraining.get(NOTE), atlas_entry(pretraining)
    names, n = pretraining.get("atlases"), pretraining.get("n_molecules")
    if not isinstance(names, list) or not isinstance(n, int):
        return f"weights {weights[:12]}"
    atlas = " + ".join(map(str, names)) + (" (SYNTHETIC)" if pretraining.get("synthetic") else "")
    how = " for 0 epochs (untrained)" if _is_untrained(record) else ""
    precision = "" if record.precision == "float32" else f", in {record.precision}"
    end = f"; {note}" if isinstance(note, str) and note else ""
    if _assays(record) and not labels_seen(record):
        end = f"{ON_ASSAYS}{end}"
    molecules = f"{_share_learnt(record, n)}{n:,} molecules"
    return f"{atlas}{how}, {molecules}{precision}; {_left_out(pretraining)}{end}"


def _share_learnt(record: Record, n_molecules: int) -> str:
    """Return "20,000 of " where fewer than the atlas has were learnt from, "" where all were."""
    material = (record.model.pretraining or {}).get("material")
    n = material.get("n_molecules") if isinstance(material, Mapping) else None
    return f"{n:,} of " if isinstance(n, int) and n < n_molecules else ""


def _is_untrained(record: Record) -> bool:
    """Return whether the weights are those an encoder begins with: no epoch was kept."""
    return (record.model.pretraining or {}).get("kept_epoch") == 0


def _left_out(pretraining: Mapping[str, Any]) -> str:
    if pretraining.get("transductive"):
        return "transductive: molecules of test parts were kept, without their labels"
    names = pretraining.get("left_out_of")
    where = "a benchmark's test part"
    if isinstance(names, list) and 0 < len(names) <= NAMED:
        where = f"the test part of {' or '.join(map(str, names))}"
    return f"{pretraining.get('n_left_out', 0):,} left out that are in {where}"


def n_test_seen(record: Record) -> int | None:
    """Return how many test molecules the weights learnt from without labels; None = not known.

    Those that are among labelled assays are counted by `labels_seen`. Untrained weights learnt from
    none, whatever is in the atlas that their embeddings are standardised on.
    """
    n = _n_test_seen(record)
    return None if n and _assays(record) else n


def _n_test_seen(record: Record) -> int | None:
    n = (record.model.pretraining or {}).get("n_test_seen")
    if not isinstance(n, int):
        return None
    return 0 if _is_untrained(record) else n

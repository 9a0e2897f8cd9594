"""The options of a run, checked and put together: what the user wants done."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from chmr_bench.ablation import missing
from chmr_bench.ablation.missing import Missing
from chmr_bench.ablation.replacement import DRAWS
from chmr_bench.api.options import Names, Options, as_list, table_options
from chmr_bench.cells import sources
from chmr_bench.contracts import ASSAY, CELL_MODALITIES, modality_of
from chmr_bench.data.datasets import dataset_request
from chmr_bench.data.requests import MOLNET_PREFIX, DatasetRequest
from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.settings import parse_value
from chmr_bench.sweep import ModelSetting, Request

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")
CONTROLS = ("shuffled", "replaced")
CELLS_SUITE = "cells"
SUITE_ATLASES = ("jump-activity", "nci60", "wong2024", "yeast-cgm")
"""Attached where the suite of that name is all that is asked for and a model reads own profiles:
each has a fifth or more of the molecules of one of its datasets."""
MASKED_MODEL, MASKED_SUITE, MASKED_SEEDS = "chmr", CELLS_SUITE, 3
"""What `ablate` runs where nothing is named."""


def make_request(options: Options) -> Request:
    """Return what `run` is to do; UnknownNameError or UsageError where something is not there."""
    models = as_list(options.get("model"))
    if not models:
        raise UsageError("name a model: --model NAME; 'chmr-bench list models' shows them")
    seeds = chosen_seeds(options.get("seeds"), options.get("seed"))
    datasets = data_requests(options)
    precision = options.get("precision", "float32")
    for name in models:
        check_precision(name, precision)
    return Request(
        models=tuple(models),
        datasets=datasets,
        seeds=seeds,
        split=options.get("split", ""),
        split_seeds=chosen_seeds(
            options.get("split_seeds"), options.get("split_seed"), "--split-seed"
        ),
        settings=parse_settings(options.get("setting") or ()),
        device=choice("--device", options.get("device", "auto"), DEVICES),
        precision=choice("--precision", precision, PRECISIONS),
        keep_failed=options.get("keep_failed", False),
        cells=cell_atlases(options.get("cells")) or _atlases_of_suite(options, models),
    )


def _atlases_of_suite(options: Options, models: Sequence[str]) -> tuple[str, ...]:
    """Return the atlases that are attached where none is named."""
    alone = set(as_list(options.get("suite"))) == {CELLS_SUITE} and not options.get("dataset")
    reads = any(set(CELL_MODALITIES) & set(registry().model(m).spec.reads) for m in models)
    return SUITE_ATLASES if alone and reads else ()


def make_masked_request(options: Options) -> Request:
    """Return what `ablate` is to do: nothing masked, then every share; the same with a control."""
    options = {**options}
    options["model"] = options.get("model") or MASKED_MODEL
    if not options.get("suite") and not options.get("dataset"):
        options["suite"] = MASKED_SUITE
    if options.get("seeds") is None and not options.get("seed"):
        options["seeds"] = MASKED_SEEDS
    request = make_request(options)
    kind, seed = masking(options), options.get("hide_seed")
    if seed is not None:
        valid_seed("--hide-seed", seed)
    _check_modalities(request, kind.modalities)
    controls = [choice("--control", c, CONTROLS) for c in as_list(options.get("control"))]
    _check_views(request, kind, controls)
    shares = rates(options["missing"])
    masked = [dataclasses.replace(kind, rate=rate) for rate in shares if rate > 0]
    shuffled = [dataclasses.replace(kind, rate=rate, shuffled=True) for rate in shares]
    frozen = Missing(0.0, ("test",), kind.modalities, replaced=DRAWS)
    turns = (None, *masked, *(shuffled if "shuffled" in controls else ()))
    turns += (frozen,) if "replaced" in controls else ()
    return dataclasses.replace(request, missing=turns, hide_seed=seed)


def data_requests(options: Options) -> tuple[DatasetRequest, ...]:
    """Return the datasets that are named, each once; UnknownNameError where one is not there."""
    datasets, table = as_list(options.get("dataset")), table_options(options)
    names = suite_datasets(options)
    if not names and not datasets:
        raise UsageError(
            "name data: --suite all, --suite demo, or --dataset NAME; "
            "'chmr-bench list datasets' shows them"
        )
    requests = [DatasetRequest(name=n) for n in names]
    known = registry().datasets
    requests += [dataset_request(name, table, known) for name in datasets]
    for one in requests:
        _check_atlases(one)
    unused = table
    if any(r.name.startswith(MOLNET_PREFIX) for r in requests):  # its rows may be unreadable too
        unused = dataclasses.replace(table, on_invalid="stop")
    if unused.given and not any(r.file for r in requests):
        raise UsageError(
            "--smiles, --tasks and the other options of a table describe --dataset FILE"
        )
    return tuple(dict.fromkeys(requests))


def _check_atlases(request: DatasetRequest) -> None:
    """Raise where an atlas that molecules are to be measured in is not there, or no cells."""
    if any(name.startswith(sources.FOLDER_PREFIX) for name in request.atlases):
        raise UsageError(
            f"--dataset {request.name}: expected registered atlases after '+', so that a record "
            "says which molecules these are; see 'chmr-bench list atlases'"
        )
    cell_atlases(request.atlases, f"--dataset {request.whole.name} +")


def suite_datasets(options: Options) -> list[str]:
    """Return the datasets of the suites that are named."""
    return [n for suite in as_list(options.get("suite")) for n in registry().suite(suite)]


def cell_atlases(given: Names | None, option: str = "--cells") -> tuple[str, ...]:
    """Return the atlases of ``--cells A,B``, each once.

    Raises
    ------
    UnknownNameError
        One is not there.
    UsageError
        One holds labelled assays, which are not cells.
    """
    names = []
    for text in as_list(given):
        path = text.removeprefix(sources.FOLDER_PREFIX)
        whole = path != text and Path(path).expanduser().is_dir()  # its name may hold a comma
        names += [text] if whole else [name.strip() for name in text.split(",")]
    if "" in names:
        raise UsageError(
            f"{option} {','.join(names)!r}: expected the name of an atlas, or of several between "
            "commas"
        )
    for name in names:
        if sources.folder_of(name) is None and registry().atlas(name).spec.kind == "assays":
            from chmr_bench.runner.own_profiles import no_cells

            raise no_cells(f"{option} {name}")
    return tuple(dict.fromkeys(names))


def parse_settings(texts: Sequence[str]) -> tuple[ModelSetting, ...]:
    """Return the settings; UsageError where one is given twice, for the same model or for all."""
    settings = tuple(_setting(text) for text in texts)
    seen = set()
    for setting, text in zip(settings, texts, strict=True):
        if (setting.model, setting.key) in seen:
            name = text.partition("=")[0]
            raise UsageError(f"--set {name} is given twice; a run takes one value of a setting")
        seen.add((setting.model, setting.key))
    return settings


def _setting(text: str) -> ModelSetting:
    left, equals, value = text.partition("=")
    if not equals or not left:
        raise UsageError(f"--set {text!r}: expected key=value or model:key=value")
    model, colon, key = left.rpartition(":")
    return ModelSetting(key if colon else left, parse_value(value), model)


def check_precision(model: str, precision: str) -> None:
    """Raise UsageError where the model cannot work in that precision: a record must not say so."""
    offered = registry().model(model).spec.precisions
    if precision not in offered:
        raise UsageError(
            f"--precision {precision}: model {model!r} works in {' or '.join(offered)} only"
        )


def chosen_seeds(
    n: int | None, listed: Sequence[int] | None, option: str = "--seed"
) -> tuple[int, ...]:
    """Return seeds 0 to n - 1, or those listed with `option`."""
    if n is not None and listed:
        raise UsageError(f"{option}s N means seeds 0 to N-1; give either {option}s or {option}")
    if listed:
        return tuple(valid_seed(option, seed) for seed in listed)
    if n is not None and n < 1:
        raise UsageError(f"{option}s {n}: expected at least 1")
    return tuple(range(n or 1))


def valid_seed(option: str, seed: int) -> int:
    """Return the seed if every generator takes it."""
    if not 0 <= seed < 2**32:
        raise UsageError(f"{option} {seed}: seeds go from 0 to {2**32 - 1}")
    return seed


def choice(option: str, value: str, choices: tuple[str, ...]) -> Any:
    """Return the value if it is among the choices; UnknownNameError offers the nearest."""
    if value not in choices:
        raise UnknownNameError(f"value of {option}", value, [c for c in choices if c])
    return value


# ------------------------------------------------------------------------------- what is masked


def rates(text: str) -> list[float]:
    """Return the rates, ascending, each once and 0 among them; UsageError where one is none."""
    shares = {0.0}
    for part in text.split(","):
        try:
            rate = float(part)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            raise UsageError(
                f"--missing {text}: {part.strip()!r} is no share; expected numbers from 0 to 1, "
                "for instance 0.5 or 0.25,0.5,1"
            )
        shares.add(rate)
    if shares == {0.0}:
        raise UsageError(f"--missing {text}: nothing is masked; name a share above 0")
    return sorted(shares)


def masking(options: Options) -> Missing:
    """Return what is masked, its share still open; no stage named is all of them."""
    stages = as_list(options.get("stage")) or [missing.WORLD]
    modalities, mechanism = as_list(options.get("modality")), options.get("mechanism", "random")
    for stage in stages:
        choice("--stage", stage, (*missing.STAGES, missing.WORLD))
    if missing.WORLD in stages and len(set(stages)) > 1:
        raise UsageError(f"--stage {missing.WORLD} is all stages; name it alone, or some of them")
    if mechanism == "asymmetric" and len(set(modalities)) == 1:
        raise UsageError(
            "--mechanism asymmetric leaves a molecule one modality, so with --modality "
            f"{modalities[0]} alone nothing would be masked; name two, or none for all"
        )
    chosen = missing.STAGES if missing.WORLD in stages else stages
    return Missing(
        rate=0.0,
        stages=tuple(s for s in missing.STAGES if s in chosen),
        modalities=tuple(sorted(set(modalities))),
        mechanism=choice("--mechanism", mechanism, get_args(missing.Mechanism)),
        fill=choice("--fill", options.get("fill", "none"), get_args(missing.Fill)),
    )


def _check_modalities(request: Request, named: Sequence[str]) -> None:
    """Raise UnknownNameError where a modality is nobody's: no model's, dataset's or atlas's."""
    blocks = {name for atlas in registry().atlases.values() for name in atlas.spec.modalities}
    known = {modality_of(name) for name in blocks}
    for name in request.models:
        spec = registry().model(name).spec
        known |= {*spec.reads, *spec.learns, *spec.views}
    for dataset in request.datasets:
        if dataset.whole.name in registry().datasets:
            known |= set(registry().dataset(dataset.whole.name).spec.modalities) - {"structure"}
    known.discard(ASSAY)  # assays are not cells
    for modality in named:
        if modality not in known:
            raise UnknownNameError("modality", modality, known)


def _check_views(request: Request, kind: Missing, controls: Sequence[str]) -> None:
    """Raise UsageError where what is computed of a structure is to be masked as read-outs are.

    It has no strength by which it could go, nobody donates it, and every molecule has its own.
    """
    views = {v for name in request.models for v in registry().model(name).spec.views}
    named = sorted(views & set(kind.modalities))
    plain = kind.mechanism in ("random", "scaffold") and kind.fill == "none" and not controls
    if named and not plain:
        raise UsageError(
            f"--modality {named[0]} is computed from a molecule's structure: it can be masked with "
            "--mechanism random or scaffold, without --fill and --control"
        )

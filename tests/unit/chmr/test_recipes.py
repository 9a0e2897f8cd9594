"""The recipe `paper` follows the paper; the default one names only what the settings know."""

from __future__ import annotations

import re

import pytest

from chmr_bench.plugins import registry
from chmr_bench.settings import build_config
from chmr_bench_chmr.config import ChmrConfig

PAPER = re.compile(r"\(paper: ([\d.e-]+)(?:, none)?\)")
SAID = {
    name: float(found[1])
    for name, field in ChmrConfig.model_fields.items()
    if (found := PAPER.search(field.description or ""))
}
"""What the descriptions say the paper has, where it is one number."""


def paper(dataset: str = "") -> ChmrConfig:
    found = build_config(registry().model("chmr.paper").spec, {}, dataset)
    assert isinstance(found, ChmrConfig)
    return found


def test_the_descriptions_say_what_the_paper_has() -> None:
    assert {"n_bits", "latent_dropout", "fingerprint_hidden", "epochs", "learning_rate"} <= set(
        SAID
    )


@pytest.mark.parametrize("name", SAID)
def test_the_paper_s_settings_are_the_paper_s(name: str) -> None:
    assert getattr(paper(), name) == SAID[name]


def test_nothing_of_ours_is_in_the_paper_s_settings() -> None:
    for dataset in ("", "chembl2k", "bace", "planted"):
        found = paper(dataset)
        assert (found.average, found.heads) == (0.0, ("network",))


@pytest.mark.parametrize("model", ["chmr", "chmr.paper", "cells.regressor"])
def test_planted_data_have_their_own_atlas(model: str) -> None:
    spec = registry().model(model).spec
    for dataset in ("planted", "planted-regression"):
        assert build_config(spec, {}, dataset).atlas == ("planted",)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", ["chmr.all-cells", "chmr.with-assays"])
def test_variants_with_more_to_learn_from_have_what_chmr_has(model: str) -> None:
    found, plain = (build_config(registry().model(name).spec, {}, "") for name in (model, "chmr"))
    assert isinstance(found, ChmrConfig)
    assert isinstance(plain, ChmrConfig)
    assert set(plain.atlas) < set(found.atlas)
    assert found.epochs == plain.epochs


def test_a_list_may_be_written_as_on_a_command_line() -> None:
    config = ChmrConfig.model_validate(
        {"atlas": "cmea,planted", "cells": "morphology", "heads": "network", "head_inputs": "bits"}
    )
    assert config.atlas == ("cmea", "planted")
    assert config.cells == ("morphology",)
    assert config.heads == ("network",)
    assert config.head_inputs == ("bits",)

"""The recipe `infoalign.paper` has what the settings say the paper has, and nothing else."""

from __future__ import annotations

import re

from chmr_bench.plugins import registry
from chmr_bench.settings import build_config
from chmr_bench_infoalign.config import InfoAlignConfig

PAPER = re.compile(r"\(paper: ([\d.e-]+|none)\)")
SAID = {
    name: 0.0 if found[1] == "none" else float(found[1])
    for name, field in InfoAlignConfig.model_fields.items()
    if (found := PAPER.search(field.description or ""))
}
"""What the descriptions say the paper has."""


def test_the_paper_s_settings_are_the_paper_s() -> None:
    found = build_config(registry().model("infoalign.paper").spec, {}, "chembl2k")
    assert {"dropout", "neighbours", "epochs", "batch_size", "learning_rate", "average"} == {*SAID}
    assert found == InfoAlignConfig.model_validate(SAID)


def test_planted_data_have_their_own_atlas() -> None:
    for name in ("infoalign", "infoalign.paper"):
        for dataset in ("planted", "planted-regression"):
            found = build_config(registry().model(name).spec, {}, dataset)
            assert isinstance(found, InfoAlignConfig)
            assert found.atlas == ("planted",)

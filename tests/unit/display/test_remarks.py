"""What a run remarks before it begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chmr_bench.display.remarks import _few_tested


@pytest.mark.parametrize(
    ("n", "file", "said"), [(1, "t.csv", "1 molecule in"), (10, "t.csv", ""), (1, "", "")]
)
def test_a_score_of_few_molecules_says_little(n: int, file: str, said: str) -> None:
    data = SimpleNamespace(
        spec=SimpleNamespace(name="t"),
        request=SimpleNamespace(file=file),
        split=lambda _: SimpleNamespace(test=np.arange(n)),
    )
    job = SimpleNamespace(data=data, split=SimpleNamespace(method="scaffold"))
    plan: Any = SimpleNamespace(items=[SimpleNamespace(job=job), SimpleNamespace(job=None)])
    remarks = list(_few_tested(plan))
    assert len(remarks) == bool(said)
    assert all(said in remark and "test part of split scaffold" in remark for remark in remarks)

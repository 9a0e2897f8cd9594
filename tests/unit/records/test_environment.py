"""Where a run ran, and what memory it took."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.records.environment import environment, peak_memory_mb, reset_peak_memory


def test_environment_names_versions_and_the_processor() -> None:
    found = environment()
    assert found.packages["numpy"] == np.__version__
    assert found.cpu
    assert found.python.startswith("3.")


@pytest.mark.slow
def test_peak_memory_is_of_the_time_since_the_reset() -> None:
    if reset_peak_memory() != "run":
        pytest.skip("the peak cannot be reset on this system")
    before = peak_memory_mb()
    block = np.ones(40_000_000)
    high = peak_memory_mb()
    del block
    reset_peak_memory()
    after = peak_memory_mb()
    assert before is not None
    assert high is not None
    assert after is not None
    assert high > before + 250
    assert after < high - 250

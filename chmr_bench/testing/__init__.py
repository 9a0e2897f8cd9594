"""The promises a plugin keeps, as a tool its author runs.

Each check raises PluginError with what was promised, what was found and on which data, and returns
nothing where all is well::

    from chmr_bench.testing import check_model

    def test_my_model() -> None:
        check_model(MY_SPEC)

Molecules and labels are simulated: no check but `check_dataset` and `check_atlas` needs a file or
the network.
"""

from __future__ import annotations

from chmr_bench.testing.atlases import check_atlas
from chmr_bench.testing.datasets import check_dataset
from chmr_bench.testing.features import check_feature
from chmr_bench.testing.models import check_model
from chmr_bench.testing.registration import check_registration
from chmr_bench.testing.simulate import sample_molecules

__all__ = [
    "check_atlas",
    "check_dataset",
    "check_feature",
    "check_model",
    "check_registration",
    "sample_molecules",
]

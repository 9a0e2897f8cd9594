"""The first that the server of workers imports: what the rest makes is no garbage to look for.

That saves it a sixth of its time. `chmr_bench.worker` turns collection on again in every process
that is forked from it.
"""

from __future__ import annotations

import gc
import sys
from multiprocessing import forkserver

if getattr(sys.modules["__main__"], "main", None) is forkserver.main:
    gc.disable()

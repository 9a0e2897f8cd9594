"""What numba does once a process, before its first call, in half a second: done at import.

`chmr_bench.isolation` has it imported by the server that workers are forked from.
"""

from __future__ import annotations

from numba.core.registry import cpu_target

cpu_target.target_context.refresh()

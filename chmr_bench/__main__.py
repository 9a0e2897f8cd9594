"""``python -m chmr_bench``: the command line, where its script is not on the path."""

from __future__ import annotations

from chmr_bench.cli import main

if __name__ == "__main__":
    main()

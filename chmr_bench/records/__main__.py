"""``python -m chmr_bench.records > docs/result.schema.json`` writes the schema of a record."""

from __future__ import annotations

import json
import sys

from chmr_bench.records.schema import json_schema

if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")

"""What a dataset and its split let a model know beforehand: pure computation, no files, no words.

`leakage` finds test molecules that were trained on, `similarity` how near the others are,
`duplicates` rows of one molecule with other labels, `labels` what each part can teach and test,
`overlap` one dataset's test rows among another's training rows, or among what weights learnt from.
"""

from __future__ import annotations

from chmr_bench.audit.auditing import Audit, Subject, audit
from chmr_bench.audit.duplicates import duplicates
from chmr_bench.audit.labels import TaskLabels, label_counts
from chmr_bench.audit.leakage import LEVELS, Leak, leaks, shared_rows, split_groups
from chmr_bench.audit.overlap import Overlap, Pretraining, overlaps, pretraining, was_seen
from chmr_bench.audit.similarity import binned, to_training

__all__ = [
    "LEVELS",
    "Audit",
    "Leak",
    "Overlap",
    "Pretraining",
    "Subject",
    "TaskLabels",
    "audit",
    "binned",
    "duplicates",
    "label_counts",
    "leaks",
    "overlaps",
    "pretraining",
    "shared_rows",
    "split_groups",
    "to_training",
    "was_seen",
]

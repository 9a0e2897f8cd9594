"""Pretraining: from an atlas of cell read-outs to weights on disk, once for every set of settings.

`store.find_or_make` is what the harness calls. `material` turns an atlas into arrays, `loop`
learns, `making` puts the two together; the rest, which other models share, is in
`chmr_bench.nn.pretraining`.
"""

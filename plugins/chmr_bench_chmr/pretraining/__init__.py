"""Pretraining: from an atlas of cell read-outs to weights on disk, once for every set of settings.

`store.find_or_make` is what the harness calls. `material` turns an atlas into tensors, `loop`
learns, `checkpoint` survives a kill, `card` and `figure` say what came of it.
"""

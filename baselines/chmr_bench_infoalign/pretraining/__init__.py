"""Pretraining of InfoAlign: `store.find_or_make` is what the harness calls."""

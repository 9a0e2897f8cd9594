"""Pretraining of MMSA: `store.find_or_make` is what the harness calls."""

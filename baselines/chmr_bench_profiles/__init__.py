"""Models that read a molecule's own cell profiles beside its fingerprint."""

MODALITIES = ("morphology", "expression", "perturbation", "activity", "viability")
"""What they read; a modality is the part of a block's name before the first dot."""

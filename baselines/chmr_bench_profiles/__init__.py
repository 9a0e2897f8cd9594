"""Models that read a molecule's own cell profiles beside its fingerprint."""

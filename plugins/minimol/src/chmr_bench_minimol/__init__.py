"""Frozen embeddings of MiniMol, with heads of our own."""

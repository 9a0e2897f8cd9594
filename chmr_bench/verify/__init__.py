"""Stored results held against the data: scores, identities, audits."""

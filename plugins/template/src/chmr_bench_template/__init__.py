"""A model for chmr-bench: copy me."""

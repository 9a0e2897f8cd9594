"""Masked modalities: what is masked, and how it is imputed."""

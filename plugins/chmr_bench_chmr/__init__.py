"""CHMR, the reference model: a molecule encoder pretrained on cell read-outs, and its controls."""

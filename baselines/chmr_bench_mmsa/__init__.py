"""MMSA: a molecule as graph, drawing and conformer in one code, with a hypergraph and anchors."""

"""Cells: atlases of read-outs, the context graph, walks and propagation."""

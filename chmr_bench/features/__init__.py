"""One molecule -> numbers: stateless, over all cores, cached by content."""

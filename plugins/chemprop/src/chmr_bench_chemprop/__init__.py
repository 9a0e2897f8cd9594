"""chemprop in an environment of its own."""

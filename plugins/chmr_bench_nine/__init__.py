"""The nine benchmarks of the field, with their reference splits; and the embedded demo dataset."""

"""Classical models on molecular fingerprints: what every learned representation has to beat."""

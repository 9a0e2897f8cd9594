"""Public atlases of cell read-outs, each a short table in `atlases.toml`."""

"""Registered datasets, users' tables and MoleculeNet: fetched by hash, loaded, checked."""

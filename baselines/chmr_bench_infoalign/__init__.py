"""InfoAlign: a molecule encoder pretrained to reconstruct what walks on a context graph meet."""

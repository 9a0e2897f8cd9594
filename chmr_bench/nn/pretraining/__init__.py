"""Pretraining from an atlas to weights on disk: what the pretrained models share.

A model says what its material, its network, its loss terms and its card are, by subclasses of
`learner.Learner` and `making.PretrainingPlan`. Then `store.find_or_make` looks for the weights or
has them made: `material` turns an atlas into arrays, `batches` cuts walks, `learner` learns,
`checkpoint` survives a kill, `card` and `figure` say what came of it.
"""

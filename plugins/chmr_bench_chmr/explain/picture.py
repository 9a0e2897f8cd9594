"""The latents of all modalities in two dimensions: once by modality, once by code."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.nn.pretraining.files import write_atomically
from chmr_bench.types import FloatArray, IntArray
from chmr_bench_chmr.explain.coding import CodedLatents

MAX_POINTS = 2400
"""In the picture, all modalities together: more hide each other, and t-SNE takes minutes."""
MIN_POINTS = 12
"""Below, t-SNE says nothing: the first two principal components are shown."""
PCA_WIDTH = 50
"""What t-SNE starts from (van der Maaten and Hinton 2008 used 30)."""
PERPLEXITY = 30.0
SHOWN_LEVEL = 3
"""Of the tree, counted from 1: its eight codes can still be distinguished by colour."""
COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99",
    "#882255", "#999933",
)  # fmt: skip
REST = "#bbbbbb"


def draw(path: Path, coded: CodedLatents, seed: int) -> None:
    """Write the picture of at most `MAX_POINTS` latents; the seed chooses and places them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points, names, codes = sampled(coded, seed)
    placed, method = flattened(points, seed)
    level = min(SHOWN_LEVEL, len(coded.sizes))
    figure = Figure(figsize=(13, 6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _scatter(left, placed, names, [n for n in coded.modalities if n in set(names.tolist())])
    left.set_title("by modality")
    shown = np.array([f"code {code}" for code in codes[:, level - 1]])
    used, counts = np.unique(codes[:, level - 1], return_counts=True)
    frequent = sorted(used[np.argsort(-counts, kind="stable")][: len(COLOURS)].tolist())
    _scatter(right, placed, shown, [f"code {code}" for code in frequent])
    right.set_title(f"by code of level {level} of {len(coded.sizes)}")
    figure.suptitle(f"{len(placed)} latents of CHMR, {method}", fontsize=10)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=120, metadata={"Software": None})
    write_atomically(path, picture.getvalue())


def sampled(coded: CodedLatents, seed: int) -> tuple[FloatArray, Any, IntArray]:
    """Return up to `MAX_POINTS` observed latents at length one, their modality and their codes.

    Every modality gives as many as it has, up to its equal share.
    """
    rng = np.random.default_rng(seed)
    share = MAX_POINTS // len(coded.modalities)
    points, names, codes = [], [], []
    for name, modality in coded.modalities.items():
        rows = np.flatnonzero(modality.observed)
        if len(rows) > share:
            rows = np.sort(rng.choice(rows, share, replace=False))
        points.append(modality.latents[rows])
        names += [name] * len(rows)
        codes.append(modality.codes[rows])
    joined = np.concatenate(points).astype(np.float64)
    lengths = np.linalg.norm(joined, axis=1, keepdims=True)
    unit = joined / np.maximum(lengths, 1e-12)  # the tree goes by the cosine
    return unit, np.array(names), np.concatenate(codes)


def flattened(points: FloatArray, seed: int) -> tuple[FloatArray, str]:
    """Return the points in two dimensions, (n, 2), and what placed them there."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # the same picture whatever the cores
        if len(points) < MIN_POINTS or not np.ptp(points, axis=0).any():
            return _components(points), "first two principal components"
        width = min(PCA_WIDTH, *points.shape)
        reduced = PCA(width, svd_solver="full").fit_transform(points)
        near = min(PERPLEXITY, (len(points) - 1) / 3)
        placed = TSNE(2, perplexity=near, init="pca", random_state=seed).fit_transform(reduced)
    return np.asarray(placed), f"t-SNE of perplexity {near:.3g}"


def _components(points: FloatArray) -> FloatArray:
    """Return the first two principal components, (n, 2); 0 where there is none."""
    centred = points - points.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    placed = np.zeros((len(points), 2))
    axes = (left * scale)[:, :2]
    placed[:, : axes.shape[1]] = axes
    return placed


def _scatter(axes: Any, placed: FloatArray, labels: Any, shown: list[str]) -> None:
    """Draw the points, a colour for each label that is shown; the rest is grey."""
    rest = ~np.isin(labels, shown)
    if rest.any():
        axes.scatter(*placed[rest].T, s=5, color=REST, label="other", linewidths=0)
    for i, label in enumerate(shown):
        rows = labels == label
        colour = COLOURS[i % len(COLOURS)]
        axes.scatter(*placed[rows].T, s=5, color=colour, label=label, linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=8, markerscale=2.5, loc="best")

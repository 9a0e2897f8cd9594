"""The plain control by which the planted data were tuned, once, before any other model saw them.

Three figures: the best model that sees labels only, the control (a network from fingerprints to the
observed profiles, trained on the atlas, whose last hidden layer feeds logistic regression), and the
ceiling from structure. The simulator was tuned until the control closed 40 to 60 % of the gap
between the first and the last, and then frozen as version 1. Run it with::

    python benchmarks/planted_trial.py

Every setting is chosen on the validation part; only the line "in hindsight" looks at the test.
Needs the extra `torch`; takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from chmr_bench.types import FloatArray, IntArray
from chmr_bench_nine.planted.ceilings import macro_auc, structure_values
from chmr_bench_nine.planted.load import classes, split_of
from chmr_bench_nine.planted.molecules import choose
from chmr_bench_nine.planted.simulate import World, world

Predict = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""(training features, training labels 0 and 1, features to predict) -> scores."""


@dataclass(frozen=True)
class Trial:
    """Fingerprints of all molecules, labels of the labelled ones, and the reference split.

    Attributes
    ----------
    bits : (n, 2048) Morgan bits of every molecule of the world.
    y : (n_labelled, t) classification labels, NaN where not measured.
    train, valid, test : rows among the labelled molecules.
    """

    world: World
    bits: FloatArray
    y: FloatArray
    train: IntArray
    valid: IntArray
    test: IntArray

    def score(self, y_pred: FloatArray, rows: IntArray) -> float:
        """Return the macro ROC-AUC on some rows."""
        return macro_auc(self.y[rows], y_pred[rows])

    def fit(self, features: FloatArray, predict: Predict) -> FloatArray:
        """Return the scores of the labelled molecules, from one model a task."""
        columns = []
        for labels in self.y.T:
            rows = self.train[~np.isnan(labels[self.train])]
            columns.append(predict(features[rows], labels[rows], features))
        return np.column_stack(columns)


def prepare() -> Trial:
    """Return the trial on the planted data of this version."""
    made = world()
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    mols = [Chem.MolFromSmiles(smiles) for smiles in choose().smiles]
    bits = np.array([generator.GetFingerprintAsNumPy(mol) for mol in mols], dtype=float)
    y = np.where(made.measured, classes(made), np.nan)[made.labelled]
    split = split_of(len(y))
    return Trial(made, bits, y, split.train, split.valid, split.test)


def logistic(c: float) -> Predict:
    """Return logistic regression of inverse penalty `c`."""

    def predict(x: FloatArray, y: FloatArray, wanted: FloatArray) -> FloatArray:
        model = LogisticRegression(C=c, max_iter=3000).fit(x, y)
        return np.asarray(model.predict_proba(wanted)[:, 1])

    return predict


def forest(max_features: float | str, seed: int) -> Predict:
    """Return a forest of 300 trees."""

    def predict(x: FloatArray, y: FloatArray, wanted: FloatArray) -> FloatArray:
        model = RandomForestClassifier(
            300, max_features=max_features, min_samples_leaf=2, random_state=seed, n_jobs=-1
        ).fit(x, y)
        return np.asarray(model.predict_proba(wanted)[:, 1])

    return predict


def tanimoto(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the (n, m) Tanimoto similarities of two sets of bits."""
    common = left @ right.T
    return np.asarray(common / (left.sum(1)[:, None] + right.sum(1) - common + 1e-9))


def neighbours(k: int) -> Predict:
    """Return the Tanimoto-weighted share of actives among the k nearest training molecules."""

    def predict(x: FloatArray, y: FloatArray, wanted: FloatArray) -> FloatArray:
        similarity = tanimoto(wanted, x)
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        weight = np.take_along_axis(similarity, nearest, axis=1) + 1e-6
        return np.asarray((weight * y[nearest]).sum(1) / weight.sum(1))

    return predict


def gaussian_process(noise: float) -> Predict:
    """Return the mean of a Gaussian process with a Tanimoto kernel, fitted to the 0 and 1."""

    def predict(x: FloatArray, y: FloatArray, wanted: FloatArray) -> FloatArray:
        kernel = tanimoto(x, x) + noise * np.eye(len(x))
        return tanimoto(wanted, x) @ np.linalg.solve(kernel, y - y.mean())

    return predict


def label_only_models(seed: int) -> Iterator[tuple[str, Predict]]:
    """Yield (name, model) of every candidate that learns from labels alone."""
    for c in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0):
        yield f"logistic C={c}", logistic(c)
    for share in ("sqrt", 0.1):
        yield f"forest max_features={share}", forest(share, seed)
    for k in (5, 10, 20, 40):
        yield f"knn k={k}", neighbours(k)
    for noise in (0.1, 0.3, 1.0, 3.0):
        yield f"gp noise={noise}", gaussian_process(noise)


def last_hidden_layer(trial: Trial, seed: int) -> FloatArray:
    """Return (n_labelled, 64): what a network trained on the profiles makes of a molecule."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    blocks = trial.world.blocks
    profiles = np.concatenate([b.values for b in blocks.values()], axis=1)[trial.world.atlas]
    profiles = (profiles - np.nanmean(profiles, 0)) / np.nanstd(profiles, 0)
    seen = torch.tensor(~np.isnan(profiles), dtype=torch.float32)
    target = torch.tensor(np.nan_to_num(profiles), dtype=torch.float32)
    bits = torch.tensor(trial.bits, dtype=torch.float32)
    x = bits[trial.world.atlas]
    body = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], 512),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(512, 64),
        torch.nn.ReLU(),
    )
    network = torch.nn.Sequential(body, torch.nn.Linear(64, target.shape[1]))
    _train(network, (x, target, seen), rng)
    with torch.no_grad():
        hidden = body.eval()(bits).numpy().astype(float)
    atlas = hidden[trial.world.atlas]
    return np.asarray((hidden[trial.world.labelled] - atlas.mean(0)) / (atlas.std(0) + 1e-6))


def _train(
    network: torch.nn.Module,
    data: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    rng: np.random.Generator,
) -> None:
    """Fit by squared error on observed values; stop early on a tenth of the atlas."""
    order = rng.permutation(len(data[0]))
    held, rest = order[: len(order) // 10], order[len(order) // 10 :]
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    best, best_state, waited = np.inf, network.state_dict(), 0
    for _ in range(100):
        network.train()
        for rows in np.array_split(rng.permutation(rest), len(rest) // 64):
            loss = _loss(network, data, rows)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
        network.eval()
        with torch.no_grad():
            loss_held = float(_loss(network, data, held))
        waited += 1
        if loss_held < best:
            best, waited = loss_held, 0
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        if waited == 8:
            break
    network.load_state_dict(best_state)


def _loss(
    network: torch.nn.Module, data: tuple[torch.Tensor, torch.Tensor, torch.Tensor], rows: IntArray
) -> torch.Tensor:
    x, target, seen = (part[rows] for part in data)
    error: torch.Tensor = ((network(x) - target) ** 2) * seen
    return error.sum() / seen.sum()


def best_label_only(trial: Trial, seed: int) -> tuple[str, float, float]:
    """Return (name, test score) of the model best on valid, and the best test score of all."""
    results = []
    for name, model in label_only_models(seed):
        y_pred = trial.fit(trial.bits[trial.world.labelled], model)
        results.append((trial.score(y_pred, trial.valid), trial.score(y_pred, trial.test), name))
        print(f"  {name:28s} valid {results[-1][0]:.3f}  test {results[-1][1]:.3f}", flush=True)
    _, test, name = max(results)
    return name, test, max(result[1] for result in results)


def control(trial: Trial, seed: int) -> float:
    """Return the test score of the control, its one setting chosen on valid."""
    hidden = last_hidden_layer(trial, seed)
    fits = [trial.fit(hidden, logistic(c)) for c in (0.001, 0.003, 0.01, 0.03, 0.1)]
    return trial.score(max(fits, key=lambda y_pred: trial.score(y_pred, trial.valid)), trial.test)


def main() -> None:
    """Print the three figures and the share of the gap that the control closes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    trial = prepare()
    name, label_only, hindsight = best_label_only(trial, seed=0)
    ceiling = trial.score(structure_values(trial.world)[trial.world.labelled], trial.test)
    controls = [control(trial, seed) for seed in range(seeds)]
    mean = float(np.mean(controls))
    print(f"label only, chosen on valid   {label_only:.3f}  ({name})")
    print(f"label only, in hindsight      {hindsight:.3f}")
    each = ", ".join(f"{score:.3f}" for score in controls)
    print(f"control, mean of {seeds} seeds      {mean:.3f}  ({each})")
    print(f"ceiling from structure        {ceiling:.3f}")
    for label, low in (("chosen on valid", label_only), ("in hindsight", hindsight)):
        closed = (mean - low) / (ceiling - low)
        print(f"gap closed, label only {label}: {100 * closed:.0f} %")


if __name__ == "__main__":
    main()

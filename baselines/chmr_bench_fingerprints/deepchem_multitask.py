"""A bridge to deepchem: its MultitaskClassifier and MultitaskRegressor on its CircularFingerprint.

Network, loss, optimiser and batches are deepchem's; ours are the early stopping on the validation
rows and the standardising of regression labels on the training rows.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from chmr_bench import FeatureRequest, FitContext, Inputs, MatrixBlock
from chmr_bench.data.deepchem_bridge import import_deepchem, quiet
from chmr_bench.nn.trainer import (
    EarlyStopping,
    copied_state,
    label_scale,
    one_thread,
    validation_score,
)
from chmr_bench.types import FloatArray

BLOCK = "deepchem_circular"


class DeepchemMultitaskConfig(BaseModel):
    """Settings of `deepchem.multitask`, under deepchem's names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(1024, ge=64, le=8192, description="length of the circular fingerprint")
    radius: int = Field(4, ge=0, le=6, description="radius of the circular fingerprint, in bonds")
    layer_sizes: tuple[int, ...] = Field(
        (1000,), min_length=1, description="width of each hidden layer"
    )
    dropouts: float = Field(0.5, ge=0, lt=1, description="dropout after every hidden layer")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's learning rate")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty on the weights")
    batch_size: int = Field(128, ge=1, description="molecules a step")
    epochs: int = Field(30, ge=1, le=1000, description="epochs at most")
    patience: int = Field(
        5, ge=1, description="epochs without a better validation score before it stops"
    )


def circular_fingerprint(smiles: Sequence[str], size: int, radius: int) -> MatrixBlock:
    """Return deepchem's CircularFingerprint, (n, size) uint8 CSR."""
    from chmr_bench.features.molecules import parse

    deepchem = import_deepchem()
    featurizer = deepchem.feat.CircularFingerprint(size=size, radius=radius)
    with quiet():
        rows = [featurizer.featurize([parse(s)])[0] for s in smiles]
    values = sparse.csr_array(np.asarray(rows, dtype=np.uint8).reshape(len(smiles), size))
    return MatrixBlock(values, np.ones(len(smiles), dtype=np.bool_))


class DeepchemMultitask:
    """deepchem's multi-task network; unlabelled entries have weight 0 in its loss."""

    def __init__(self, config: DeepchemMultitaskConfig) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: DeepchemMultitaskConfig) -> Mapping[str, FeatureRequest]:
        """Return deepchem's fingerprint."""
        settings = {"size": config.size, "radius": config.radius}
        return {BLOCK: FeatureRequest(BLOCK, settings)}

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Train until the validation score no longer improves; keep the best epoch's weights."""
        self._context = context
        self._centre, self._spread = label_scale(y_train, context.tasks.task_type)
        with seeded(context.seed), tempfile.TemporaryDirectory() as folder, quiet():
            self._network = self._build(y_train.shape[1], folder)
            labelled = np.isfinite(y_train)
            y = np.where(labelled, (y_train - self._centre) / self._spread, 0.0)
            data = import_deepchem().data.NumpyDataset(
                _dense(train), y.astype(np.float32), labelled.astype(np.float32)
            )
            self._train(data, valid, y_valid)

    def _train(self, data: Any, valid: Inputs, y_valid: FloatArray) -> None:
        stopping, network = EarlyStopping(self.config.patience), self._network.model
        for epoch in range(self.config.epochs):
            self._network.fit(data, nb_epoch=1, checkpoint_interval=0)
            self._context.progress(epoch + 1, self.config.epochs, "epochs")
            score = validation_score(self._context.tasks, y_valid, self._raw(valid))
            if stopping.should_stop(score, lambda: copied_state(network)):
                break
        if stopping.state is not None:
            network.load_state_dict(stopping.state)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        with quiet(), one_thread():
            return self._raw(inputs)

    def _raw(self, inputs: Inputs) -> FloatArray:
        # predict() one-hot encodes the labels of what it is given, so it is given zeros
        no_labels = np.zeros((len(inputs), len(self._context.tasks.task_names)), dtype=np.float32)
        data = import_deepchem().data.NumpyDataset(_dense(inputs), no_labels)
        outputs = np.asarray(self._network.predict(data), dtype=np.float64)
        if self._is_classifier:
            return np.asarray(outputs.reshape(len(inputs), -1, 2)[:, :, 1])
        return np.asarray(outputs.reshape(len(inputs), -1) * self._spread + self._centre)

    @property
    def _is_classifier(self) -> bool:
        return self._context.tasks.task_type == "classification"

    def _build(self, n_tasks: int, folder: str) -> Any:
        config, models = self.config, import_deepchem().models
        kind = models.MultitaskClassifier if self._is_classifier else models.MultitaskRegressor
        return kind(
            n_tasks=n_tasks,
            n_features=config.size,
            layer_sizes=list(config.layer_sizes),
            dropouts=config.dropouts,
            weight_decay_penalty=config.weight_decay,
            learning_rate=config.learning_rate,
            batch_size=config.batch_size,
            model_dir=folder,
            device=self._context.device,
        )


def _dense(inputs: Inputs) -> FloatArray:
    values = inputs.matrix(BLOCK).values
    return np.asarray(values.todense() if sparse.issparse(values) else values, dtype=np.float32)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every generator that deepchem draws from, and put them back afterwards."""
    import torch

    numpy_state = np.random.get_state()  # noqa: NPY002 - the generator deepchem draws from
    states = random.getstate(), numpy_state, torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - deepchem shuffles with numpy's global generator
    torch.manual_seed(seed)
    try:
        with one_thread():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])

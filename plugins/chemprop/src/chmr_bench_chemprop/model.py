"""chemprop's network, trained by Lightning as its command line does.

`fit` and `predict` run in chemprop's environment, `needs` in that of chmr-bench: nothing of either
is imported at the top.
"""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from typing import Any

import numpy as np

SEEDS_A_RUN = 1000
"""Members of an ensemble start from seeds of their own, none of another run's."""


class Chemprop:
    """One or several networks from SMILES to all tasks, averaged."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def needs(cls, config: Any) -> dict[str, Any]:
        """Return nothing: it makes its graphs of the SMILES."""
        return {}

    def fit(self, train: Any, y_train: Any, valid: Any, y_valid: Any, context: Any) -> None:
        """Train each network; keep its epoch with the lowest validation loss."""
        import torch

        torch.set_num_threads(context.n_jobs)
        self._context = context
        self._is_class = context.tasks.task_type == "classification"
        self._scale(y_train)
        loaders = [
            self._loader(part.smiles, (y - self._centre) / self._spread, shuffle)
            for part, y, shuffle in ((train, y_train, True), (valid, y_valid, False))
        ]
        members = self.config.members
        self._networks = [self._trained(loaders, member) for member in range(members)]

    def predict(self, inputs: Any) -> Any:
        """Return probabilities of class 1, or values, (n, t)."""
        import torch

        t = len(self._centre)
        loader = self._loader(inputs.smiles, np.zeros((len(inputs), t)), shuffle=False)
        if loader is None:
            return np.zeros((0, t))
        parts = []
        for network in self._networks:
            with torch.inference_mode():
                raw = [network(batch.bmg.to(network.device) or batch.bmg) for batch in loader]
            parts.append(torch.cat(raw).double().cpu().numpy())  # (n, t)
        return np.mean(parts, axis=0) * self._spread + self._centre

    def _scale(self, y: Any) -> None:
        """Keep centre and spread of each task's labels, (t,); 0 and 1 for classes."""
        t = y.shape[1]
        self._centre, self._spread = np.zeros(t), np.ones(t)
        for task in range(0 if self._is_class else t):
            labels = y[np.isfinite(y[:, task]), task]
            if len(labels):
                self._centre[task], self._spread[task] = labels.mean(), labels.std() or 1.0

    def _loader(self, smiles: Any, y: Any, shuffle: bool) -> Any:
        """Return batches of the molecules that have any label; None where there is none.

        It is torch's loader and chemprop's batches: chemprop's own drops a last molecule that is
        alone, when predicting too.
        """
        from chemprop import data
        from rdkit import rdBase
        from torch.utils.data import DataLoader

        rows = np.flatnonzero(np.isfinite(y).any(axis=1))
        if not len(rows):
            return None
        with rdBase.BlockLogs():  # RDKit has remarks on many
            points = [data.MoleculeDatapoint(_molecule(smiles[i]), y=y[i]) for i in rows]
        molecules = data.MoleculeDataset(points)
        molecules.cache = True  # graphs are made once, not each epoch
        return DataLoader(
            molecules,
            self.config.batch_size,
            shuffle=shuffle,
            collate_fn=data.collate_batch,
        )

    def _trained(self, loaders: Any, member: int) -> Any:
        from lightning import pytorch

        for name in ("lightning.pytorch", "lightning.fabric"):  # set at their import to INFO
            logging.getLogger(name).setLevel(logging.ERROR)
        context, config, best = self._context, self.config, _BestEpoch(self._context, member)
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")
            pytorch.seed_everything(SEEDS_A_RUN * context.seed + member)
            network = self._network()
            trainer = pytorch.Trainer(
                accelerator="gpu" if context.device == "cuda" else "cpu",
                devices=1,
                max_epochs=config.epochs,
                callbacks=[best.callback()],
                default_root_dir=folder,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
            )
            if loaders[0] is not None:
                trainer.fit(network, *loaders)
        if best.state is not None:
            network.load_state_dict(best.state)
        return network.eval()

    def _network(self) -> Any:
        from chemprop import models, nn

        config, t = self.config, len(self._centre)
        messages = nn.BondMessagePassing(
            d_h=config.message_hidden_dim, depth=config.depth, dropout=config.dropout
        )
        kind = nn.BinaryClassificationFFN if self._is_class else nn.RegressionFFN
        readout = kind(
            n_tasks=t,
            input_dim=messages.output_dim,
            hidden_dim=config.ffn_hidden_dim,
            n_layers=config.ffn_num_layers,
            dropout=config.dropout,
        )
        return models.MPNN(
            messages,
            nn.NormAggregation(),
            readout,
            warmup_epochs=config.warmup_epochs,
            init_lr=config.init_lr,
            max_lr=config.max_lr,
            final_lr=config.final_lr,
        )


def _molecule(smiles: str) -> Any:
    """Return the molecule as chemprop reads it; unchecked where RDKit refuses a valence.

    chemprop itself ends there, so that no run on `hiv` (7 such molecules of 41,127) could.
    """
    from chemprop.utils import make_mol
    from rdkit import Chem

    try:
        return make_mol(smiles)
    except RuntimeError:
        mol = Chem.RemoveHs(Chem.MolFromSmiles(smiles, sanitize=False), sanitize=False)
        mol.UpdatePropertyCache(strict=False)
        steps = Chem.SANITIZE_ALL ^ Chem.SANITIZE_PROPERTIES
        Chem.SanitizeMol(mol, steps, catchErrors=True)
        return mol


class _BestEpoch:
    """Keeps the weights of the epoch with the lowest validation loss."""

    def __init__(self, context: Any, member: int) -> None:
        self.context, self.member = context, member
        self.loss, self.state = np.inf, None

    def callback(self) -> Any:
        """Return what Lightning calls."""
        from lightning.pytorch.callbacks import LambdaCallback

        return LambdaCallback(on_validation_end=self._validated, on_train_epoch_end=self._reported)

    def _validated(self, trainer: Any, network: Any) -> None:
        loss = float(trainer.callback_metrics.get("val_loss", np.inf))
        if loss < self.loss:
            self.loss, self.state = loss, copy.deepcopy(network.state_dict())

    def _reported(self, trainer: Any, network: Any) -> None:
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs
        self.context.progress(epoch, epochs, f"epochs (network {self.member + 1})")
        if epoch == epochs:
            self.context.log.info("network %d: validation loss %.4f", self.member + 1, self.loss)

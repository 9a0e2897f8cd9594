"""AttentiveFP of torch-geometric, the shortest way from a torch model to the board."""

from pydantic import BaseModel

from chmr_bench import FeatureRequest, ModelSpec, hookimpl
from chmr_bench.nn.trainer import (
    TrainerSettings,
    label_scale,
    masked_loss,
    one_thread,
    seeded,
    train,
    validation_score,
)


class AttentiveFPConfig(BaseModel, extra="forbid"):
    """Settings of `graph.attentive-fp`."""

    hidden: int = 128
    layers: int = 2
    timesteps: int = 2
    dropout: float = 0.2
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    epochs: int = 100
    patience: int = 15


class AttentiveFP:
    """Graphs to all tasks at once; the epoch with the best validation score is kept."""

    def __init__(self, config):
        self.config = config

    @classmethod
    def needs(cls, config):
        return {"graph": FeatureRequest("graph")}

    def fit(self, train_inputs, y_train, valid, y_valid, context):
        import torch
        from torch_geometric.nn.models import AttentiveFP as Network

        from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES

        config, tasks, self.device = self.config, context.tasks, context.device
        self.is_class = tasks.task_type == "classification"
        self.centre, self.spread = label_scale(y_train, tasks.task_type)  # (t,), (t,)
        y = torch.tensor((y_train - self.centre) / self.spread).float().to(self.device)  # (n, t)

        def losses():  # one epoch
            for rows in torch.randperm(len(y)).split(config.batch_size):
                yield masked_loss(self._raw(train_inputs, rows), y[rows], self.is_class)

        def score():
            return validation_score(tasks, y_valid, self.predict(valid))

        with seeded(context.seed, self.device):
            self.network = Network(
                in_channels=sum(ATOM_SIZES),
                hidden_channels=config.hidden,
                out_channels=y.shape[1],
                edge_dim=sum(BOND_SIZES),
                num_layers=config.layers,
                num_timesteps=config.timesteps,
                dropout=config.dropout,
            ).to(self.device)
            settings = TrainerSettings.of(config)
            train(self.network, settings, losses, score, context.progress)

    def predict(self, inputs):
        import torch

        with torch.inference_mode(), one_thread():
            parts = torch.arange(len(inputs)).split(1024)  # no rows make one empty part
            raw = torch.cat([self._raw(inputs, rows).cpu().double() for rows in parts])  # (n, t)
            values = raw.sigmoid() if self.is_class else raw
        return values.numpy() * self.spread + self.centre

    def _raw(self, inputs, rows):
        from chmr_bench.nn.batch import graph_batch

        graphs = graph_batch(inputs.graph("graph"), rows.numpy(), self.device, one_hot=True)
        return self.network(graphs.x, graphs.edge_index, graphs.edge_attr, graphs.batch)


@hookimpl
def chmr_bench_models():
    """Return the model."""
    return [
        ModelSpec(
            "graph.attentive-fp",
            "AttentiveFP of torch-geometric",
            "chmr_bench_attentive_fp:AttentiveFP",
            "chmr_bench_attentive_fp:AttentiveFPConfig",
            requires=("torch", "torch_geometric"),
            extra="graphs",
            accelerator=True,
            citation="Xiong et al., J. Med. Chem. 2020, doi:10.1021/acs.jmedchem.9b00959",
        )
    ]

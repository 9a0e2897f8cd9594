"""CHMR trained on with the labels: its encoder at a small rate, beside heads on the frozen one.

Whether the labels of a dataset suffice to train an encoder, and whether what it learnt from cells
is then of any use, differs from dataset to dataset. So several are fitted on the training rows: the
pretrained encoder trained on, a fresh one of the same shape, `chmr` itself, and networks on counts
and descriptors without an encoder. The validation rows choose among them, or the mean of the best
few, as they choose among the heads of `chmr`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from chmr_bench import DataError, FeatureRequest, FitContext, GraphBlock, Inputs
from chmr_bench.features.bits import log_counts_of
from chmr_bench.features.profiles import ProfileColumns
from chmr_bench.features.properties import ClippedScale
from chmr_bench.nn.heads import BatchSettings, TaskNetwork
from chmr_bench.nn.trainer import one_thread
from chmr_bench.types import FloatArray
from chmr_bench_chmr import reading
from chmr_bench_chmr.blending import Blend
from chmr_bench_chmr.config import CellFinetunedConfig, ChmrConfig, FinetunedConfig
from chmr_bench_chmr.counted import CountsNetworks
from chmr_bench_chmr.model import Chmr
from chmr_bench_chmr.profile_inputs import NO_PROFILES, ProfileInputs
from chmr_bench_chmr.tuned_inputs import RAW, SEEN, TunedInputs
from chmr_bench_chmr.weights import feature_requests

if TYPE_CHECKING:
    import torch

    from chmr_bench_chmr.network import ChmrNetwork

Candidate: TypeAlias = "Chmr | TunedNetwork | CountsNetworks"
AT_ONCE = 512
"""Molecules whose graphs are encoded at a time."""


class Finetuned:
    """Encoders trained on with the labels, beside frozen heads; validation rows choose."""

    def __init__(self, config: FinetunedConfig) -> None:
        self.config = config
        known = set(ChmrConfig.model_fields)
        self._frozen = Chmr(ChmrConfig(**config.model_dump(include=known)))

    @classmethod
    def needs(cls, config: FinetunedConfig) -> Mapping[str, FeatureRequest]:
        """Return the features of the encoder, and of the frozen heads."""
        wanted = {**reading.requests(config), **feature_requests(config)}
        counts = "counts" in config.candidates or set(config.tune_inputs) - {"bits"}
        return {**wanted, **reading.counted(config)} if counts else wanted

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Fit every candidate on the training rows, and keep what the validation rows choose.

        Raises
        ------
        DataError
            No weights were given.
        """
        if context.weights is None:
            raise DataError("an encoder is to be trained on, but there are no pretrained weights")
        fitted: dict[str, Candidate] = {}
        profiles = self._own_profiles(train)
        for name in self._candidates():
            context.log.info("candidate %s", name)
            if name in ("pretrained", "fresh"):
                fresh = name == "fresh"
                tuned = TunedNetwork(self.config, context, train, profiles, fresh=fresh)
                tuned.fit(tuned.read(train), y_train, tuned.read(valid), y_valid, context)
                fitted[name] = tuned
                continue
            other = self._frozen if name == "frozen" else CountsNetworks(profiles)
            other.fit(train, y_train, valid, y_valid, context)
            fitted[name] = other
        self._blend = Blend(context.tasks, y_valid)
        predicted = {name: _predicted(model, valid) for name, model in fitted.items()}
        most = len(fitted) if self.config.head_blend else 1
        chosen, scores = self._blend.choose(predicted, most)
        self._kept = [fitted[name] for name in chosen]
        context.log.info("by validation score: %s; kept: %s", scores, " and ".join(chosen))

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return self._blend.mean([_predicted(model, inputs) for model in self._kept])

    def _own_profiles(self, train: Inputs) -> ProfileInputs:
        """Return what is read of the molecules' own profiles."""
        return NO_PROFILES

    def _candidates(self) -> list[str]:
        """Return what is fitted: an encoder that learnt nothing is as good as a fresh one."""
        names: list[str] = list(dict.fromkeys(self.config.candidates))
        if self.config.encoder == "random" and {"pretrained", "fresh"} <= set(names):
            names.remove("fresh")
        return names


class CellFinetuned(Finetuned):
    """The same, with the molecule's own profiles beside what each trained candidate reads."""

    config: CellFinetunedConfig

    def _own_profiles(self, train: Inputs) -> ProfileInputs:
        return ProfileInputs(ProfileColumns.of(train), self.config.profile_dropout)


@dataclass(frozen=True)
class TunedSettings(BatchSettings):
    """How an encoder and its head are trained together; `hidden` and `dropout` are the head's."""

    hidden: int = 512
    dropout: float = 0.4


class TunedNetwork(TaskNetwork):
    """The molecular encoder of CHMR and a head on it, trained together.

    Parameters
    ----------
    config : FinetunedConfig
        The settings.
    context : FitContext
        Names the pretrained weights.
    train : Inputs
        The training rows, by which descriptors are scaled.
    profiles : ProfileInputs
        What the head reads of the molecules' own profiles.
    fresh : bool
        Begin with the shape of the pretrained encoder, and not with its weights.
    """

    settings: TunedSettings

    def __init__(
        self,
        config: FinetunedConfig,
        context: FitContext,
        train: Inputs,
        profiles: ProfileInputs = NO_PROFILES,
        *,
        fresh: bool,
    ) -> None:
        super().__init__(TunedSettings.of(config, "tune_"))
        self.config, self._context, self.fresh = config, context, fresh
        self._profiles = profiles
        self._encoder = self._new_encoder()
        if "descriptors" in config.tune_inputs:
            self._properties = ClippedScale.of(train.matrix("descriptors"))

    def read(self, inputs: Inputs) -> TunedInputs:
        """Return what the network reads of n molecules."""
        import torch

        from chmr_bench.features.profiles import CLIP
        from chmr_bench_chmr.shape import FINGERPRINT, GEOMETRY, GRAPH

        parts = {FINGERPRINT: reading.bits_of(inputs)}
        parts[RAW] = self._raw_features(inputs, parts[FINGERPRINT])
        if self._encoder.shape.geometry:
            block = inputs.matrix(GEOMETRY)
            raw = torch.from_numpy(np.array(block.values, dtype=np.float32)).to(self._device)
            values = self._encoder.standardise(GEOMETRY, raw).clamp(-CLIP, CLIP).cpu().numpy()
            parts[SEEN] = block.observed[:, None].astype(np.float32)
            parts[GEOMETRY] = np.where(block.observed[:, None], values, np.float32(0.0))
        if self.config.tune_graph:
            return TunedInputs(parts, inputs.graph())
        return TunedInputs({**parts, GRAPH: self._pooled(inputs.graph())})

    def _raw_features(self, inputs: Inputs, bits: FloatArray) -> FloatArray:
        """Return what the head reads beside the encoder, (n, d) float32."""
        wanted = self.config.tune_inputs
        parts = [bits] if "bits" in wanted else []
        if "counts" in wanted:
            parts.append(log_counts_of(inputs, ["counts"]).toarray())
        if "descriptors" in wanted:
            parts.append(self._properties.apply(inputs.matrix("descriptors")))
        parts.append(self._profiles.read(inputs))
        return np.concatenate(parts, axis=1)

    def _pooled(self, graph: GraphBlock) -> FloatArray:
        """Return the graphs as the encoder begins with them, (n, h)."""
        import torch

        from chmr_bench.nn.batch import graph_batch

        encoded = np.zeros((len(graph), self._encoder.shape.hidden), dtype=np.float32)
        network = self._encoder.graph_encoder.eval()
        with one_thread(), torch.inference_mode():
            for start in range(0, len(graph), AT_ONCE):
                rows = np.arange(start, min(start + AT_ONCE, len(graph)))
                encoded[rows] = network(graph_batch(graph, rows, self._device)).cpu().numpy()
        return encoded

    @property
    def _device(self) -> torch.device:
        """Where the encoder is: on the CPU until it is trained."""
        return next(self._encoder.parameters()).device

    def _new_encoder(self) -> ChmrNetwork:
        """Return the encoder before tuning; its scales are those of the weights."""
        import torch

        from chmr_bench.nn.trainer import seeded
        from chmr_bench_chmr.embedding import checked_network
        from chmr_bench_chmr.network import ChmrNetwork

        known = checked_network(self.config, self._context)
        if not self.fresh:
            encoder = copy.deepcopy(known).cpu()  # others read that one
        else:
            with seeded(self._context.seed):
                encoder = ChmrNetwork(known.shape)
            encoder.scales.load_state_dict(known.scales.state_dict())
        encoder.graph_encoder.dropout = self.config.tune_encoder_dropout
        for module in encoder.projectors.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = self.config.tune_encoder_dropout
        return encoder

    def _build(self, d: int, t: int) -> torch.nn.Module:
        from chmr_bench_chmr.tuned_network import EncoderWithHead

        settings = self.settings
        return EncoderWithHead(self._encoder, t, d, settings.hidden, settings.dropout)

    def _parameters(self) -> list[dict[str, Any]]:
        rate = self.config.tune_fresh_rate if self.fresh else self.config.tune_encoder_rate
        encoder = list(self._encoder.parameters())
        of_encoder = {id(parameter) for parameter in encoder}
        head = [p for p in self._network.parameters() if id(p) not in of_encoder]
        return [{"params": encoder, "lr": rate}, {"params": head}]

    def _features(self, x: TunedInputs, learning: bool = False) -> TunedInputs:
        return TunedInputs({name: self._tensor(part) for name, part in x.parts.items()}, x.graph)

    def _augmented(self, x: TunedInputs) -> TunedInputs:
        return replace(x, parts={**x.parts, RAW: self._profiles.masked(x.parts[RAW])})

    def _outputs(self, x: TunedInputs) -> torch.Tensor:
        raw: torch.Tensor = self._network(x)
        return raw


def _predicted(model: Candidate, inputs: Inputs) -> FloatArray:
    """Return what a candidate predicts, (n, t)."""
    if isinstance(model, TunedNetwork):
        return model.predict(model.read(inputs))
    return model.predict(inputs)

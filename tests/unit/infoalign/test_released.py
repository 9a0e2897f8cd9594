"""The released checkpoint, and files of its tensors: fetched, pinned, read as tensors alone."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chmr_bench import PendingWeights
from chmr_bench.errors import FetchError, SettingError
from chmr_bench_infoalign.config import InfoAlignConfig
from chmr_bench_infoalign.pretraining import released
from chmr_bench_infoalign.pretraining.store import find_or_make
from chmr_bench_infoalign.weights import load_network


class Harmful:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def saved(state: Any) -> bytes:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


@pytest.fixture
def ask(tiny: Any, home: Path, tmp_path: Path) -> Callable[..., Any]:
    """Ask for weights that the settings name."""

    def asked(weights: Any, make: bool = True, sha256: str = "", **changes: Any) -> Any:
        chosen = frozenset({"weights", *changes})
        request = tiny.request(tmp_path / "weights", make=make, chosen=chosen)
        config = InfoAlignConfig(weights=str(weights), weights_sha256=sha256, **changes)
        return find_or_make(config, request)

    return asked


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_of_published_tensors(
    ask: Any, published: Any, tmp_path: Path, wrapped: bool
) -> None:
    state = published()
    file = tmp_path / "pretrain.pt"
    file.write_bytes(saved({"model_state_dict": state, "epoch": 3} if wrapped else state))
    weights = ask(file)
    network, metadata = load_network(weights.path)
    assert torch.equal(network.latent_layer.weight, state["dist_net.1.weight"])
    assert (metadata.config.hidden, metadata.config.epochs) == (8, 300)
    assert weights.info["published"]["file"] == "pretrain.pt"
    assert weights.seen is None
    file.write_bytes(file.read_bytes())
    assert ask(file) == weights
    with pytest.raises(SettingError, match=r"cells=None \(here \(\)\)"):
        ask(file, cells=())


def test_code_in_a_file_is_not_run(ask: Any, published: Any, tmp_path: Path) -> None:
    file, mark = tmp_path / "pretrain.pt", tmp_path / "mark"
    file.write_bytes(saved({**published(), "extra": Harmful(mark)}))
    with pytest.raises(SettingError, match=r"is refused: .* holds more than tensors"):
        ask(file)
    assert not mark.exists()
    assert not list((tmp_path / "weights").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("dist_net.1.bias"), r"Missing key.*latent_layer\.bias"),
        (lambda s: s.update({"dist_net.1.bias": torch.zeros(3)}), r"size mismatch.*latent_layer"),
        (lambda s: s.update({"head.weight": torch.zeros(3)}), r"'head\.weight' is no tensor"),
        (lambda s: s.pop("decoder_list.5.fc2.bias"), "hold 5 decoders"),
        (lambda s: s["dist_net.1.bias"].fill_(float("nan")), "not finite"),
        (lambda s: s.update({"dist_net.1.bias": 3}), "no state dict"),
        (lambda s: s.clear(), "0 decoders"),
    ],
)
def test_other_tensors_are_refused(
    ask: Any, published: Any, tmp_path: Path, change: Callable[[Any], Any], said: str
) -> None:
    state = published()
    change(state)
    file = tmp_path / "pretrain.pt"
    file.write_bytes(saved(state))
    with pytest.raises(SettingError, match=rf"(?s)weights=.*{said}"):
        ask(file)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk", b"\x80\x02."])
def test_junk_is_refused(ask: Any, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pretrain.pt"
    file.write_bytes(content)
    with pytest.raises(SettingError, match=r"pretrain\.pt"):
        ask(file)


@pytest.fixture
def hub(hub_server: Any, published: Any) -> Any:
    """A hub that serves a small checkpoint as the released one."""
    pytest.importorskip("huggingface_hub")
    hub_server.serve("model", released.REPOSITORY, {released.FILE: saved(published())})
    return hub_server


def test_the_released_checkpoint_is_fetched_once(hub: Any, ask: Any) -> None:
    pending = ask("official", make=False)
    assert isinstance(pending, PendingWeights)
    assert pending.title == "fetch pretrain.pt of liuganghuggingface/InfoAlign-Pretrained (main)"
    weights = ask("official")
    assert load_network(weights.path)[0].shape.hidden == 8
    assert ask("official", make=False) == ask("official") == weights
    assert hub.requests[released.FILE] == 1


def test_another_checkpoint_than_the_pinned_is_refused(hub: Any, ask: Any, home: Path) -> None:
    ask("official")
    (file,) = home.rglob(released.FILE)
    file.write_bytes(b"other")
    assert isinstance(ask("official", make=False), PendingWeights)
    hub.files[released.FILE] = hub.files[released.FILE] + b"more"
    hub.told[released.FILE] = hub.files[released.FILE][:-4]
    with pytest.raises(FetchError, match="where the hub says"):
        ask("official")
    with pytest.raises(FetchError, match="where the hub says"):
        ask("official")


def test_the_users_hash_is_held_against_it(hub: Any, ask: Any) -> None:
    with pytest.raises(SettingError, match=r"expected 0{64}"):
        ask("official", sha256="0" * 64)


def test_a_hub_without_it(hub: Any, ask: Any) -> None:
    hub.files.clear()
    with pytest.raises(FetchError, match=r"has no file pretrain\.pt"):
        ask("official")

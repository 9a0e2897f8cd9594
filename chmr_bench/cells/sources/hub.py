"""Files of a Hugging Face dataset: of one commit, verified against the hub's hashes, then pinned.

Nobody publishes hashes of these files apart from the hub itself. So the revision asked for is
turned into a commit once; every file is downloaded of that commit and held against the hash that
the hub states (sha256 of a large file, git's blob hash of a small one); and commit and sha256 are
written down in ``PINS``. From then on the cache serves, offline too, and is hashed whenever it is
opened, as every source file is.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chmr_bench.contracts import Progress, no_progress
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import FetchError, MissingDependencyError

PINS = "pins.json"
ENDPOINT_VARIABLE = "HF_ENDPOINT"
REQUEST_TIMEOUT = 30.0


@dataclass(frozen=True)
class HubDataset:
    """Files of one dataset repository at one revision (a branch, a tag or a commit)."""

    repository: str
    revision: str
    files: tuple[str, ...]


def hub_files(
    dataset: HubDataset, folder: Path, options: FetchOptions, progress: Progress = no_progress
) -> Mapping[str, Path]:
    """Return the local, verified files of a dataset, fetched into `folder` where need be.

    Raises
    ------
    FetchError
        A file cannot be had, or is not what the hub, or the pin, says.
    MissingDependencyError
        Huggingface_hub is not installed, and something is to be fetched.
    """
    pins = _read_pins(folder, dataset)
    wanted = [name for name in dataset.files if not _is_pinned(folder / name, pins.get(name))]
    if wanted:
        if options.offline:
            raise FetchError(
                f"{dataset.repository}: {', '.join(wanted)} missing or damaged in {folder}, and "
                "--offline forbids fetching. Run once without --offline, or name another atlas"
            )
        _fetch(dataset, folder, wanted, progress)
    return {name: folder / name for name in dataset.files}


def _fetch(dataset: HubDataset, folder: Path, wanted: Sequence[str], progress: Progress) -> None:
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        state = _read_state(folder, dataset)
        with _hub_errors(dataset):
            commit = (
                state.get("commit")
                or _api()
                .repo_info(
                    dataset.repository,
                    revision=dataset.revision,
                    repo_type="dataset",
                    timeout=REQUEST_TIMEOUT,
                )
                .sha
            )
            told = _told(dataset, commit, wanted)
        for done, name in enumerate(wanted):
            progress(done, len(wanted), "files")
            if not _is_pinned(folder / name, state["files"].get(name)):
                with _hub_errors(dataset):
                    _download(dataset, commit, name, folder)
                state["files"][name] = _verified(folder / name, told[name], dataset)
                _write_state(folder, state | {"commit": commit})
        progress(len(wanted), len(wanted), "files")


def _api() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError(
            "this atlas is fetched with huggingface_hub, which is not installed: "
            "pip install 'chmr-bench[cells]'"
        ) from error
    return huggingface_hub.HfApi(endpoint=os.environ.get(ENDPOINT_VARIABLE) or None, token=False)


def _told(dataset: HubDataset, commit: str, wanted: Sequence[str]) -> Mapping[str, Any]:
    """Return what the hub says of the files; FetchError where it lacks one."""
    found = _api().get_paths_info(
        dataset.repository, list(wanted), revision=commit, repo_type="dataset"
    )
    told = {entry.path: entry for entry in found}
    missing = [name for name in wanted if name not in told]
    if missing:
        raise FetchError(
            f"{dataset.repository} at {commit[:12]} has no file {', '.join(missing)}; name another "
            "revision"
        )
    return told


def _download(dataset: HubDataset, commit: str, name: str, folder: Path) -> None:
    import huggingface_hub

    utils: Any = importlib.import_module("huggingface_hub.utils")
    shown = not utils.are_progress_bars_disabled()
    utils.disable_progress_bars()  # whoever called shows the progress
    try:
        huggingface_hub.hf_hub_download(
            dataset.repository,
            name,
            revision=commit,
            repo_type="dataset",
            local_dir=folder,
            force_download=True,  # it is here because the copy on disk is missing or damaged
            endpoint=os.environ.get(ENDPOINT_VARIABLE) or None,
            token=False,
        )
    finally:
        if shown:
            utils.enable_progress_bars()


def _verified(path: Path, told: Any, dataset: HubDataset) -> str:
    """Return the file's sha256; remove it and raise FetchError where the hub says another hash."""
    found = _sha256(path)
    size = path.stat().st_size
    expected, actual = (told.lfs.sha256, found) if told.lfs else (told.blob_id, _git_blob(path))
    if actual != expected:
        path.unlink()
        raise FetchError(
            f"{dataset.repository}: {path.name}: {size} bytes with hash {actual[:16]}..., where "
            f"the hub says {told.size} bytes with {expected[:16]}...; nothing was kept; try again"
        )
    return found


@contextlib.contextmanager
def _hub_errors(dataset: HubDataset) -> Iterator[None]:
    """Say in our words what went wrong between here and the hub."""
    try:
        yield
    except (FetchError, MissingDependencyError):
        raise
    except Exception as error:  # its HTTP library, and so its errors, change with its version
        first = str(error).strip().partition("\n")[0]
        raise FetchError(
            f"{dataset.repository} at {dataset.revision!r}: {type(error).__name__}: {first}. "
            f"Check the network; {ENDPOINT_VARIABLE} names a mirror of the hub"
        ) from error


def _read_pins(folder: Path, dataset: HubDataset) -> Mapping[str, str]:
    pins: Mapping[str, str] = _read_state(folder, dataset)["files"]
    return pins


def _read_state(folder: Path, dataset: HubDataset) -> dict[str, Any]:
    """Return the pins of this repository and revision; empty ones where there are none."""
    state: dict[str, Any] = {
        "repository": dataset.repository,
        "revision": dataset.revision,
        "files": {},
    }
    try:
        found = json.loads((folder / PINS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return state
    same = all(found.get(key) == state[key] for key in ("repository", "revision"))
    return found if same else state


def _write_state(folder: Path, state: Mapping[str, Any]) -> None:
    part = folder / f"{PINS}.part"
    part.write_text(json.dumps(state, indent=1), encoding="utf-8")
    part.replace(folder / PINS)


def _is_pinned(path: Path, sha256: str | None) -> bool:
    return sha256 is not None and path.is_file() and _sha256(path) == sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob(path: Path) -> str:
    """Return the hash by which git knows the content."""
    h = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            h.update(chunk)
    return h.hexdigest()

"""Files of a Hugging Face repository: of one commit, verified by the hub's hashes, then pinned.

Nobody publishes hashes of these files apart from the hub itself. So the revision asked for is
turned into a commit once; every file is downloaded of that commit and held against the hash that
the hub states (sha256 of a large file, git's blob hash of a small one); and commit and sha256 are
written down in ``PINS``. From then on the cache serves, offline too, and is hashed whenever it is
opened, as every source file is.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chmr_bench.contracts import Progress, no_progress
from chmr_bench.data.downloads import within
from chmr_bench.data.fetch import SLOWEST, FetchOptions, file_sha256, locked
from chmr_bench.errors import FetchError, MissingDependencyError
from chmr_bench.paths import write_whole

PINS = "pins.json"
ENDPOINT_VARIABLE = "HF_ENDPOINT"


@dataclass(frozen=True)
class HubDataset:
    """Files of one repository at one revision (a branch, a tag or a commit)."""

    repository: str
    revision: str
    files: tuple[str, ...]
    kind: Literal["dataset", "model"] = "dataset"


def hub_files(
    dataset: HubDataset, folder: Path, options: FetchOptions, progress: Progress = no_progress
) -> Mapping[str, Path]:
    """Return the local, verified files of a dataset, fetched into `folder` where need be.

    Raises
    ------
    FetchError
        A file cannot be had, or is not what the hub, or the pin, says.
    MissingDependencyError
        huggingface_hub is not installed, and something is to be fetched.
    """
    pins = _read_state(folder, dataset)["files"]
    wanted = [name for name in dataset.files if not _is_pinned(folder / name, pins.get(name))]
    if wanted and options.offline:
        raise FetchError(
            f"{dataset.repository}: {', '.join(wanted)} missing or damaged in {folder}, and "
            "--offline forbids fetching. Run once without --offline"
        )
    if wanted:
        with locked(folder / ".lock", dataset.repository):
            _fetch(dataset, folder, wanted, options, progress)
    return {name: folder / name for name in dataset.files}


def _fetch(
    dataset: HubDataset,
    folder: Path,
    wanted: Sequence[str],
    options: FetchOptions,
    progress: Progress,
) -> None:
    """Download what is wanted of one commit; each file that is verified is pinned at once."""
    state = _read_state(folder, dataset)
    with _hub_errors(dataset):
        commit = state.get("commit") or within(options.limit, lambda: _commit(dataset))
        entries = within(options.limit, lambda: _entries(dataset, commit, wanted))
    for done, name in enumerate(wanted):
        progress(done, len(wanted), "files")
        if not _is_pinned(folder / name, state["files"].get(name)):
            limit = options.limit + entries[name].size / SLOWEST
            download = functools.partial(_download, dataset, commit, name, folder)
            with _hub_errors(dataset):
                within(limit, download)
            state["files"][name] = _verified(folder / name, entries[name], dataset)
            pins = json.dumps(state | {"commit": commit}, indent=1)
            write_whole(folder / PINS, pins.encode())
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub's locks and half files
    progress(len(wanted), len(wanted), "files")


def _api() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError(
            "this file is fetched with huggingface_hub, which is not installed: "
            "pip install 'chmr-bench[cells]'"
        ) from error
    return huggingface_hub.HfApi(endpoint=os.environ.get(ENDPOINT_VARIABLE) or None, token=False)


def _commit(dataset: HubDataset) -> str:
    """Return the commit that the revision names today."""
    info = _api().repo_info(dataset.repository, revision=dataset.revision, repo_type=dataset.kind)
    return str(info.sha)


def _entries(dataset: HubDataset, commit: str, wanted: Sequence[str]) -> Mapping[str, Any]:
    """Return size and hash of the files as the hub has them; FetchError where it lacks one."""
    listed = _api().get_paths_info(
        dataset.repository, list(wanted), revision=commit, repo_type=dataset.kind
    )
    entries = {entry.path: entry for entry in listed}
    missing = [name for name in wanted if name not in entries]
    if missing:
        raise FetchError(
            f"{dataset.repository} at {commit[:12]} has no file {', '.join(missing)}; name another "
            "revision"
        )
    return entries


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
            repo_type=dataset.kind,
            local_dir=folder,
            force_download=True,  # it is here because the copy on disk is missing or damaged
            endpoint=os.environ.get(ENDPOINT_VARIABLE) or None,
            token=False,
        )
    finally:
        if shown:
            utils.enable_progress_bars()


def _verified(path: Path, entry: Any, dataset: HubDataset) -> str:
    """Return the file's sha256; remove it and raise FetchError where the hub says another hash."""
    from huggingface_hub.utils.sha import git_hash

    sha256 = file_sha256(path)
    content = path.read_bytes() if not entry.lfs else b""  # small, where git keeps it itself
    actual, expected = (
        (sha256, entry.lfs.sha256) if entry.lfs else (git_hash(content), entry.blob_id)
    )
    if actual != expected:
        size = path.stat().st_size
        path.unlink()
        raise FetchError(
            f"{dataset.repository}: {path.name}: {size} bytes with hash {actual[:16]}..., where "
            f"the hub says {entry.size} bytes with {expected[:16]}...; nothing was kept; try again"
        )
    return sha256


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


def _read_state(folder: Path, dataset: HubDataset) -> dict[str, Any]:
    """Return the pins of this repository and revision; empty ones where there are none."""
    state: dict[str, Any] = {
        "repository": dataset.repository,
        "revision": dataset.revision,
        "files": {},
    }
    try:
        stored = json.loads((folder / PINS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return state
    same = all(stored.get(key) == state[key] for key in ("repository", "revision"))
    return stored if same else state


def _is_pinned(path: Path, sha256: str | None) -> bool:
    return sha256 is not None and path.is_file() and file_sha256(path) == sha256

"""MoleculeNet's other tables, through deepchem's loaders: ``molnet:tox21`` and twenty more.

deepchem publishes no hashes, so a table is pinned by the hash of its first load.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chmr_bench import paths
from chmr_bench.contracts import Dataset, DatasetSpec, DroppedRow
from chmr_bench.data import pins
from chmr_bench.data.deepchem_bridge import import_deepchem, quiet
from chmr_bench.data.requests import MOLNET_PREFIX
from chmr_bench.errors import DataError, FetchError, UnknownNameError
from chmr_bench.types import FloatArray, MetricName, TaskType


@dataclass(frozen=True)
class MolNetTable:
    """A MoleculeNet table of SMILES that deepchem can load."""

    name: str
    title: str
    task_type: TaskType
    metric: MetricName
    note: str = ""


_NOT_OURS = "deepchem's own copy of this table; its rows are not those of the benchmark "

MOLNET: dict[str, MolNetTable] = {
    t.name: t
    for t in (
        MolNetTable("bace_classification", "BACE inhibitors", "classification", "roc_auc"),
        MolNetTable("bace_regression", "BACE pIC50", "regression", "rmse"),
        MolNetTable("bbbp", "Blood-brain barrier", "classification", "roc_auc"),
        MolNetTable("chembl", "ChEMBL 22.1, five or more targets", "regression", "mae"),
        MolNetTable("clearance", "Intrinsic clearance", "regression", "mae"),
        MolNetTable(
            "clintox", "ClinTox", "classification", "roc_auc", _NOT_OURS + "'clintox' (1477)"
        ),
        MolNetTable("delaney", "ESOL aqueous solubility, log mol/l", "regression", "rmse"),
        MolNetTable("freesolv", "FreeSolv hydration free energy", "regression", "rmse"),
        MolNetTable("hiv", "HIV", "classification", "roc_auc", _NOT_OURS + "'hiv' (41127)"),
        MolNetTable("hopv", "Harvard organic photovoltaics", "regression", "mae"),
        MolNetTable("hppb", "Solubility in pH 7.4 buffer", "regression", "mae"),
        MolNetTable("lipo", "Lipophilicity, log D at pH 7.4", "regression", "rmse"),
        MolNetTable("muv", "MUV virtual screening", "classification", "average_precision"),
        MolNetTable("nci", "NCI-60 growth inhibition", "regression", "mae"),
        MolNetTable("pcba", "PubChem bioassays", "classification", "average_precision"),
        MolNetTable("ppb", "Plasma protein binding", "regression", "mae"),
        MolNetTable("sampl", "SAMPL hydration free energy, kcal/mol", "regression", "rmse"),
        MolNetTable("sider", "SIDER side effects", "classification", "roc_auc"),
        MolNetTable("thermosol", "Thermodynamic solubility", "regression", "mae"),
        MolNetTable("tox21", "Tox21", "classification", "roc_auc"),
        MolNetTable("toxcast", "ToxCast", "classification", "roc_auc"),
    )
}


def molnet(
    name: str, *, on_invalid: Literal["stop", "drop"] = "stop", offline: bool = False
) -> tuple[DatasetSpec, Dataset]:
    """Return a MoleculeNet table through deepchem's loader: labels as in the file, no row dropped.

    The raw file is fetched once by deepchem and kept under ``molnet/`` in the cache folder; a file
    put there by hand serves as well. deepchem publishes no hashes, so the first download is taken
    on trust: its sha256 is written beside it, and checked whenever it is read again. deepchem's
    label transformations are not applied.

    Parameters
    ----------
    name : str
        A name of `MOLNET`, with or without the prefix ``molnet:``.
    on_invalid : Literal['stop', 'drop']
        What becomes of rows whose SMILES cannot be read: an error, or left out and listed.
    offline : bool
        Do not download; the file must be in the cache folder.

    Raises
    ------
    UnknownNameError
        Not a table that the bridge knows.
    FetchError
        The download failed.
    DataError
        The file is not what it was, or not what deepchem expects; an unreadable SMILES.
    """
    short = name.removeprefix(MOLNET_PREFIX).lower()
    table = MOLNET.get(short)
    if table is None:
        hint = "(tables of SMILES that deepchem loads; other files: --dataset FILE.csv)"
        raise UnknownNameError("MolNet dataset", short, MOLNET, hint)
    if offline and not pins.pinned_files(molnet_folder(short)):
        raise FetchError(f"molnet:{short}: not in the cache, and --offline. {_ways_out(table)}")
    smiles, y, task_names = _load_table(table)
    _check_labels(table, y, task_names)
    data = _readable(Dataset(smiles=smiles, y=y, task_names=task_names), table, on_invalid)
    spec = DatasetSpec(
        name=f"molnet-{table.name}",
        title=table.title,
        task_type=table.task_type,
        task_names=task_names,
        metric=table.metric,
        n_molecules=len(data),
        load="",
        split="scaffold",
        citation="Wu et al., MoleculeNet, Chemical Science 9 (2018) 513",
        source=f"deepchem.molnet.load_{table.name}",
        notes=(table.note,) if table.note else (),
        version=hashlib.sha256(data.digest().encode()).hexdigest()[:12],
    )
    return spec, data


def molnet_folder(name: str) -> Path:
    """Return where the raw file of a MolNet table is kept."""
    return paths.home() / "molnet" / name


def _load_table(table: MolNetTable) -> tuple[tuple[str, ...], FloatArray, tuple[str, ...]]:
    """Return SMILES, labels (n, t) with NaN where not measured, and task names."""
    folder = molnet_folder(table.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    pins.check(folder)
    # A download that stops half-way leaves its piece behind; so it happens in a folder of its own.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{table.name}-") as fresh:
        source = folder if folder.is_dir() else Path(fresh)
        tasks, dataset = _call_loader(table, source, Path(fresh) / "deepchem")
        smiles = tuple(str(s) for s in dataset.ids)
        y = np.where(dataset.w == 0, np.nan, np.asarray(dataset.y, dtype=np.float64))
        shutil.rmtree(dataset.data_dir, ignore_errors=True)  # deepchem's own copy of the table
        if source != folder:
            _keep(source, folder)
    pins.check(folder)  # deepchem fetches anew where only the pin was left
    pins.pin(folder)
    return smiles, y.reshape(len(smiles), -1), tuple(map(str, tasks))


def _call_loader(table: MolNetTable, source: Path, scratch: Path) -> tuple[Sequence[str], Any]:
    deepchem = import_deepchem()
    load = getattr(deepchem.molnet, f"load_{table.name}")
    try:
        with quiet():
            tasks, (dataset,), _ = load(
                featurizer=deepchem.feat.DummyFeaturizer(),
                splitter=None,
                transformers=[],
                reload=False,
                data_dir=str(source),
                save_dir=str(scratch),
            )
    except OSError as error:
        raise FetchError(
            f"molnet:{table.name}: {_address(load)} could not be fetched or read: {error}. "
            + _ways_out(table)
        ) from error
    except Exception as error:  # whatever deepchem raises on a file it cannot parse
        raise DataError(
            f"molnet:{table.name}: deepchem cannot read the table from {_address(load)} "
            f"({type(error).__name__}: {error}); remove {molnet_folder(table.name)} and try again"
        ) from error
    return tasks, dataset


def _ways_out(table: MolNetTable) -> str:
    return (
        "Ways out: a machine with network access; the file put by hand into "
        f"{molnet_folder(table.name)}; a CSV of your own with --dataset FILE --smiles COL "
        "--tasks A,B; or --suite demo, which needs no network."
    )


def _address(load: Any) -> str:
    """Return the download address that stands in the module of one of deepchem's loaders."""
    module = sys.modules[load.__module__]
    addresses = [str(v) for k, v in vars(module).items() if k.endswith("_URL")]
    return " or ".join(addresses) or "deepchem's address"


def _keep(fresh: Path, folder: Path) -> None:
    """Move the raw files of a first load to their place; another process may have been first."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as outer:
        staged = Path(outer) / folder.name
        staged.mkdir()
        for path in fresh.iterdir():
            if path.name != "deepchem":
                shutil.move(path, staged / path.name)
        with contextlib.suppress(OSError):  # the folder is there by now, with the same files
            staged.rename(folder)


def _check_labels(table: MolNetTable, y: FloatArray, task_names: Sequence[str]) -> None:
    labels = y[~np.isnan(y)]
    if not y.shape[0] or not labels.size:
        raise DataError(f"molnet:{table.name}: the table holds no labelled molecule")
    if table.task_type == "classification" and not np.isin(labels, (0.0, 1.0)).all():
        row, task = np.argwhere(~(np.isnan(y) | (y == 0) | (y == 1)))[0]
        raise DataError(
            f"molnet:{table.name}: task {task_names[task]!r} of molecule {row} (0-based) is "
            f"{y[row, task]!r}, expected 0 or 1"
        )


def _readable(data: Dataset, table: MolNetTable, on_invalid: Literal["stop", "drop"]) -> Dataset:
    """Return the data without unreadable SMILES, or raise, as asked."""
    from chmr_bench.features.molecules import is_parsable

    bad = [i for i, s in enumerate(data.smiles) if not is_parsable(s)]
    if not bad:
        return data
    if on_invalid == "stop":
        raise DataError(
            f"molnet:{table.name}: {len(bad)} SMILES cannot be read, the first is molecule "
            f"{bad[0]} (0-based): {data.smiles[bad[0]]!r}; --on-invalid drop leaves them out"
        )
    dropped = tuple(DroppedRow(i + 2, f"unreadable SMILES {data.smiles[i]!r}") for i in bad)
    return replace(data.take(np.setdiff1d(np.arange(len(data)), bad)), dropped=dropped)

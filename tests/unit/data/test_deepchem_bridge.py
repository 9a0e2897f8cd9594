"""deepchem's splitters and loaders, with a local server in the place of its address.

Importing deepchem takes seconds; all tests that need it stand in this one module.
"""

from __future__ import annotations

import gzip
import importlib.util
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from chmr_bench import splits
from chmr_bench.contracts import Dataset
from chmr_bench.data import deepchem_bridge, molnet
from chmr_bench.errors import (
    DataError,
    FetchError,
    MissingDependencyError,
    UnknownNameError,
)
from chmr_bench.types import PARTS

ALUMINIUM = "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3"
TOX21 = (
    "NR-AR,NR-AR-LBD,NR-AhR,NR-Aromatase,NR-ER,NR-ER-LBD,"
    "NR-PPAR-gamma,SR-ARE,SR-ATAD5,SR-HSE,SR-MMP,SR-p53"
)


@pytest.fixture(scope="module")
def deepchem() -> ModuleType:
    if importlib.util.find_spec("deepchem") is None:
        pytest.skip("deepchem, an optional extra, is not installed")
    pytest.importorskip("deepchem_bridge" and "torch")
    return deepchem_bridge.import_deepchem()


@pytest.fixture(scope="module")
def molecules() -> Dataset:
    """60 molecules of twelve ring systems and five chains, two tasks, some labels missing."""
    rings = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "c1ccoc1", "c1ccsc1", "C1CCNCC1"]
    rings += ["C1CC1", "C1CCC1", "c1ccc2ccccc2c1", "C1COCCN1", "c1cnccn1", "C1CCCC1"]
    smiles = tuple(chain + ring for ring in rings for chain in ("C", "CC", "O", "N", "ClC"))
    y = np.arange(120).reshape(60, 2) % 5 < 2
    labels = np.where(np.arange(120).reshape(60, 2) % 7 == 0, np.nan, y)
    return Dataset(smiles, labels, ("a", "b"))


# ------------------------------------------------------------------------------------------- quiet


@pytest.mark.slow
def test_a_first_import_says_nothing(deepchem: ModuleType) -> None:
    code = "from chmr_bench.data.deepchem_bridge import import_deepchem as i; print(i().__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("deepchem\n", "", 0)


def test_the_bridge_itself_imports_nothing_heavy() -> None:
    code = "import sys, chmr_bench.data.deepchem_bridge, chmr_bench.splits, chmr_bench.data.tables;"
    code += "print([m for m in ('deepchem', 'torch', 'rdkit', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


def test_quiet_ends_with_the_block(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("deepchem.some.module")
    with deepchem_bridge.quiet():
        logger.warning("inside")
        warnings.warn("inside", stacklevel=1)
    logger.warning("outside")
    assert [r.message for r in caplog.records] == ["outside"]


def test_without_deepchem_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepchem", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'chmr-bench\[deepchem\]'"):
        deepchem_bridge.import_deepchem()


# --------------------------------------------------------------------------------------- splitters


@pytest.mark.parametrize("name", sorted(deepchem_bridge.SPLITTERS))
def test_every_splitter_gives_a_whole_split(
    name: str, molecules: Dataset, deepchem: ModuleType
) -> None:
    method = f"deepchem:{name}"
    split = splits.make_split(method, molecules, seed=1)
    assert sorted(np.concatenate([split.part(p) for p in PARTS]).tolist()) == list(range(60))
    assert splits.make_split(method, molecules, seed=1).digest() == split.digest()
    other = splits.make_split(method, molecules, seed=2)
    assert (other.digest() != split.digest()) == splits.depends_on_seed(method)


def test_the_index_splitter_is_deepchems(molecules: Dataset, deepchem: ModuleType) -> None:
    split = splits.make_split("deepchem:index", molecules)
    assert split.valid.tolist() == list(range(48, 54))


def test_the_last_rows_of_a_stratified_split_go_to_train(deepchem: ModuleType) -> None:
    data = Dataset(("C",) * 37, np.arange(37.0)[:, None], ("a",))
    split = splits.make_split("deepchem:singletaskstratified", data)
    assert [split.part(p).size for p in PARTS] == [31, 3, 3]


def test_numpys_global_generator_is_left_alone(molecules: Dataset, deepchem: ModuleType) -> None:
    np.random.seed(5)  # noqa: NPY002 - this is what deepchem uses
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    splits.make_split("deepchem:random", molecules)
    assert np.random.rand() == expected  # noqa: NPY002


@pytest.mark.parametrize("smiles", [ALUMINIUM, "[#119]", "C\udc80", "C" * 1_001])
def test_a_molecule_that_deepchem_cannot_read_is_named(smiles: str) -> None:
    data = Dataset(("CC", smiles, "CCC"), np.zeros((3, 1)), ("a",))
    with pytest.raises(DataError, match=r"cannot read 1 of 3 molecules, the first is row 1"):
        splits.make_split("deepchem:scaffold", data)


def test_a_list_too_long_for_the_memory_is_refused() -> None:
    data = Dataset(("C",) * 2_000_000, np.zeros((2_000_000, 1)), ("a",))
    with pytest.raises(DataError, match=r"keeps all pairs of 2000000 molecules in memory"):
        splits.make_split("deepchem:butina", data)


# ------------------------------------------------------------------------------------------ MolNet


def tox21(n: int = 3, smiles: str = "CCO") -> bytes:
    """A table of the layout of deepchem's tox21.csv.gz: tasks, mol_id, smiles."""
    first = "0,0,1,,,0,0,1,0,0,0,0,TOX1," + smiles
    rest = [f"1,,0,0,1,0,1,0,0,1,0,1,TOX{i},c1ccccc1{'C' * i}" for i in range(2, n + 1)]
    return gzip.compress("\n".join([TOX21 + ",mol_id,smiles", first, *rest, ""]).encode())


def by_hand(home: Path, name: str, file: str, content: bytes) -> None:
    (home / "molnet" / name).mkdir(parents=True)
    (home / "molnet" / name / file).write_bytes(content)


class Server(ThreadingHTTPServer):
    """Answers every request with `body`, saying `length` bytes will come; counts the requests."""

    body: bytes = b""
    status = 200
    missing = 0
    n_requests = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.n_requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body) + self.server.missing))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, deepchem: ModuleType) -> Iterator[Server]:
    """A local server that deepchem takes for the address of tox21."""
    running = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.05,))
    thread.start()
    address = f"http://127.0.0.1:{running.server_port}/tox21.csv.gz"
    monkeypatch.setattr(sys.modules[deepchem.molnet.load_tox21.__module__], "TOX21_URL", address)
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_table_is_fetched_once_and_kept(server: Server, home: Path) -> None:
    server.body = tox21()
    spec, data = molnet.molnet("molnet:tox21")
    assert data.smiles == ("CCO", "c1ccccc1CC", "c1ccccc1CCC")
    assert data.task_names == tuple(TOX21.split(","))
    np.testing.assert_array_equal(data.y[0, :6], [0, 0, 1, np.nan, np.nan, 0])
    assert (spec.name, spec.task_type, spec.metric) == ("molnet-tox21", "classification", "roc_auc")
    assert (spec.n_molecules, spec.n_tasks, spec.split) == (3, 12, "scaffold")
    again, same = molnet.molnet("tox21", offline=True)
    assert (server.n_requests, same.digest(), again) == (1, data.digest(), spec)
    kept = sorted(p.name for p in (home / "molnet").rglob("*"))
    assert kept == ["tox21", "tox21.csv.gz", "tox21.csv.gz.sha256"]


@pytest.mark.parametrize(
    ("body", "status", "missing"),
    [(b"no", 404, 0), (b"", 500, 0), (tox21()[:60], 200, 90)],
    ids=["not found", "server error", "cut short"],
)
def test_a_failed_download_names_the_address_and_the_ways_out(
    body: bytes, status: int, missing: int, server: Server, home: Path
) -> None:
    server.body, server.status, server.missing = body, status, missing
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1.*Ways out") as caught:
        molnet.molnet("tox21")
    assert "--suite demo" in str(caught.value)
    assert not list((home / "molnet").iterdir()), "a bad file must not stay"
    server.body, server.status, server.missing = tox21(), 200, 0
    assert len(molnet.molnet("tox21")[1]) == 3


def test_no_server_at_all(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["deepchem.molnet.load_function.tox21_datasets"]
    monkeypatch.setattr(module, "TOX21_URL", "http://127.0.0.1:9/tox21.csv.gz")
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1:9/tox21\.csv\.gz could not be"):
        molnet.molnet("tox21")


def test_a_page_in_place_of_the_table(server: Server, home: Path) -> None:
    server.body = gzip.compress(b"<html><body>moved</body></html>")
    with pytest.raises(DataError, match="deepchem cannot read the table"):
        molnet.molnet("tox21")
    assert not list((home / "molnet").iterdir())


def test_offline_does_not_ask_the_network(home: Path) -> None:
    with pytest.raises(FetchError, match="not in the cache, and --offline"):
        molnet.molnet("tox21", offline=True)


def test_a_file_put_there_by_hand_serves(deepchem: ModuleType, home: Path) -> None:
    column = "measured log solubility in mols per litre"
    text = f"Compound ID,{column},smiles\na,-0.77,CCO\nb,-3.3,c1ccccc1\n"
    by_hand(home, "delaney", "delaney-processed.csv", text.encode())
    spec, data = molnet.molnet("delaney")
    np.testing.assert_array_equal(data.y, [[-0.77], [-3.3]])
    assert (spec.task_type, spec.metric, spec.task_names) == ("regression", "rmse", (column,))


def test_a_kept_table_that_changed_is_named(server: Server, home: Path) -> None:
    server.body = tox21()
    molnet.molnet("tox21")
    file = home / "molnet" / "tox21" / "tox21.csv.gz"
    file.write_bytes(tox21(4))
    with pytest.raises(DataError, match=r"tox21\.csv\.gz is not the file it was") as caught:
        molnet.molnet("tox21")
    assert "Remove" in str(caught.value)
    file.with_name("tox21.csv.gz.sha256").unlink()  # the way out for a change on purpose
    assert len(molnet.molnet("tox21")[1]) == 4
    file.write_bytes(tox21())
    with pytest.raises(DataError, match="is not the file it was"):
        molnet.molnet("tox21")


def test_another_table_at_the_address_is_noticed_by_the_pin(server: Server, home: Path) -> None:
    server.body = tox21()
    molnet.molnet("tox21")
    (home / "molnet" / "tox21" / "tox21.csv.gz").unlink()
    with pytest.raises(FetchError, match="not in the cache, and --offline"):
        molnet.molnet("tox21", offline=True)
    server.body = tox21(5)
    with pytest.raises(DataError, match="is not the file it was"):
        molnet.molnet("tox21")


def test_a_file_that_cannot_be_read_is_not_pinned(deepchem: ModuleType, home: Path) -> None:
    by_hand(home, "tox21", "tox21.csv.gz", b"no table")
    with pytest.raises(FetchError, match="could not be fetched or read"):
        molnet.molnet("tox21")
    assert [p.name for p in (home / "molnet" / "tox21").iterdir()] == ["tox21.csv.gz"]


def test_an_unreadable_smiles_stops_or_is_dropped(deepchem: ModuleType, home: Path) -> None:
    by_hand(home, "tox21", "tox21.csv.gz", tox21(smiles="C(C"))
    with pytest.raises(DataError, match=r"1 SMILES cannot be read, the first is molecule 0"):
        molnet.molnet("tox21")
    spec, data = molnet.molnet("tox21", on_invalid="drop")
    assert (len(data), spec.n_molecules, data.dropped[0].row) == (2, 2, 2)


def test_a_molecule_that_sanitisation_refuses_stays(deepchem: ModuleType, home: Path) -> None:
    by_hand(home, "tox21", "tox21.csv.gz", tox21(smiles=ALUMINIUM))
    assert molnet.molnet("tox21")[1].smiles[0] == ALUMINIUM


def test_a_class_other_than_0_and_1(deepchem: ModuleType, home: Path) -> None:
    by_hand(home, "bbbp", "BBBP.csv", b"num,name,p_np,smiles\n1,a,1,CCO\n2,b,3,CCC\n")
    with pytest.raises(DataError, match=r"task 'p_np' of molecule 1 .* is .*3.*expected 0 or 1"):
        molnet.molnet("bbbp")


def test_every_table_has_its_loader(deepchem: ModuleType) -> None:
    missing = [t for t in molnet.MOLNET if not hasattr(deepchem.molnet, f"load_{t}")]
    assert not missing


@pytest.mark.parametrize(("wrong", "near"), [("tox2", "tox21"), ("molnet:Delany", "delaney")])
def test_an_unknown_table_offers_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean .*'{near}'"):
        molnet.molnet(wrong)

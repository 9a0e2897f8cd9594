"""The house keeps its shape: layers, no cycles, light start, short functions and files."""

from __future__ import annotations

import ast
import functools
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import chmr_bench
from chmr_bench.testing.registration import HEAVY_MODULES

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "chmr_bench"
ROOTS = {
    HOST: REPOSITORY,
    "chmr_bench_nine": REPOSITORY / "plugins",
    "chmr_bench_chmr": REPOSITORY / "plugins",
    "chmr_bench_atlases": REPOSITORY / "plugins",
    "chmr_bench_fingerprints": REPOSITORY / "baselines",
    "chmr_bench_infoalign": REPOSITORY / "baselines",
    "chmr_bench_mmsa": REPOSITORY / "baselines",
    "chmr_bench_profiles": REPOSITORY / "baselines",
    "chmr_bench_template": REPOSITORY / "plugins" / "template" / "src",
    "chmr_bench_attentive_fp": REPOSITORY / "plugins" / "attentive_fp" / "src",
    "chmr_bench_minimol": REPOSITORY / "plugins" / "minimol" / "src",
    "chmr_bench_chemprop": REPOSITORY / "plugins" / "chemprop" / "src",
}

LAYERS = """
    __main__
    cli
    api
    display
    report | sweep
    verify
    runner | testing
    plugins | settings | records | audit
    PLUGINS
    nn
    ablation
    cells
    splits
    data
    features | metrics | statistics | tasks | interpreters
    FRONT
    hookspecs
    contracts
    foreign
    isolation
    worker
    lazy
    probes
    paths | streams | surroundings
    preload | threads
    errors | types
"""
"""Imports go downwards only; names on one line do not import each other.

FRONT is `chmr_bench/__init__.py`; it names `api` for type checkers and imports it when it is
called. PLUGINS are the packages `chmr_bench_*`: nobody imports them,
they import what is below and themselves, never each other.
"""

LAZY = ("torch", "torch_geometric", "deepchem", "lightgbm", "xgboost")
TORCH_PACKAGE = "chmr_bench.nn"
"""Made of torch, and imported by nobody but models: it may import it at the top."""

FUNCTION_LINES = 40
FILE_LINES = 300
PARAMETERS = 7


def files(package: str) -> list[Path]:
    return sorted((ROOTS[package] / package).rglob("*.py"))


ALL_FILES = [path for package in ROOTS for path in files(package)]


def module_name(path: Path) -> str:
    root = next(r for p, r in ROOTS.items() if path.is_relative_to(r / p))
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ALL_FILES}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def for_types_only(module: ast.Module) -> set[ast.AST]:
    """Return everything under `if TYPE_CHECKING`."""
    blocks = (
        node
        for node in ast.walk(module)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    )
    return {inner for block in blocks for inner in ast.walk(block)}


def names_in(node: ast.AST) -> Iterator[str]:
    """Yield what an import statement imports: modules of ours by their full name, others whole."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in MODULES else node.module


@functools.cache
def imports(path: Path) -> frozenset[str]:
    return frozenset(name for node in nodes_of(path) for name in names_in(node))


def unit(module: str) -> str:
    """Return a module's place in the table of layers."""
    package, _, rest = module.partition(".")
    if package != HOST:
        return "PLUGINS"
    return rest.split(".")[0] if rest else "FRONT"


RANKS = {
    name.strip(): rank
    for rank, line in enumerate(reversed(LAYERS.strip().splitlines()))
    for name in line.split("|")
}


def test_every_module_has_a_layer() -> None:
    assert {unit(m) for m in MODULES} - set(RANKS) == set()


def goes_down(module: str, name: str) -> bool:
    """Return whether `module` may import the module called `name`."""
    package, other = module.split(".")[0], name.split(".")[0]
    if other not in ROOTS or (module, name) == (HOST, f"{HOST}.api"):
        return True
    if other != HOST:
        return other == package
    return unit(name) == unit(module) or RANKS[unit(name)] < RANKS[unit(module)]


def test_imports_go_down() -> None:
    pairs = ((m, name) for m, path in MODULES.items() for name in sorted(imports(path)))
    assert [f"{m} imports {name}" for m, name in pairs if not goes_down(m, name)] == []


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {m: imports(p) & set(MODULES) - {m} for m, p in MODULES.items()}
    graph[HOST] -= {f"{HOST}.api"}  # the front door, opened when one of its names is asked for
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for name in sorted(graph[module]):
                visit(name, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_relative_imports_are_not_used() -> None:
    nodes = ((p, n) for p in ALL_FILES for n in nodes_of(p))
    assert [p.name for p, n in nodes if isinstance(n, ast.ImportFrom) and n.level] == []


def test_the_harness_imports_frameworks_only_inside_functions() -> None:
    found = {}
    for path in files(HOST):
        if module_name(path).startswith(TORCH_PACKAGE):
            continue
        skipped = for_types_only(tree(path))
        top = (node for node in tree(path).body if node not in skipped)
        heads = {name.split(".")[0] for node in top for name in names_in(node)}
        found[module_name(path)] = sorted(heads & set(LAZY))
    assert {module: names for module, names in found.items() if names} == {}


def test_the_harness_never_imports_the_torch_package_at_the_top() -> None:
    for path in files(HOST):
        module = tree(path)
        names = (name for node in module.body for name in names_in(node))
        if not module_name(path).startswith(TORCH_PACKAGE):
            assert [name for name in names if name.startswith(TORCH_PACKAGE)] == [], path


# ------------------------------------------------------------------------------- what a start costs

PROBE = """
import sys
heavy, *commands = sys.argv[1:]
sys.argv[0] = "chmr-bench"
from chmr_bench.cli import main
for command in commands:
    try:
        main(command.split())
    except SystemExit as end:
        found = [m for m in heavy.split(",") if m in sys.modules]
        if end.code or found:
            sys.exit(f"{command}: exit code {end.code}, imported: {', '.join(found)}")
"""
LIGHT = ("--help", "run --help", "data --help", "leaderboard --help", "audit --help", "--version")
LIGHT += tuple(f"list {what}" for what in ("models", "datasets", "plugins", "atlases", "features"))
LIGHT += ("list suites", "list models --json", "list datasets --json")


def test_help_and_list_import_nothing_heavy() -> None:
    """One process for all: what one of them imported would stay."""
    words = [sys.executable, "-c", PROBE, ",".join(HEAVY_MODULES), *LIGHT]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -------------------------------------------------------------------------------------------- style

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def docstring_lines(node: ast.AST) -> set[int]:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return set()


def code_lines(path: Path) -> int:
    """Return the lines that are neither blank, nor a comment, nor a docstring."""
    docs = {line for node in nodes_of(path) for line in docstring_lines(node)}
    lines = path.read_text(encoding="utf-8").splitlines()
    return sum(
        1
        for number, line in enumerate(lines, start=1)
        if number not in docs and line.strip() and not line.strip().startswith("#")
    )


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for module, path in MODULES.items():
        for node in nodes_of(path):
            if isinstance(node, DEFINITIONS):
                yield f"{module}.{node.name}", node


def n_lines(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return a function's lines without its docstring; of a command, without its options too."""
    first = node.body[0].lineno if is_command(name) else node.lineno
    return (node.end_lineno or 0) - first + 1 - len(docstring_lines(node))


def is_command(name: str) -> bool:
    """Return whether a function's parameters are the options of a command."""
    return name.startswith("chmr_bench.cli.")


def is_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether numba compiles it: such code takes arrays one by one, never an object."""
    return any("jit" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_functions_are_short() -> None:
    counts = {name: n_lines(name, node) for name, node in functions()}
    assert {name: n for name, n in counts.items() if n > FUNCTION_LINES} == {}


def test_functions_take_few_parameters() -> None:
    counts = {
        name: len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs)
        for name, node in functions()
        if not is_command(name) and not is_kernel(node)
    }
    assert {name: n for name, n in counts.items() if n > PARAMETERS} == {}


def test_files_are_short() -> None:
    counts = {module: code_lines(path) for module, path in MODULES.items()}
    assert {module: n for module, n in counts.items() if n > FILE_LINES} == {}


def test_no_file_is_called_after_nothing() -> None:
    assert {p.stem for p in ALL_FILES} & {"utils", "helpers", "common", "misc"} == set()


def test_nothing_is_printed() -> None:
    calls = ((m, n) for m, p in MODULES.items() for n in nodes_of(p))
    prints = [
        f"{module}:{node.lineno}"
        for module, node in calls
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert prints == []


def test_every_module_and_public_name_says_what_it_is() -> None:
    silent = [module for module, path in MODULES.items() if not ast.get_docstring(tree(path))]
    for module, path in MODULES.items():
        silent += [
            f"{module}.{node.name}"
            for node in tree(path).body
            if isinstance(node, (*DEFINITIONS, ast.ClassDef))
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert silent == []


def classes() -> Iterator[tuple[str, str]]:
    for module, path in MODULES.items():
        yield from (
            (node.name, module)
            for node in tree(path).body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        )


def test_class_names_are_used_once() -> None:
    homes: dict[str, list[str]] = {}
    for name, module in classes():
        homes.setdefault(name, []).append(module)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


SECTIONS = frozenset({"Parameters", "Attributes", "Returns", "Raises"})


def crowded(docstring: str) -> list[str]:
    """Return the fields of a numpydoc docstring whose text does not stand below their name."""
    lines, section, found = docstring.splitlines(), "", []
    for line, after in itertools.pairwise([*lines, ""]):
        if after and set(after) == {"-"}:
            section = line
        is_name = section in SECTIONS and line and line != section and line[0] not in " -"
        if is_name and not after.startswith("    "):
            found.append(line)
    return found


def test_docstrings_have_one_field_a_line() -> None:
    documented = (*DEFINITIONS, ast.ClassDef)
    nodes = (n for p in ALL_FILES for n in nodes_of(p) if isinstance(n, documented))
    assert [
        f"{n.name}: {line}" for n in nodes for line in crowded(ast.get_docstring(n) or "")
    ] == []


HEADINGS = SECTIONS | {"Examples", "Notes", "References", "Yields", "See Also", "Warnings"}


def test_docstrings_have_numpydocs_headings() -> None:
    documented = (*DEFINITIONS, ast.ClassDef, ast.Module)
    nodes = (n for p in ALL_FILES for n in nodes_of(p) if isinstance(n, documented))
    lines = ((ast.get_docstring(n) or "").splitlines() for n in nodes)
    found = {
        line.strip()
        for text in lines
        for line, after in itertools.pairwise(text)
        if after.strip() and set(after.strip()) == {"-"} and line.strip()
    }
    assert found - HEADINGS == set()


def test_the_front_door() -> None:
    assert sorted(chmr_bench.__all__) == [
        "AtlasSpec",
        "ChmrBenchError",
        "DataError",
        "Dataset",
        "DatasetSpec",
        "FeatureRequest",
        "FeatureSpec",
        "FitContext",
        "GraphBlock",
        "Inputs",
        "MatchModel",
        "MatrixBlock",
        "Model",
        "ModelSpec",
        "PendingWeights",
        "PluginError",
        "ReadOuts",
        "SourceFile",
        "Split",
        "TaskInfo",
        "UsageError",
        "Weights",
        "WeightsRequest",
        "ablate",
        "compare",
        "evaluate",
        "hookimpl",
        "load_dataset",
        "load_runs",
        "match",
        "run",
    ]
    assert all(hasattr(chmr_bench, name) for name in chmr_bench.__all__)

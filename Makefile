# The README's commands. Each target makes its own virtual environment; a second call reuses it.
#   make PYTHON=python3.12 demo      another interpreter
#   make PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" test     the CPU build of torch

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_ARGS ?=
# One more than the two cores of continuous integration: many tests wait for a process of their own.
JOBS ?= 3
PYTEST_ARGS ?=

DEMO := .venv-demo
TEST := .venv-test
SOURCES := $(shell find chmr_bench plugins/chmr_bench_* baselines -type f -not -path '*/__pycache__/*')
# Not compiled: a run imports a tenth of what torch and others bring, and compiles that by itself.
CONSTRAINED := -m pip install --quiet --no-compile --disable-pip-version-check $(PIP_ARGS) -c constraints.txt

# The tests start hundreds of processes: each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check bench readme docs compare clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    run CHMR on the embedded data, from the weights that come with it, beside its controls"
	@echo "make test    run the tests"
	@echo "make check   formatting, lint, types"
	@echo "make bench   measure the speed claims"
	@echo "make readme  fill the generated sections of README.md and of docs/"
	@echo "make docs    build the site, in site/"
	@echo "make compare set CHMR against the other families and the forest, in docs/compare"
	@echo "make clean   remove the environments and caches made here"

# One core: threads gain nothing on a network this small, and lose much where a core is busy.
demo: $(DEMO)/installed
	$(DEMO)/bin/chmr-bench run --model chmr --model chmr.molecule-only --model chmr.head-only \
		--model fingerprint.forest --model mean --suite demo --seeds 1 --jobs 1 --out runs/demo

# OpenBLAS' threads spin while they wait, on cores that other tests could use.
test: export OPENBLAS_NUM_THREADS = 1
test: $(TEST)/installed
	$(TEST)/bin/python -m pytest -q -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

check: $(TEST)/installed
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy

bench: $(TEST)/installed
	$(TEST)/bin/python benchmarks/run.py

readme: $(TEST)/installed
	$(TEST)/bin/python docs/readme.py

docs: $(TEST)/installed
	NO_MKDOCS_2_WARNING=1 $(TEST)/bin/python -m mkdocs build --strict --quiet

compare: $(TEST)/installed
	$(TEST)/bin/chmr-bench compare chmr infoalign mmsa chemprop fingerprint.forest --suite all --to docs/compare

# Dependencies first, in a stamp of their own: a changed source file reinstalls only chmr-bench itself.
# The demo installs the wheel a user would get; the tests run against the working tree.
$(DEMO)/built: constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear $(DEMO)
	$(DEMO)/bin/python $(CONSTRAINED) --upgrade pip hatchling
	touch $@

$(DEMO)/installed: $(DEMO)/built $(SOURCES) README.md LICENSE
	$(DEMO)/bin/python $(CONSTRAINED) --no-build-isolation ".[torch]"
	$(DEMO)/bin/python $(CONSTRAINED) --no-build-isolation --no-deps --force-reinstall .
	touch $@

$(TEST)/installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear $(TEST)
	$(TEST)/bin/python $(CONSTRAINED) --upgrade pip hatchling
	$(TEST)/bin/python $(CONSTRAINED) --no-build-isolation --editable ".[all,dev]"
	touch $@

clean:
	rm -rf $(DEMO) $(TEST) runs/demo build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

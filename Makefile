# Every target that needs the tools installs them first; `make` alone lists the targets.
# Another interpreter: make setup PYTHON=python3.12 (after `make clean`, where a .venv is there already).

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
# Written last: where it is missing, an installation was never begun or was interrupted, and starts over.
STAMP := .venv/.complete
# For `make lock UPGRADE=--upgrade`: take the newest versions instead of keeping those that still fit.
UPGRADE ?=
# How the ranks of a training talk, gloo or mpi, and GPU=cuda where they have GPUs; and what `make setup` puts back,
# once Horovod is there.
HOROVOD := .venv/.horovod
BUILT := $(shell cat $(HOROVOD) 2>/dev/null)
TRANSPORT ?= $(or $(word 1,$(BUILT)),gloo)
GPU ?= $(word 2,$(BUILT))

# uv reads no pip settings; hospitals and companies often have certificates of their own in the system's store.
export UV_SYSTEM_CERTS := 1
# An activated environment or a foreign library path must not leak into ours. Nor must a container's wish to keep no
# compiled modules: the 3,000 of Keras and TensorFlow would be compiled at each start, in 9 seconds in place of 3.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup horovod demo test coverage test-fast lint audit lock screenshots bench bench-gpu clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Install hcskit and its tools, in the locked versions, into .venv

horovod: $(STAMP) ## For training with several ranks: build Horovod, once, into .venv; GPU=cuda: with NCCL
	@containers/horovod/build.sh $(BIN)/python $(TRANSPORT) $(GPU)
	@echo $(TRANSPORT) $(GPU) > $(HOROVOD)

demo: $(STAMP) ## From simulated images to effective concentrations and a report, in runs/demo
	@$(BIN)/hcskit run demo --out runs/demo

test: horovod lint ## Lint, then all tests, on two cores
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

coverage: horovod ## All tests again, and which lines none of them runs
	@$(BIN)/pytest --cov -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP) ## The tests that are not marked slow, on two cores
	@$(BIN)/pytest -m "not slow" -n 2 --dist worksteal

lint: $(STAMP) ## Style, types, which module may import which, and spelling
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/codespell

audit: $(STAMP) ## Look for published vulnerabilities of the locked packages; needs the package index
	@$(BIN)/pip-audit --requirement requirements.lock --disable-pip --require-hashes --progress-spinner off

lock: $(STAMP) ## Write requirements.lock anew from pyproject.toml, and install it
	@$(UV) pip compile --universal --generate-hashes --all-extras --group dev --no-header --no-annotate --quiet \
	  $(UPGRADE) -o requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory setup

screenshots: demo ## The pictures of docs/, from the demo run, taken in Chromium
	@$(BIN)/python docs/screenshots.py runs/demo

bench: $(STAMP) ## Measure the benchmarks
	@$(BIN)/pytest benchmarks --benchmark-enable --benchmark-only

bench-gpu: $(STAMP) ## On a machine with a GPU: its tests, and the published network against plain Keras with XLA
	@$(BIN)/pytest tests -m gpu -n 0
	@$(BIN)/pytest benchmarks/test_gpu.py --benchmark-enable --benchmark-only -m gpu

clean: ## Remove .venv and caches; runs/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks .coverage .coverage.*
	find hcskit tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Python 3.14: not before the lock holds a TensorFlow for it.
# uv itself comes from the lock, checked by its hashes, so that even the first step is the same everywhere.
$(STAMP): pyproject.toml requirements.lock
	@set -e; \
	if [ -e $@ ]; then \
	  rm $@; \
	else \
	  command -v "$(PYTHON)" >/dev/null || { \
	    echo "hcskit needs Python 3.11, 3.12 or 3.13 and found no '$(PYTHON)'. Install it" \
	         "(Debian, Ubuntu: apt-get install python3 python3-venv), or name one: make setup PYTHON=python3.12" >&2; \
	    exit 1; }; \
	  "$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "hcskit needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1)." \
	         "Name another one: make setup PYTHON=python3.12" >&2; \
	    exit 1; }; \
	  "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "'$(PYTHON)' cannot make virtual environments: its venv module is not installed" \
	         "(Debian, Ubuntu: apt-get install python3-venv)." >&2; \
	    exit 1; }; \
	  echo "Making .venv with $$("$(PYTHON)" --version)"; \
	  "$(PYTHON)" -m venv --clear .venv; \
	  awk '/^[^ ]/ { uv = /^uv==/ } uv' requirements.lock > .venv/uv.txt; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt; \
	fi; \
	$(UV) pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock; \
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e .; \
	if [ -e $(HOROVOD) ]; then containers/horovod/build.sh $(BIN)/python $(TRANSPORT) $(GPU); fi; \
	touch $@

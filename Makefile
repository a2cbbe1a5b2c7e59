# Everything a contributor or an operator does, one target each; `make` alone lists them.
# Needs Python 3.11 or newer and the package registries; `make deploy` needs AWS credentials besides.

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

.DEFAULT_GOAL := help
.PHONY: help setup demo local test browser lint types synth bench bench-scale deploy lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything that the targets below need

# Done again only when the project's metadata or the lock changed.
$(READY): pyproject.toml client/pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Cairn needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e . -e client
	@touch $@

demo: $(READY) ## Start a local Cairn, run the examples against it, keep serving until Ctrl-C (DEMO_EXIT=1: stop at the end)
	@$(BIN)/python examples/demo.py

local: $(READY) ## Serve Cairn from this machine, data in ./.cairn; options by ARGS="--port 5001"
	@$(BIN)/cairn local $(ARGS)

test: lint types browser ## Lint, types, and every test: what CI runs
	$(BIN)/python -m pytest -n 2 --dist worksteal

browser: ## Install Debian's Chromium, which the browser tests drive, where it is missing
	@test -x /usr/bin/chromium || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }

lint: $(READY) ## Check rules and format with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check types with mypy, strict
	$(BIN)/mypy

synth: $(READY) ## Write the CloudFormation templates to cdk.out; needs no AWS account
	$(BIN)/python -m infra.app

bench: $(READY) ## Compare Cairn with MLflow's own server, write docs/benchmarks.md
	$(BIN)/python -m bench

bench-scale: $(READY) ## Search a million runs on SQLite, write docs/benchmarks-scale.md (ARGS="--runs 100000")
	$(BIN)/python -m bench.scale $(ARGS)

deploy: $(READY) ## Deploy the stacks into the AWS account of the current credentials
	$(BIN)/python -m infra.cdk deploy --all

RESOLVE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header

lock: $(READY) ## Resolve requirements.lock and the layer's requirements again from pyproject.toml
	$(RESOLVE) --group dev pyproject.toml -o requirements.lock
	$(RESOLVE) --no-annotate -c requirements.lock layers/dependencies/requirements.in -o layers/dependencies/requirements.txt

clean: ## Remove what the targets above made, the local server's data excepted
	rm -rf $(VENV) cdk.out build dist node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis

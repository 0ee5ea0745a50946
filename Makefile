# Every command a developer types. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DEVICECERT := $(BIN)/devicecert
PINNED := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url pyproject.toml
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo check test lint generate lock local-up local-down bench clean programs-are-here

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(STAMP): requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: install python3 and python3-venv"; exit 1; }
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

setup: $(STAMP) ## Make the virtual environment, with pinned packages

demo: setup ## Simulated cameras become trusted in all three ways, and heal themselves (KEEP=1 leaves all running)
	@$(BIN)/python deploy/demo/demo.py $(if $(KEEP),--keep)

lint: setup ## Style, types, layers, generated files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@PYTHONPATH=operator $(BIN)/lint-imports --no-cache | tail -n 14
	@$(BIN)/python -m device_cert_operator.api.generate --check
	@$(BIN)/python -m device_cert_operator.metrics.reference --check

check: lint ## The quick part: lint and the tests that need neither cluster nor browser nor Prometheus
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not cluster and not browser and not prometheus"

programs-are-here:
	@for need in chromium:chromium certutil:libnss3-tools promtool:prometheus prometheus:prometheus; do \
	  command -v $${need%%:*} >/dev/null || { \
	  echo "make test needs $${need%%:*}: apt-get install -y --no-install-recommends $${need##*:}"; exit 1; }; done

test: programs-are-here lint ## Everything: lint, units, the real API server, simulator, Prometheus, a browser, coverage of the core
	@$(DEVICECERT) local build
	@rm -f .coverage
	@$(BIN)/coverage run -m pytest -q tests/core
	@$(BIN)/coverage report
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not cluster and not browser" --ignore tests/core
	@$(BIN)/python -m pytest -q -n 4 --dist worksteal -m cluster
	@$(BIN)/python -m pytest -q -m "browser and not cluster"

generate: setup ## CRDs, API reference, editor schemas and the chart's README
	@$(BIN)/python -m device_cert_operator.api.generate
	@$(BIN)/python -m device_cert_operator.metrics.reference

lock: ## Pin every package anew, with hashes, from pyproject.toml
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(VENV)-lock/bin/uv pip compile $(PINNED) --output-file requirements.txt
	@$(VENV)-lock/bin/uv pip compile $(PINNED) --extra dev --output-file requirements-dev.txt
	@rm -rf $(VENV)-lock

local-up: setup ## Start a local control plane
	@$(DEVICECERT) local up

local-down: setup ## Stop it
	@$(DEVICECERT) local down

bench: setup ## Benchmarks; each prints the machine it ran on
	@$(BIN)/python benchmarks/at_rest.py

clean: ## Remove the virtual environment and caches of this checkout
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage*

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
.PHONY: help setup demo check test test-image image lint generate lock local-up local-down bench clean programs

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
	@$(BIN)/python -m deploy.image.bill --check

check: lint ## The quick part: lint and the tests that need no other program; the drivers on paper only
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not cluster and not browser and not prometheus and not image" \
	  --ignore tests/drivers/test_onvif_on_simulator.py --ignore tests/drivers/test_onvif_over_sockets.py --ignore tests/drivers/test_camera_web.py

programs:
	@tests/programs.sh

test: programs lint ## Everything: lint, units, the real API server, simulator, Prometheus, a browser, coverage of the core
	@$(DEVICECERT) local build
	@rm -f .coverage
	@$(BIN)/coverage run -m pytest -q tests/core
	@$(BIN)/coverage report
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not cluster and not browser and not image" --ignore tests/core
	@$(BIN)/python -m pytest -q -n 4 --dist worksteal -m "cluster and not image and not alone" --audit-log=.audit.jsonl
	@$(BIN)/python -m tests.support.rights .audit.jsonl
	@$(BIN)/python -m pytest -q -n 4 --dist worksteal -m "cluster and not alone" --cluster-wide --audit-log=.audit-wide.jsonl tests/scenarios
	@$(BIN)/python -m tests.support.rights --cluster-wide .audit-wide.jsonl
	@$(BIN)/python -m pytest -q -m alone
	@$(BIN)/python -m pytest -q -m "browser and not cluster"
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory test-image; \
	  else echo "The image was not tested: that mounts file systems, so run \`make test-image\` as root."; fi

test-image: programs setup ## Build the image and run it on the real API server, read-only, as nobody (needs root)
	@$(BIN)/python -m pytest -q -m image

image: setup ## Build the image, its archive and bill of materials (BASE=…@sha256:… FRESH=1 for a release)
	@$(BIN)/python -m deploy.image.build $(if $(BASE),--base $(BASE)) $(if $(FRESH),--fresh) --output dist

generate: setup ## CRDs, API reference, editor schemas, the chart's README, the list of licences
	@$(BIN)/python -m device_cert_operator.api.generate
	@$(BIN)/python -m device_cert_operator.metrics.reference
	@$(BIN)/python -m deploy.image.bill

lock: ## Pin every package anew, with hashes, from pyproject.toml
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(VENV)-lock/bin/uv pip compile $(PINNED) --output-file requirements.txt
	@$(VENV)-lock/bin/uv pip compile $(PINNED) --extra dev --output-file requirements-dev.txt
	@$(VENV)-lock/bin/uv pip compile $(PINNED:pyproject.toml=deploy/image/requirements-build.in) --output-file deploy/image/requirements-build.txt
	@rm -rf $(VENV)-lock

local-up: setup ## Start a local control plane
	@$(DEVICECERT) local up

local-down: setup ## Stop it
	@$(DEVICECERT) local down

bench: setup ## Benchmarks; each prints the machine it ran on
	@$(BIN)/python benchmarks/parts.py
	@$(BIN)/python benchmarks/at_rest.py

clean: ## Remove the virtual environment and caches of this checkout
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* .audit*.jsonl

# Two commands: `make demo` shows the bots on the sample campus, `make test` runs every check that needs
# no system package. `make help` lists the rest.

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# PyTorch's CPU index, for readers whose package index would bring the CUDA build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
HOST ?= 127.0.0.1
PORT ?= 8000

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Nothing that is imported may phone home or ask a hub.
export HF_HUB_OFFLINE := 1
export ANONYMIZED_TELEMETRY := false

.DEFAULT_GOAL := help
.PHONY: help demo test test-all bench lint types imports schemas clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

demo: $(VENV)/.demo ## Install, check, index the sample campus, answer four questions, serve on 127.0.0.1:8000
	@$(BIN)/rag check
	@$(BIN)/rag sync
	@$(BIN)/python -m rag.app.demo --host $(HOST) --port $(PORT)

test: $(VENV)/.test lint types imports ## Every check that needs no system package
	$(BIN)/python -m pytest

test-all: $(VENV)/.test-all ## Also the checks on real servers and in a browser; installs Debian packages as root
	deploy/debian-packages.sh
	$(BIN)/python -m pytest -m "browser or postgresql or torture"

bench: $(VENV)/.demo ## Measure ingestion and search; JSON and a table under benchmarks/out
	$(BIN)/python -m benchmarks.run

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy rag connectors indexes bots evaluation tests benchmarks

imports: $(VENV)/.test
	$(BIN)/lint-imports

schemas: $(VENV)/.demo ## Write what is made from the definitions: the editors' JSON schemas, docs/configuration.md
	$(BIN)/python -m rag.app.schemas config/schemas
	$(BIN)/python -m rag.app.configuration_reference > docs/configuration.md

clean: ## Remove the environment and everything that was built
	rm -rf $(VENV) data build *.egg-info

$(VENV)/bin/python:
	deploy/create-venv.sh "$(PYTHON)" "$(VENV)"

# PyTorch first and by its exact version, so that no other package chooses a build.
$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet $$(grep '^torch==' constraints.txt) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing the pinned packages into $(VENV): a few minutes, once." >&2
	$(PIP) install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.test-all: $(VENV)/.test
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test-all]'
	@touch $@

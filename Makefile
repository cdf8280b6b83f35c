# Every target creates the virtual environment when it is missing or out of date.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up down test test-unit sim chaos lint format bench bench-engine lock schemas clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@echo "Installing what requirements.lock names (the first time fetches about 3 GB) ..."
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

install: $(READY) ## Create .venv and install everything into it

demo: $(READY) ## Restore a set of photographs end to end, on real servers
	@$(BIN)/picmend demo

up: $(READY) ## Start the servers and every picmend process; Ctrl-C ends them
	@$(BIN)/picmend up

down: $(READY) ## End a stack started with `picmend up --detach`
	@$(BIN)/picmend down

test: $(READY) ## Run the whole test suite
	@$(BIN)/python -m pytest

test-unit: $(READY) ## Run the tests that need no server
	@$(BIN)/python -m pytest tests/unit

sim: $(READY) ## Play 2,000 seeds of trouble through the pipeline, in simulated time
	@$(BIN)/python -m tests.simulation --seeds 2000

chaos: $(READY) ## Kill, freeze and stop real processes and servers under load
	@$(BIN)/python -m tests.e2e.chaos

lint: $(READY) ## Check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## Format the code and mend what can be mended by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) ## Run the benchmarks
	@$(BIN)/python -m bench

bench-engine: $(READY) ## Run the engine's benchmarks: speed and memory beside other engines, quality
	@$(BIN)/python -m bench.engine
	@$(BIN)/python -m bench.quality
	@$(BIN)/python -m bench.fills

schemas: $(READY) ## Write the JSON Schema, AsyncAPI and OpenAPI files anew
	@$(BIN)/python -m schemas.generate
	@$(BIN)/python -m api.generate

lock: $(READY) ## Resolve the dependencies anew into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes --no-header --quiet -o requirements.lock

clean: ## Remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

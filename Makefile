# Everything that is done with this repository. `make help` lists it.
# Needed: Python 3.11 or newer, make, and a package registry. Node and PostgreSQL come with it.

PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
export npm_config_update_notifier := false
# Without compiled modules every start of Python would cost seconds.
export PYTHONDONTWRITEBYTECODE :=
INSTALLED := .venv/.installed
PEERS := .venv-peers/.installed
BUILT := typescript/dist/.built

.DEFAULT_GOAL := help
.PHONY: help setup build demo generate check format test test-typescript test-python soak docs bench bench-peers lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: $(INSTALLED) ## Install everything below this folder

$(INSTALLED): requirements.txt python/pyproject.toml package.json package-lock.json typescript/package.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Timestep needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Set PYTHON=…"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.txt)"
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e python
	$(BIN)/npm ci --no-audit --no-fund --loglevel=error
	@touch $@

build: $(BUILT) ## Build the TypeScript package

$(BUILT): $(INSTALLED) $(shell find typescript/src -type f) typescript/tsconfig.build.json
	$(BIN)/npm run --silent --workspace typescript build
	@touch $@

demo: $(BUILT) ## Pause a run, then kill one, and finish it in the other language, both ways
	@$(BIN)/timestep demo $$(test -t 0 || echo --yes) $(DEMO) # without a terminal nobody can be asked

generate: $(INSTALLED) ## Copy spec/ into both packages
	$(BIN)/python tools/generate.py

format: $(INSTALLED) ## Format all sources
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/biome check --write

check: $(INSTALLED) ## Format, lint, types, layers, stale copies
	$(BIN)/python tools/generate.py --check
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/basedpyright --level error
	cd python && $(BIN)/lint-imports --config ../pyproject.toml
	node_modules/.bin/biome check --error-on-warnings
	$(BIN)/npm run --silent --workspace typescript typecheck

test: check test-typescript test-python ## Everything that must hold

test-typescript: $(BUILT)
	$(BIN)/npm run --silent --workspace typescript test

test-python: $(BUILT)
	$(BIN)/pytest --quiet -n 3 --dist loadfile $(PYTEST)

soak: $(BUILT) ## The long forms of the crash and stress tests
	$(BIN)/pytest --quiet -m soak
	cd typescript && ../node_modules/.bin/vitest run --mode soak

docs: $(INSTALLED) ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(BUILT) ## Measure, side by side with the reference: name, measured, bound, ok or short
	@$(BIN)/python benchmarks/run.py $(BENCH)

bench-peers: $(BUILT) $(PEERS) ## Measure durable runs beside those of dbos-openai-agents and LangGraph
	@$(BIN)/python benchmarks/peers.py $(BENCH)

$(PEERS): $(INSTALLED) benchmarks/peers.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peers
	$(BIN)/uv pip install --quiet --python .venv-peers/bin/python -r benchmarks/peers.txt
	@touch $@

lock: ## Pin the newest versions that fit
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url --upgrade \
	  --all-extras --output-file requirements.txt pyproject.toml python/pyproject.toml
	$(BIN)/npm install --package-lock-only --omit-lockfile-registry-resolved

clean: ## Remove what was installed and built
	rm -rf .venv .venv-peers node_modules typescript/node_modules typescript/dist site

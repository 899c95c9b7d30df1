# Each target works on a bare machine with Python 3.11 or newer, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Host and port options for `make serve`, such as ARGS="--push-button".
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help serve test check format clean

help: ## Show what can be made.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

serve: $(VENV)/.runtime ## Install into .venv and run the server (ARGS="…" for options).
	$(BIN)/nymead-users serve $(ARGS)

test: $(VENV)/.dev ## Install into .venv and run all tests.
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev ## Formatting, lint, types, layers.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format and fix what can be fixed by itself.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove everything made here.
	rm -rf $(VENV) build dist site *.egg-info .*_cache .hypothesis

# The machine's pip installs into the environment, so that it works where Python comes without ensurepip.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.runtime

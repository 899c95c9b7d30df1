# Each target works on a bare machine with Python 3.11 or newer, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Options for `make serve`, `make test` and `make bench`, such as ARGS="--push-button".
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help serve test soak check bench generate docs format clean

help: ## Show what can be made.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

serve: $(VENV)/.runtime ## Install into .venv and run the server (ARGS="…" for options).
	$(BIN)/nymead-users serve $(ARGS)

test: $(VENV)/.dev ## Install into .venv and run all tests.
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# The security stories once more while others keep the server busy, the fuzzing with more examples, which differ
# from run to run, a server killed a hundred times, and then hundreds of clients at random (`python scripts/soak.py
# --help` tells of them).
soak: $(VENV)/.dev ## Long tests under load and by chance (ARGS="--minutes 30" for longer).
	LOAD=1 $(BIN)/python -m pytest -n auto --dist worksteal tests/security
	FUZZ=500 $(BIN)/python -m pytest -n auto --dist worksteal --timeout 1800 tests/fuzz
	FUZZ=200 $(BIN)/python -m pytest -n auto --dist worksteal --timeout 1800 tests/access
	CRASHES=100 $(BIN)/python -m pytest --timeout 1800 tests/process/test_crash.py
	$(BIN)/python scripts/soak.py $(ARGS)

check: $(VENV)/.dev ## Formatting, lint, types, layers, generated files, the site.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/gen_schema.py --check
	$(BIN)/python scripts/gen_api_reference.py --check
	$(BIN)/python scripts/gen_api_reference.py --check --lang fr --out docs/fr/api
	$(BIN)/python scripts/gen_settings.py --check
	$(BIN)/python scripts/gen_performance.py --check
	$(MAKE) docs

bench: $(VENV)/.bench ## Measure the server beside raw baselines (ARGS="--help" for options).
	$(BIN)/python scripts/bench.py $(ARGS)

generate: $(VENV)/.dev ## Write the contract, the API reference and the list of settings anew.
	$(BIN)/python scripts/gen_schema.py
	$(BIN)/python scripts/gen_api_reference.py
	$(BIN)/python scripts/gen_api_reference.py --lang fr --out docs/fr/api
	$(BIN)/python scripts/gen_settings.py
	$(BIN)/python scripts/gen_performance.py

# The variable switches off Material's notice about MkDocs 2.
docs: $(VENV)/.dev ## Build the site into site/en and site/fr.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet -f mkdocs.yml
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet -f mkdocs.fr.yml

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

$(VENV)/.bench: pyproject.toml constraints.txt | $(BIN)/python
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@ $(VENV)/.runtime

# Tessera. `make run` starts it, `make test` tests it; both work from nothing.
PYTHON ?= python3
ARGS ?=
PIP = $(BIN)/python -m pip install --disable-pip-version-check --no-compile -q
BIN := .venv/bin

.PHONY: run test check bench pins clean

run: .venv/.installed-run ## Install what is missing and start: make run ARGS="--port 7861"
	@$(BIN)/python app.py $(ARGS)

test: .venv/.installed-test ## Install what is missing and run every test: make test ARGS="-k cache"
	@sh scripts/chromium $(BIN)/python
	@$(BIN)/python $(if $(ARGS),-m pytest $(ARGS),scripts/run_tests.py)

check: .venv/.installed-test ## Format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.installed-test ## Every benchmark in its short form: under ten minutes once the peers are there, one table
	@$(BIN)/python -m benchmarks.all

pins: .venv/.installed-test ## Write the requirements files from what .venv holds
	$(BIN)/python scripts/pin.py > requirements.txt.new && mv requirements.txt.new requirements.txt
	$(BIN)/python scripts/pin.py --test > requirements-test.txt.new && mv requirements-test.txt.new requirements-test.txt

clean: ## Remove everything that was made here
	rm -rf .venv .venv-clients .venv-peers build dist *.egg-info test-results benchmarks/results/short
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Install Python 3.11 or newer, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tessera needs Python 3.11 or newer, and $(PYTHON) is `$(PYTHON) --version 2>&1`. Name another: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed-run: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Tessera needs into .venv: a few minutes the first time."
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.installed-test: requirements-test.txt .venv/.installed-run
	$(PIP) -r requirements-test.txt
	@touch $@

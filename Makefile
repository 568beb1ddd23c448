# The commands of this project. All of them start from nothing: a Python 3.11, make and pip are enough.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SETUP := $(PYTHON) -m studio.stack.setup
PYTEST := $(BIN)/python -m pytest
# Tools that read the settings but talk to no engine.
OFFLINE := SECRET_KEY=only-for-tools-that-read-the-settings DATABASE_URL='postgresql:///none?host=/nonexistent'

# Many images set it, and every process of the studio would compile all of its code anew at each start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up dev test test-unit test-stack test-browser check bench format lock messages clean tools

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

up: ## Install what is missing, start everything, run the example once (PORT=8000, DEMO=0 without the example)
	@exec $(SETUP) up

dev: ## The same with reload when the code changes, without the example
	@exec $(SETUP) dev

test: tools test-unit test-stack test-browser ## Install what is missing and run every test on embedded engines

test-unit: tools
	$(PYTEST) -n 2 --dist loadfile -m "not stack and not browser"

# Most of their time they wait for clocks: two at once take little more than one.
test-stack: tools
	$(PYTEST) -n 2 --dist loadfile -m "stack and not browser"

test-browser: tools
	$(PYTEST) -m browser -rs

check: tools ## Style, import contracts, types, templates, migrations, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(OFFLINE) $(BIN)/mypy studio workspace runs registry client/src/zaffre
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python -m tests.engines makemigrations --check --dry-run
	$(PYTEST) tests/architecture

bench: tools ## Measure ours beside MLflow's server, interleaved, with the machine's limits (ROUNDS=1, ONLY=A)
	$(BIN)/python -m bench --rounds $(or $(ROUNDS),1) --only $(or $(ONLY),A)

format: tools ## Put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tools:
	@$(SETUP) dev-tools

lock: tools ## Write requirements*.txt anew from requirements*.in
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --quiet requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --quiet -c requirements.txt requirements-dev.in -o requirements-dev.txt

messages: tools ## Collect the texts of pages into locale/
	$(BIN)/python -m studio.shell.messages extract

clean: ## Remove what set-up made (.venv, node_modules, bundles); the data in var/ stays
	rm -rf .venv node_modules static/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# make run, make test, make check, make docs: each sets up .venv first, once.

PYTHON ?= python3
# A tested build; a CPU-only box may take a smaller one: make run TORCH="torch==2.13.0 --index-url …/whl/cpu"
TORCH ?= torch==2.13.0
BIN := .venv/bin

.PHONY: run test check docs
.DELETE_ON_ERROR:

run: .venv/installed
	@$(BIN)/draggan-tui --seed 42

test: .venv/installed-test
	$(BIN)/pytest -n 2 --dist loadfile

check: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "draggan-tui needs Python 3.11 or newer; say make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-test: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	@touch $@

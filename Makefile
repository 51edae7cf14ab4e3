# Everything sets itself up in .venv: it takes Python 3.11 or newer, make and a package index.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
READY := .venv/.ready
# One more than there are processors, for tests wait for servers; each takes up to a gigabyte.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')
# Of `make demo`: for instance DEMO="--profile memory".
DEMO ?=
# Of `make bench`: for instance BENCH="--quick".
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check docs format contracts bench clean

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(READY) ## A short story on private servers, told in the terminal
	@$(BIN)/dialogbase demo $(DEMO)

# Compiled modules are kept whatever the environment says: most of the time that a process of a test
# takes, and half of what it takes to collect all tests, would go into compiling them again.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(READY) ## All tests, on memory and on real servers
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: $(READY) ## Lint, format, types, who may import whom, and the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs

docs: $(READY) ## The pages of docs/, into build/docs; what is wrong with them is an error
	$(BIN)/python -m sphinx --builder html --jobs auto --fail-on-warning --keep-going \
		--quiet --doctree-dir build/doctrees docs build/docs

format: $(READY) ## Mend what can be mended without thinking
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

contracts: $(READY) ## The executable contracts with many more examples
	HYPOTHESIS_PROFILE=contracts $(BIN)/python -m pytest tests/contracts

bench: $(READY) ## Ratios to the bare drivers and to peers
	$(BIN)/dialogbase bench $(BENCH)

clean: ## Remove what was made here, .venv and the demo's data included
	rm -rf .venv build dist .dialogbase .hypothesis .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache bench-results dialogbase-experiment.png
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=…" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@

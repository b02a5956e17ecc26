# Two commands matter: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
DEBIAN_PACKAGES := postgresql postgresql-15-hypopg redis-server nginx-light wrk apache2-utils nghttp2-client hey chromium util-linux prometheus

.PHONY: setup demo test check bench docs zoo clean

# The demo needs only Python: perfloop and what the shop service imports.
.venv/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "perfloop needs Python 3.11 or newer, got " + sys.version.split()[0] + "; try: make PYTHON=python3.11")'
	@echo "installing perfloop and the shop's libraries into .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --editable '.[examples]'
	@touch $@

.venv/.dev: .venv/.demo
	@echo "installing the development tools into .venv ..."
	@$(PIP) install --editable '.[dev]'
	@touch $@

.venv/.debian: Makefile .ci/debian | .venv/.demo
	@.ci/debian $(DEBIAN_PACKAGES)
	@touch $@

# Beside each other: one computes while the other downloads.
setup: .venv/.demo
	@$(MAKE) -s --no-print-directory -j 2 .venv/.dev .venv/.debian

demo: .venv/.demo
	@$(BIN)/python -m examples.demo

# Tests start Python some thousand times: what one start has compiled the next ones read.
unexport PYTHONDONTWRITEBYTECODE

# What is pure computes while the other tests wait, and stands back behind them. What measures runs alone.
test: setup
	@$(MAKE) --no-print-directory -j 2 pure-tests services-tests
	$(BIN)/python -m pytest -m "alone" $$(grep -rl --include='*.py' pytest.mark.alone tests/integration)

pure-tests:
	nice -n 10 $(BIN)/python -m pytest -n 2 tests/unit tests/properties >.venv/pure-tests.log 2>&1; \
	status=$$?; cat .venv/pure-tests.log; exit $$status

# The pages' examples are the longest file and have to begin first, as they do in order.
services-tests:
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not alone" tests/docs tests/e2e tests/integration

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks --all

docs: .venv/.dev
	$(BIN)/python -m docs.build

zoo: .venv/.dev
	$(BIN)/python -m tests.zoo

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis out

# `make demo` and `make test` need Python 3.11, pip and a C compiler: what is missing they install by themselves,
# uv into .tools (unless it is on the PATH) and then exactly what uv.lock says into .venv.

PYTHON ?= python3
WORKERS ?= 2
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
IN_VENV := .venv/bin/python -m

# Another environment that happens to be active is left alone.
unexport VIRTUAL_ENV
unexport PYTHONPATH
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv

.PHONY: help install demo test soak check lint types fix clean

help:
	@echo "make demo    the main job on built-in data, with its report"
	@echo "make test    lint, types, then the whole test suite with coverage"
	@echo "make check   lint and types only; also as make lint, make types"
	@echo "make soak    a run killed at sixty random moments, and taken up again"
	@echo "make fix     let ruff mend what it can"
	@echo "make clean   remove everything that these commands made"

install: .venv/.installed

.venv/.installed: uv.lock pyproject.toml | $(filter .tools/%,$(UV))
	@echo "Installing what uv.lock says into .venv; the first time this takes some minutes."
	@$(UV) sync --frozen --quiet
	@touch $@

.tools/bin/uv:
	@echo "Installing uv into .tools."
	@PIP_USER=0 PIP_ROOT_USER_ACTION=ignore $(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade --target .tools uv

demo: install
	@.venv/bin/headstart demo

lint: install
	$(IN_VENV) ruff check src tests benchmarks

types: install
	$(IN_VENV) mypy

check: lint types

# Every worker counts with one thread, or the workers fight for the cores.
test: check
	OMP_NUM_THREADS=1 $(IN_VENV) pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

# A run is killed at sixty random moments and has to end as if nothing had happened; some minutes.
soak: install
	OMP_NUM_THREADS=1 $(IN_VENV) tests.system.soak --kills 60

fix: install
	$(IN_VENV) ruff check --fix src tests benchmarks

clean:
	rm -rf .venv .tools dist .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

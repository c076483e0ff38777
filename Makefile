# make demo: see the product work.   make test: every check.   make full: with Spark and benchmarks.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
SPARK_VENV := .venv-spark
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet

.PHONY: help demo test full lint unit spark bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(VENV)/.core  ## Install, run the main job on a year of real visits, say where to look
	@$(BIN)/hops demo

test: lint unit  ## Install and run every check (CI runs this)

lint: $(VENV)/.dev
	@echo "format";  $(BIN)/ruff format --check --quiet .
	@echo "lint";    $(BIN)/ruff check --quiet .
	@echo "types";   $(BIN)/mypy
	@echo "imports"; $(BIN)/lint-imports --no-logo

unit: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 2

full: test spark bench  ## Everything: tests, the golden day on Spark, benchmarks (long)

spark: $(SPARK_VENV)/.ready  ## The golden day on Spark
	@$(SPARK_VENV)/bin/python -m pytest -m spark -W "ignore::DeprecationWarning:pyspark" tests/golden

bench: $(VENV)/.dev  ## The pipeline beside hand-written SQL at 1 and 10 million events
	@$(BIN)/python bench/pipeline.py --events 1000000 10000000

lock:  ## Renew the lock files (maintainers; needs uv)
	$(LOCK) --group build -o requirements/core.lock
	$(LOCK) --group dev -c requirements/core.lock -o requirements/dev.lock
	$(LOCK) --group dev --extra spark -o requirements/spark.lock

clean:  ## Remove the virtual environments and caches; state directories stay
	rm -rf $(VENV) $(SPARK_VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it or set PYTHON=..."; exit 1; }
	@echo "virtual environment ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); \
		else echo "Python lacks venv; on Debian: apt-get install python3-venv"; exit 1; fi; }

$(VENV)/.core: requirements/core.lock pyproject.toml | $(VENV)/bin/python
	@echo "install (requirements/core.lock)"
	@$(BIN)/python $(PIP_INSTALL) -r requirements/core.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.core
	@echo "install (requirements/dev.lock)"
	@$(BIN)/python $(PIP_INSTALL) -r requirements/dev.lock
	@touch $@

$(SPARK_VENV)/.ready: requirements/spark.lock pyproject.toml
	@command -v java >/dev/null || { \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && apt-get install -y -qq openjdk-17-jre-headless; \
		else echo "Spark needs Java 17; on Debian: apt-get install openjdk-17-jre-headless"; exit 1; fi; }
	@echo "install (requirements/spark.lock)"
	@$(PYTHON) -m venv $(SPARK_VENV)
	@$(SPARK_VENV)/bin/python $(PIP_INSTALL) -r requirements/spark.lock
	@$(SPARK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# make demo: see the product work.   make test: the checks.   make full: the slow ones too, and Spark.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

is_python = -c 'import sys; sys.exit(not sys.version_info[:2] $(1))' >/dev/null 2>&1
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" $(call is_python,>= (3, 11)) && echo "$$p" && break; done)
# PySpark 3.5 imports distutils, which left Python with 3.12; Glue runs 3.11 as well.
SPARK_PYTHON ?= $(shell for p in "$(PYTHON)" python3.11; do \
	"$$p" $(call is_python,== (3, 11)) && echo "$$p" && break; done)
JAVA_17 = $(shell for j in "$${JAVA_HOME:-}/bin/java" java /usr/lib/jvm/*17*/bin/java; do \
	"$$j" -version 2>&1 | grep -c 'version "17\.' >/dev/null && command -v "$$j" && break; done)

# A stamp is named after what it was made from, so that another lock file never passes for it; the first
# ones also after the folder, because a virtual environment that was moved runs the code it came from.
checksum = $(shell { $(1); } | cksum | cut -d ' ' -f 1)
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core-$(call checksum,pwd; cat requirements/core.lock)
CODE := $(VENV)/.code-$(call checksum,cat pyproject.toml src/healthcare_ops/__init__.py)
DEV := $(VENV)/.dev-$(call checksum,cat requirements/dev.lock)
SPARK_VENV := .venv-spark
SPARK := $(SPARK_VENV)/.spark-$(call checksum,pwd; cat requirements/spark.lock pyproject.toml)

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
INSTALL_LOCK := $(PIP_INSTALL) --require-hashes -r
# The build backend is in the lock files: nothing is downloaded here.
INSTALL_CODE := $(PIP_INSTALL) --no-deps --no-build-isolation -e .
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet

.PHONY: help demo test test-postgres lint unit full spark java postgres torture cc bench docs lock clean

help:  ## Show this list
	@echo "Healthcare Ops Platform"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(CODE)  ## Install, run the whole job on a year of emergency visits, say where to look
	@$(BIN)/hops demo
	@echo "In this shell, once, for hops: source $(BIN)/activate"

test: lint unit  ## Install and run the checks (CI runs this)

lint: $(DEV)  ## Format, lint, types, imports
	$(call step,format,$(BIN)/ruff format --check .)
	$(call step,lint,$(BIN)/ruff check .)
	$(call step,types,$(BIN)/mypy)
	$(call step,imports,$(BIN)/lint-imports)

unit: $(DEV) cc postgres  ## The tests, without Spark and without the slow ones
	@$(BIN)/python -m pytest -n 2 $(SELECT)

full: SELECT := -m "not spark"
full: test spark  ## Everything: slow tests, the same tests on Spark (long)

# PySpark 3.5 calls deprecated functions and leaves its sockets to the garbage collector.
spark: $(SPARK) java  ## The tests that compare Spark with DuckDB (Python 3.11 and Java 17)
	@JAVA_HOME="$$(dirname "$$(dirname "$$(readlink -f "$(JAVA_17)")")")" \
		$(SPARK_VENV)/bin/python -m pytest -m spark -W ignore::DeprecationWarning -W ignore::ResourceWarning

test-postgres: $(DEV) postgres  ## The tests of runs whose steps are kept by a PostgreSQL server (it is started for them)
	@$(has_postgres) || { echo "PostgreSQL is not installed. On Debian: sudo apt-get install postgresql" >&2; exit 1; }
	@$(BIN)/python -m pytest -n 2 -rs -m postgres

torture: $(DEV) cc  ## Kill runs at every change of a file and take them up again (hours; goes on where it was)
	@cd tests && ../$(BIN)/python -m torture --out ../.torture --report ../docs/reliability.md

bench: $(CODE)  ## Speed and memory, beside their limits (an hour; 20 GB in bench/out)
	@for part in commands engine tick pipeline quality generator occupancy training; do \
		$(BIN)/python bench/$$part.py || { [ $$? -eq 3 ] && echo "$$part: beyond a limit"; }; done

docs: $(DEV)  ## Write the generated documents: data dictionary, command line
	@$(BIN)/python -m healthcare_ops.entrypoints.reference docs

lock:  ## Renew the lock files (maintainers; needs uv)
	@command -v uv >/dev/null || { echo "uv is not installed; see https://docs.astral.sh/uv/"; exit 1; }
	$(LOCK) --group build -o requirements/core.lock
	$(LOCK) --group dev -c requirements/core.lock -o requirements/dev.lock
	$(LOCK) --group dev --extra spark -o requirements/spark.lock

clean:  ## Remove the virtual environments and caches; state directories stay
	rm -rf $(VENV) $(SPARK_VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(CORE): requirements/core.lock
	$(call new_venv,$(PYTHON),>= (3, 11),Python 3.11 or newer is needed. Install it or set PYTHON=...,$(VENV))
	$(call step,core,$(BIN)/python $(INSTALL_LOCK) requirements/core.lock)
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || $(call apt_install,libgomp1,LightGBM needs libgomp)
	@touch $@

$(CODE): $(CORE)
	@rm -f $(VENV)/.code-*
	$(call step,hops,$(BIN)/python $(INSTALL_CODE))
	@touch $@

$(DEV): $(CODE)
	@rm -f $(VENV)/.dev-*
	$(call step,tools,$(BIN)/python $(INSTALL_LOCK) requirements/dev.lock)
	@touch $@

$(SPARK): requirements/spark.lock
	$(call new_venv,$(SPARK_PYTHON),== (3, 11),Spark 3.5 needs Python 3.11. Install it or set SPARK_PYTHON=...,$(SPARK_VENV))
	$(call step,spark,$(SPARK_VENV)/bin/python $(INSTALL_LOCK) requirements/spark.lock)
	$(call step,hops,$(SPARK_VENV)/bin/python $(INSTALL_CODE))
	@touch $@

java:
	@test -n "$(JAVA_17)" || $(call apt_install,openjdk-17-jre-headless,Spark 3.5 needs Java 17)

# Without it the tests that kill are skipped, and say so.
cc:
	@command -v cc >/dev/null || [ "$$(id -u)" != 0 ] || $(call apt_install,gcc,The tests that kill need cc)

has_postgres = { ls /usr/lib/postgresql/*/bin/postgres || command -v postgres; } >/dev/null 2>&1

# Without it the tests that need a server are skipped, and say so.
postgres:
	@$(has_postgres) || [ "$$(id -u)" != 0 ] || \
		$(call apt_install,postgresql,Some tests of runs need PostgreSQL)

# $(call step,name,command): one line if all is well, everything the command said if not.
define step
@printf '%-8s ' $(1); said=$$($(2) 2>&1) && echo ok || { printf 'FAILED\n%s\n' "$$said"; exit 1; }
endef

# $(call new_venv,interpreter,version it must have,message if it has not,folder)
define new_venv
@"$(1)" $(call is_python,$(2)) || { echo "$(3)" >&2; exit 1; }
@"$(1)" -c 'import ensurepip' 2>/dev/null || { \
	package=$$("$(1)" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	$(call apt_install,$$package,$(1) cannot make virtual environments); }
@printf '%-8s %s\n' python "$$("$(1)" --version) in $(4)"
@rm -rf $(4)
@"$(1)" -m venv $(4)
endef

# $(call apt_install,package,why): root on Debian gets it, everyone else a message.
define apt_install
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	printf '%-8s %s\n' apt-get "$(1)"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1) >/dev/null; \
else echo "$(2). On Debian: sudo apt-get install $(1)" >&2; exit 1; fi; }
endef

